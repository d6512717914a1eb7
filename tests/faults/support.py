"""The gateway as a process that can be killed, starved and measured, and the client that must be served meanwhile."""

import base64
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, IncompleteRead
from pathlib import Path

from clients import gateway as clients

PASSWORD = clients.PASSWORD
# How long anything is waited for before it counts as never.
PATIENCE = 60

# Every test asks more often than people do, and none is about being locked out unless it says so.
HEAD = """
{listen}
admin: 127.0.0.1:{admin}
secret_key: throwaway-secret-key-for-tests-0123456789
passwords: {{ iterations: {iterations}, upgrade: false }}
auth_rate: 1000000/min
{lockout}
{store}
"""


class Gateway(clients.Gateway):
    """The binary with this configuration on this store, and with these users."""

    def __init__(self, yaml, users=("alice",), folder=None, files=None, limits=None, **head):
        self.port, self.admin = free_port(), free_port()
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-fault.", dir=folder)
        self.file = Path(self.folder.name, "gateway.yaml")
        self.head = HEAD.format(**{**self.usual(), **head}).replace("PORT", str(self.port))
        self.limits = limits or {}
        for name, content in (files or {}).items():
            Path(self.folder.name, name).write_bytes(content)
        self.write(yaml)
        self.log = Path(self.folder.name, "log").open("w+")
        for name in users:
            self.run("user", "create", name, "--password-stdin", given=PASSWORD + "\n")
        self.start()

    def usual(self):
        listen = "listen: 127.0.0.1:PORT"
        store = 'store: { url: "sqlite://store.db", create: true }'
        return {"listen": listen, "admin": self.admin, "iterations": 1000, "lockout": "lockout: false", "store": store}

    def write(self, yaml):
        """Another configuration, whole at once."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(self.head + yaml)
        fresh.rename(self.file)

    def start(self):
        limits = [f"--{name}={soft}:{hard}" for name, (soft, hard) in self.limits.items()]
        # Python ignores the signal that a write past a file's limit raises, and hands that on here: a full disk
        # raises none.
        self.process = subprocess.Popen(
            ["prlimit", *limits, clients.BINARY, "run", "--config", self.file],
            cwd=self.folder.name,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            restore_signals=False,
        )
        self.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def discard(self):
        """However it would have ended."""
        self.kill()
        self.log.close()
        self.folder.cleanup()

    def reload(self):
        """Asks for it, and waits until it serves."""

        def count():
            return Path(self.log.name).read_text().count("the new configuration serves")

        before = count()
        self.hangup()
        until("it has reloaded", lambda: count() > before)

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def ask(self, target, *credential, **more):
        return ask(self.port, target, *credential, **more)

    def health(self, page="live"):
        return ask(self.admin, f"/health/{page}").status

    def store_answers(self):
        """The page tells, also where the gateway is ready all the same because it serves whom it knows."""
        return ask(self.admin, "/health/ready").text == "ready\n"

    def metric(self, name, labels=""):
        text = ask(self.admin, "/metrics").text
        found = re.findall(rf"^portcullis_{name}(?:\{{([^}}]*)\}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for of, value in found if labels in of)

    # --- what it holds ------------------------------------------------------------------------

    def memory(self):
        """KiB that are its own: not the pages of the binary, which the system may take back."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+)", status)[1])

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self):
        """Seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# Below the range from which outgoing connections take theirs, since they must be free again after a kill; and no port
# twice, for it may be some time until it is listened on.
PORTS = iter(random.sample(range(20000, 32000), 12000))


def free_port():
    for port in PORTS:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
    raise RuntimeError("no port is free")


def until(what, done, patience=PATIENCE):
    """Waits for it; that it comes is what is tested, never when."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if done():
            return
        time.sleep(0.02)
    raise AssertionError(f"not within {patience} s: {what}")


def report(test, **figures):
    """For the closing note."""
    words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    print(f"{test.id().split('.', 1)[1]}: {words}", flush=True)


# --- a request -----------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes
    # Whether it ended as its own framing said it would.
    whole: bool = True

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def headers_upstream(self):
        """What the service behind was sent, as the echo and the application tell."""
        return {name.lower(): value for name, value in self.json["headers"].items()}

    @property
    def user(self):
        return self.headers_upstream.get("remote-user")


def ask(port, target, authorization=None, *, method="GET", data=None, headers=(), timeout=PATIENCE, connection=None):
    """An answer, on a connection of its own unless one is given. Without any answer it raises what broke it off."""
    fields = dict(headers)
    if authorization:
        fields["Authorization"] = authorization
    if isinstance(data, dict):
        data, fields["Content-Type"] = json.dumps(data), "application/json"
    own = connection or HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        own.request(method, target, data, fields)
        return read(own.getresponse())
    finally:
        if not connection:
            own.close()


def read(response):
    headers = {name.lower(): value for name, value in response.getheaders()}
    try:
        return Answer(response.status, headers, response.read())
    except IncompleteRead as cut:
        return Answer(response.status, headers, cut.partial, whole=False)
    except ConnectionError:
        return Answer(response.status, headers, b"", whole=False)


def basic(name, password=PASSWORD):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def token(gateway, name="alice"):
    """Made by the command line, so that no request has been asked yet."""
    return "Token " + gateway.run("token", "create", name).split()[2]


class Others:
    """Clients who have nothing to do with the attack and ask all the while, one on a connection that it keeps, one on a
    new one each time. `answers` has what they were answered, and `lost` what was broken off."""

    def __init__(self, gateway, target="/", *credential):
        self.arguments = (gateway.port, target, *credential)
        self.over = threading.Event()
        self.answers, self.lost = [], []
        self.threads = [threading.Thread(target=self.go_on, args=[keep], daemon=True) for keep in (False, True)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def go_on(self, keep):
        connection = HTTPConnection("127.0.0.1", self.arguments[0], timeout=PATIENCE) if keep else None
        last = time.monotonic()
        while not self.over.wait(0.005):
            if connection and time.monotonic() > last + 1:
                # A machine that is busy may have let it wait for longer than the gateway lets it.
                connection.close()
            try:
                self.answers.append(ask(*self.arguments, connection=connection))
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))
            last = time.monotonic()
        if connection:
            connection.close()

    @property
    def statuses(self):
        return [answer.status for answer in self.answers]

    def served(self):
        """How many, if it was every one of them; else what happened instead."""
        wrong = [status for status in self.statuses if status != 200]
        return self.lost[:5] or wrong[:5] or len(self.answers)

    def more(self, count=5):
        """Waits until some more were answered."""
        before = len(self.answers)
        until("other clients are served", lambda: len(self.answers) >= before + count)


class Peak:
    """How much more memory the gateway has had at most than before, in KiB: `grown`."""

    def __init__(self, gateway):
        self.gateway, self.over = gateway, threading.Event()
        self.grown = 0
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self):
        self.before = self.gateway.memory()
        self.thread.start()
        return self

    def look(self):
        while not self.over.wait(0.02):
            self.grown = max(self.grown, self.gateway.memory() - self.before)

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
