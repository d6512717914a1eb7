"""The gateway as a person gets it: `init`, `check`, `run`, `doctor`, and nothing else."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .places import ENVIRONMENT, TARGET, free_ports
from .talk import HOST, exchange

BINARY = Path(os.environ.get("PORTCULLIS_TEST_BINARY") or TARGET / "debug/portcullis")
# Tests put it on a port of their own; a person would change it in the same places.
USUAL = "127.0.0.1:8080"
LINE = r'^\S+ (?P<user>.*) (?P<scheme>\S+) "%s" \d+ \d+us \w+$'
STEP = r"^\d\. portcullis %s (.*)"
VARIABLE = re.compile(r"^     ([A-Z][A-Z0-9_]*)  ", re.MULTILINE)


class Gateway:
    """In a folder of its own, in front of an application."""

    def __init__(self, folder, place, binary):
        self.folder, self.place, self.binary = folder, place, binary
        self.file = folder / "gateway.yaml"
        (self.port,) = free_ports(1)
        self.secrets = {}
        self.process = None

    def command(self, *words, environment=None):
        done = subprocess.run(
            [self.binary, *map(str, words), "--config", self.file], cwd=self.folder, capture_output=True, text=True,
            env=environment or {**ENVIRONMENT, **self.secrets}, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def init(self):
        """What it prints."""
        place = self.place
        status, said = self.command(
            "init", "--django", place.manage, "--python", place.bin / "python", "--upstream",
            f"http://127.0.0.1:{place.port}", environment=place.variables(),
        )  # fmt: skip
        if status:
            raise RuntimeError(f"init: {said[-3000:]}")
        self.file.write_text(self.file.read_text().replace(USUAL, f"127.0.0.1:{self.port}"))
        self.secrets = place.secrets(VARIABLE.findall(said))
        self.said = said.replace(USUAL, f"127.0.0.1:{self.port}")
        return self.said

    def printed(self, name, *more):
        """A step that `init` prints, as it prints it."""
        words = re.search(STEP % name, self.said, re.MULTILINE)[1].split()
        place = words.index("--config")
        return self.command(name, *words[:place], *words[place + 2 :], *more)

    def run(self, log):
        self.log = log
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [self.binary, "run", "--config", self.file], cwd=self.folder, stdout=output, stderr=subprocess.STDOUT,
                env={**ENVIRONMENT, **self.secrets},
            )  # fmt: skip
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(f"run: {self.log.read_text()[-3000:]}")
            try:
                exchange(self.port, "GET", "/.well-known/jwks.json", {}, b"")
                self.read = len(self.log.read_text())
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("run: it does not listen")

    def line(self, call):
        """The access line of a call that has just been answered; the application asks for keys in between."""
        asked = re.escape(f"{call.method} {HOST}{call.path.partition('?')[0]}")
        for _ in range(200):
            said = self.log.read_text()[self.read :]
            if found := re.search(LINE % asked, said, re.MULTILINE):
                self.read += found.end()
                return found
            time.sleep(0.01)
        raise RuntimeError("the gateway's log has no line for a request")

    def carries(self, call):
        """Whether the call's route, or the class of its credential, is judged here and not left to the application."""
        headers = [word for name, value in call.headers.items() for word in ("-H", f"{name}: {value}")]
        _, told = self.command("explain", call.method, call.path, *headers)
        schemes = re.findall(r"^  scheme +\w+: (.*)$", told, re.MULTILINE)
        rule = re.search(r"^  rule +(.*)$", told, re.MULTILINE)
        if not rule:
            raise RuntimeError(f"explain: {told}")
        if any("the upstream judges" in said for said in schemes):
            return False
        return rule[1] != "anyone" or any(said != "not its credential" for said in schemes)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
