"""Load, and what its generators say of it: requests answered, seconds, percentiles in microseconds."""

import csv
import io
import pathlib
import subprocess
import time
from dataclasses import dataclass

LUA = pathlib.Path(__file__).with_name("wrk.lua")


@dataclass
class Sample:
    requests: int
    seconds: float
    p50: float
    p99: float
    p999: float
    # Of the proxy.
    cpu: float = 0

    @property
    def cost(self):
        """CPU microseconds per request."""
        return self.cpu / self.requests * 1e6


class Unexpected(Exception):
    """An answer that the case does not expect."""


def of_each(latencies, seconds):
    """A sample of single microseconds."""
    if not latencies:
        raise Unexpected("nothing was answered")
    ordered = sorted(latencies)
    places = (ordered[int(len(ordered) * share)] for share in (0.5, 0.99, 0.999))
    return Sample(len(ordered), seconds, *places)


def fields(headers):
    return [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]


class Wrk:
    """HTTP/1.1, kept alive."""

    def command(self, case, url, headers, seconds, folder):
        return ["wrk", "-t1", f"-c{case.connections}", f"-d{seconds}s", "--timeout", "30s", "-s", LUA,
                *fields(headers), url, "--", str(case.sends)]

    def read(self, case, said, seconds):
        numbers = map(int, said.splitlines()[-1].split())
        requests, refused, broken, size, spent, *latencies = numbers
        wanted = requests if case.status >= 400 else 0
        if not requests or refused != wanted or broken or size < requests * case.gets:
            raise Unexpected(said)
        return Sample(requests, spent / 1e6, *latencies)


class Hey:
    """A connection for each request, and nothing of the last one's session taken up again."""

    def command(self, case, url, headers, seconds, folder):
        # Else it names the port as part of the server's name, which rustls refuses.
        return ["hey", "-z", f"{seconds}s", "-c", str(case.connections), "-disable-keepalive",
                "-host", "localhost", "-o", "csv", *fields(headers), url]

    def read(self, case, said, seconds):
        rows = list(csv.DictReader(io.StringIO(said)))
        if any(row["status-code"] != str(case.status) for row in rows):
            raise Unexpected(said[:2000])
        return of_each([float(row["response-time"]) * 1e6 for row in rows], seconds)


class H2load:
    """HTTP/2, 32 requests at a time on each connection."""

    def command(self, case, url, headers, seconds, folder):
        self.log = pathlib.Path(folder, "h2load.log")
        self.log.unlink(missing_ok=True)
        return ["h2load", "-t1", f"-c{case.connections}", "-m32", "-D", str(seconds),
                f"--log-file={self.log}", *fields(headers), url]

    def read(self, case, said, seconds):
        # Beginning, status, and how long it took.
        rows = [line.split("\t") for line in self.log.read_text().splitlines()]
        if "Application protocol: h2\n" not in said or any(row[1] != str(case.status) for row in rows):
            raise Unexpected(said)
        return of_each([int(row[2]) for row in rows], seconds)


def drive(core, server, case, headers, seconds, folder):
    """A sample, and what it cost the proxy."""
    load = case.load()
    command = load.command(case, server.url(case), headers, seconds, folder)
    before = server.cpu()
    said = subprocess.run(["taskset", "-c", str(core), *map(str, command)],
                          text=True, check=True, stdout=subprocess.PIPE).stdout
    cpu = server.cpu() - before
    settle(server)
    sample = load.read(case, said, seconds)
    sample.cpu = cpu
    return sample


def settle(server):
    """Waits until it does nothing any more, such as hash for clients that are gone."""
    for _ in range(100):
        before = server.cpu()
        time.sleep(0.05)
        if server.cpu() - before < 0.005:
            return
