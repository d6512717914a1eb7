"""The examples of deploy/ as they are, but for ports and waiting times, and a service behind them that keeps
every byte it gets."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from clients.gateway import BINARY, ROOT, Gateway, free_port
from clients.servers import ENVIRONMENT, Threaded

BIN = Path(sys.executable).parent
TIMEOUT = 20


@dataclass
class Message:
    """A request or an answer, as it was on the wire."""

    first: str
    fields: list
    body: bytes = b""

    @property
    def status(self):
        return int(self.first.split()[1])

    @property
    def target(self):
        return self.first.split(" ")[1]

    def values(self, name):
        return [value for known, value in self.fields if known.lower() == name.lower()]

    def folded(self, name):
        """The values of all fields that a server would take for this one, with the names they came under."""
        return [(known, value) for known, value in self.fields if fold(known) == fold(name)]


def fold(name):
    return re.sub("[^a-z0-9]", "_", name.lower())


def read_message(stream):
    """Nothing if there is none."""
    head = []
    while True:
        line = stream.readline().decode("latin-1").removesuffix("\n").removesuffix("\r")
        if not line:
            break
        head.append(line)
    if not head:
        return None
    pairs = (line.partition(":") for line in head[1:])
    message = Message(head[0], [(name, value.strip()) for name, _, value in pairs])
    if message.first.startswith("HTTP/") and message.status < 200:
        return read_message(stream)
    if "chunked" in message.values("transfer-encoding"):
        while size := int(stream.readline().split(b";")[0] or b"0", 16):
            message.body += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
    elif lengths := message.values("content-length"):
        message.body = stream.read(int(lengths[0]))
    elif message.first.startswith("HTTP/"):
        message.body = stream.read()
    return message


class Upstream(Threaded):
    """A service that answers 200 to everything and keeps what it was asked."""

    def __init__(self):
        self.got = []
        super().__init__()

    def serve(self, connection):
        with connection, connection.makefile("rb") as stream:
            try:
                while request := read_message(stream):
                    self.got.append(request)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nupstream")
            except (OSError, ValueError, IndexError):
                pass

    def taken(self):
        """What has come since the last time."""
        got, self.got = self.got, []
        return got


# For the tests alone: a limit, and answers to preflights.
MORE = """
  - { path: /limited/, permission: anyone, throttle: [{ anon: 3/hour }] }
auth_rate: 1000/min
cors: { origins: ["https://app.example"] }
"""


class Deciding(Gateway):
    """The gateway of an example. The tests' own are the database, cheap passwords and MORE."""

    def __init__(self, file, users):
        text = file.read_text()
        text = re.sub(r"(?m)^(listen|store|secret_key):.*\n", "", text)
        text = replaced(text, "session: {", "session: { save_every_request: true,")
        super().__init__(text.rstrip() + MORE, "", users)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def start(self):
        command = [BINARY, "run", "--config", self.file]
        self.process = subprocess.Popen(command, cwd=self.folder.name, stdout=self.log, stderr=subprocess.STDOUT)
        self.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        # The last of its threads may take a moment.
        os.waitpid(self.process.pid, os.WUNTRACED)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


def replaced(text, old, new):
    if old not in text:
        raise ValueError(f"the example says {old!r} no more")
    return text.replace(old, new)


@dataclass
class Proxy:
    """An example: its files, what of them the tests replace, and how the proxy is started."""

    folder: str
    files: list
    command: list
    # The proxy's own address, in the first file and with `{}` for the port.
    listens: tuple
    patience: tuple = ()
    wrapper: str = "EXAMPLE"
    port: int = field(default_factory=free_port)

    def start(self, gateway_port, upstream_port):
        self.work = tempfile.TemporaryDirectory(prefix="portcullis-beside.")
        for name in self.files:
            text = (ROOT / "deploy" / self.folder / name).read_text()
            if name == self.files[0]:
                old, new = self.listens
                text = self.wrapper.replace("EXAMPLE", replaced(text, old, new.format(self.port)))
            if self.patience and self.patience[0] in text:
                text = text.replace(*self.patience)
            # Only Envoy has a port without its address before it.
            for port, other in ((8080, gateway_port), (8000, upstream_port)):
                text = re.sub(rf"(127\.0\.0\.1:|127\.0\.0\.1, port_value: ){port}\b", rf"\g<1>{other}", text)
            Path(self.work.name, name).write_text(text)
        self.log = Path(self.work.name, "log").open("w+", errors="replace")
        environment = {**ENVIRONMENT, "HOME": self.work.name, "PATH": f"{BIN}:{ENVIRONMENT['PATH']}:/usr/sbin:/sbin"}
        command = [word.format(folder=self.work.name) for word in self.command]
        self.process = subprocess.Popen(
            command, cwd=self.work.name, env=environment, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(1500):
            if self.process.poll() is not None:
                break
            if self.answers():
                return
            time.sleep(0.02)
        raise RuntimeError(f"{self.folder} does not answer:\n{self.stop()}")

    def answers(self):
        """Anything but 404, which Traefik says until it has read its routes."""
        try:
            return self.send(b"GET /public/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").status != 404
        except (OSError, AttributeError):
            return False

    def connect(self, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.port), TIMEOUT, (source, 0))

    def send(self, raw, source="127.0.0.1"):
        """The answer, or nothing if the connection is closed without one."""
        with self.connect(source) as connection, connection.makefile("rb") as stream:
            connection.sendall(raw)
            try:
                return read_message(stream)
            except ConnectionResetError:
                return None

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        self.work.cleanup()
        return said
