"""A gateway under callgrind, and the user-space instructions that it spends on a request.

One client with one keep-alive connection, so that the count is the same from run to run. The
counters are read before and after so many requests: the start is not in them.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

from gateway import Processes, cases, configure


class Client:
    """Sends one request again and again and looks at each status."""

    def __init__(self, port, path, case):
        self.socket = socket.create_connection(("127.0.0.1", port))
        fields = "".join(f"{name}: {value}\r\n" for name, value in case.headers.items())
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()
        self.status = f"HTTP/1.1 {case.status} ".encode()

    def ask(self, times):
        for _ in range(times):
            self.socket.sendall(self.request)
            answer = self.socket.recv(4096)
            head, end, body = answer.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
            while len(body) < length:
                body += self.socket.recv(4096)
            if not head.startswith(self.status):
                raise SystemExit(head.decode())


class Counter:
    """callgrind's counters: each dump sets them to zero."""

    def __init__(self, process, folder):
        self.pid, self.folder, self.dumps = process.pid, pathlib.Path(folder), 0

    def read(self):
        subprocess.run(["callgrind_control", "--dump", str(self.pid)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.dumps += 1
        text = (self.folder / f"callgrind.{self.dumps}").read_text()
        return int(re.search(r"^totals: (\d+)", text, re.MULTILINE)[1])


class Meter:
    """Counts for the cases of a gateway that runs."""

    def __init__(self, port, counter, every):
        self.port, self.counter, self.cases = port, counter, every

    def count(self, case, path, requests):
        """Instructions per request."""
        client = Client(self.port, path, case)
        client.ask(50)
        self.counter.read()
        client.ask(requests)
        return self.counter.read() / requests


@contextlib.contextmanager
def meter(binary):
    """With PROFILE=FOLDER, callgrind's files stay there."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        upstream = processes.upstream(1, folder)
        file, port, known = configure(binary, folder, upstream)
        profiles = os.environ.get("PROFILE", folder)
        valgrind = ["valgrind", "-q", "--tool=callgrind",
                    f"--callgrind-out-file={profiles}/callgrind"]
        gateway = processes.start(0, *valgrind, binary, "--config", file, port=port)
        yield Meter(port, Counter(gateway, profiles), cases(port, known))
