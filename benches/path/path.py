"""Counts the user-space instructions that the gateway spends on a request, under callgrind.

One client with one keep-alive connection, so that the count is the same from run to run. The
counters are read before and after so many requests: the start is not in them.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from gateway import Processes, configure  # noqa: E402


class Client:
    """Sends one request again and again and looks at each status."""

    def __init__(self, port, path, authorization, status):
        self.socket = socket.create_connection(("127.0.0.1", port))
        field = f"Authorization: {authorization}\r\n" if authorization else ""
        self.request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n".encode()
        self.status = f"HTTP/1.1 {status} ".encode()

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


def main():
    binary, requests = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        upstream = processes.upstream(1, folder)
        file, port, known = configure(binary, folder, upstream)
        profiles = os.environ.get("PROFILE", folder)
        valgrind = ["valgrind", "-q", "--tool=callgrind",
                    f"--callgrind-out-file={profiles}/callgrind"]
        gateway = processes.start(0, *valgrind, binary, "--config", file, port=port)
        counter = Counter(gateway, profiles)
        for case, path, authorization, status in [
            ("plain proxying", "/public/", None, 200),
            ("token, cached", "/", known["token"], 200),
            ("Basic, cached", "/", known["basic"], 200),
            ("anonymous, 401", "/", None, 401),
        ]:
            client = Client(port, path, authorization, status)
            client.ask(50)
            counter.read()
            client.ask(requests)
            spent = counter.read() / requests
            print(f"{case:16}{spent:10,.0f} instructions per request", flush=True)


main()
