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
from gateway import PASSED, Processes, cases, configure  # noqa: E402


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

        def count(case, path):
            client = Client(port, path, case)
            client.ask(50)
            counter.read()
            client.ask(requests)
            return counter.read() / requests

        print(f"{'':18}{'instructions per request':^30}")
        print(f"{'':18}{'passed on':>10}{'gateway':>10}{'more':>10}")
        for case in cases(port, known):
            passed = count(case, PASSED) if case.headers else None
            spent = count(case, case.path)
            counts = [passed, spent, passed and spent - passed]
            columns = "".join(f"{number:10,.0f}" if number else f"{'–':>10}" for number in counts)
            profile = f"   callgrind.{counter.dumps}" if "PROFILE" in os.environ else ""
            print(f"{case.name:18}{columns}{profile}", flush=True)


main()
