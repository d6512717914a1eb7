"""The proxies and what stands behind them, started from `conf/` with one worker each."""

import pathlib
import re
import sys
from dataclasses import dataclass

from gateway import cpu_seconds, free_port

CONF = pathlib.Path(__file__).with_name("conf")
BIN = pathlib.Path(sys.executable).parent
NGINX = ["nginx", "-p", "{work}", "-e", "stderr", "-c", "{file}"]
# What each is started with. Those that start a thread for each core see only the one they are given.
COMMANDS = {
    "upstream.conf": NGINX,
    "decider.conf": NGINX,
    "nginx.conf": NGINX,
    "haproxy.cfg": ["haproxy", "-q", "-db", "-f", "{file}"],
    "envoy.yaml": [f"{BIN}/envoy", "--concurrency", "1", "--disable-hot-restart",
                   "--log-level", "error", "--config-path", "{file}"],
    "Caddyfile": [f"{BIN}/caddy", "run", "--adapter", "caddyfile", "--config", "{file}"],
    "gateway.yaml": ["{binary}", "--config", "{file}"],
}


@dataclass
class Server:
    """Ports of one, and the processes whose time counts."""

    port: int
    tls: int
    processes: tuple

    def url(self, case, path=""):
        scheme, port = ("https", self.tls) if case.tls else ("http", self.port)
        return f"{scheme}://127.0.0.1:{port}{case.path}{path}"

    def cpu(self):
        return sum(cpu_seconds(process.pid) for process in self.processes)

    def asking(self, other):
        return Server(self.port, self.tls, self.processes + other.processes)


class Servers:
    """Starts them. `values` stands for the words between two `@` in their configurations."""

    def __init__(self, folder, binary, **values):
        self.folder, self.binary = pathlib.Path(folder), binary
        self.values = {"shared": folder, **values}
        self.started = 0

    def configure(self, name, **values):
        """A file in a folder of its own, and the ports in it."""
        self.started += 1
        work = self.folder / f"{name}.{self.started}"
        work.mkdir()
        known = {**self.values, "port": free_port(), "tls": free_port(), **values}
        text = (CONF / name).read_text()
        file = work / name
        file.write_text(re.sub("@([a-z0-9_]+)@", lambda word: str(known[word[1]]), text))
        return file, known["port"], known["tls"]

    def start(self, processes, core, name, **values):
        file, port, tls = self.configure(name, **values)
        places = {"work": file.parent, "file": file, "binary": self.binary}
        command = [word.format(**places) for word in COMMANDS[name]]
        # Caddy keeps things at home.
        home = {"HOME": str(file.parent)}
        process = processes.start(core, *command, port=port, environment=home)
        return Server(port, tls, (process,))
