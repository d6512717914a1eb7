"""Everything at once for a long time, by hand: `tests/faults/soak MINUTES`.

Clients of all kinds, good and bad, from a thousand addresses; a reload every half minute. It fails if the gateway holds
more at the end than it did once it was warm, or has answered anybody otherwise than it should."""

import contextlib
import random
import re
import resource
import socket
import statistics
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from clients.gateway import BINARY
from faults import pages
from faults.http2 import END_HEADERS, END_STREAM, HEADERS, Client, block, frame, reset
from faults.service import Service
from faults.support import PATIENCE, Gateway, ask, basic, token

# What is remembered is forgotten within seconds, so that the first minutes are like the last.
YAML = (
    "cache: { ttl: 2s, negative_ttl: 2s, grace: 5s }\nlimits: { head_time: 5s }\n"
    + pages.YAML.replace("{ path: /, upstream: echo }", '{ path: /, upstream: "http://127.0.0.1:UPSTREAM" }')
    + "  - { path: /open/, permission: anyone, throttle: [anon: 1000/s], upstream: echo }\n"
)
LOCKOUT = "lockout: { failures: 20, window: 5s, duration: 5s }"
USERS = [f"user{number}" for number in range(8)]
EACH = 2
PAUSE = 0.1
SAMPLE = 5


# Not more: the windows of `throttle` are kept for a day, up to 200 000 callers. That is no leak, and would hide one.
ADDRESSES = [f"127.9.{number // 250}.{number % 250 + 1}" for number in range(1000)]


class Soak:
    def __init__(self):
        self.service = Service()
        yaml = YAML.replace("UPSTREAM", str(self.service.port))
        self.gateway = Gateway(yaml, USERS, lockout=LOCKOUT, limits={"nofile": (4096, 4096)})
        self.tokens = {name: token(self.gateway, name) for name in USERS}
        self.over = threading.Event()
        self.answered, self.wrong, self.samples = Counter(), Counter(), []

    # --- the clients ---------------------------------------------------------------------------

    def connection(self):
        source = random.choice(ADDRESSES), 0
        return HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE, source_address=source)

    def expect(self, answer, *statuses):
        self.answered[answer.status] += 1
        if answer.status not in statuses or not answer.whole:
            self.wrong[f"{answer.status}, not {statuses}: {answer.body[:80]}"] += 1
        return answer

    def known(self):
        """On one connection, and then on another."""
        with contextlib.closing(self.connection()) as connection:
            for _ in range(10):
                name = random.choice(USERS)
                answer = self.expect(ask(0, "/", self.tokens[name], connection=connection), 200)
                if answer.user != name:
                    self.wrong[f"{name} was taken for {answer.user}"] += 1

    def in_http2(self):
        with Client(self.gateway.port) as client:
            for number in [client.get("/", random.choice(list(self.tokens.values()))) for _ in range(10)]:
                self.expect(client.answer(number), 200)

    def strangers(self):
        with contextlib.closing(self.connection()) as connection:
            for credential in (None, f"Token {random.randbytes(20).hex()}", "Basic !!!"):
                self.expect(ask(0, "/", credential, connection=connection), 401)
            self.expect(ask(0, "/open/", connection=connection), 200)
            guess = basic(random.choice(USERS), random.randbytes(4).hex())
            self.expect(ask(0, "/", guess, connection=connection), 401, 429)

    def issues(self):
        name = random.choice(USERS)
        # Somebody else's guesses may have locked the account for a moment.
        made = self.expect(pages.knox_login(self.gateway, name), 200, 401, 429)
        if made.status == 200:
            key = made.json["token"]
            self.expect(self.gateway.ask("/", f"Knox {key}"), 200)
            self.expect(pages.knox_logout(self.gateway, key), 204)
            self.expect(self.gateway.ask("/", f"Knox {key}"), 401)
        made = self.expect(pages.jwt(self.gateway, name), 200, 429)
        if made.status == 200:
            refreshed = self.expect(pages.jwt_refresh(self.gateway, made.json["refresh"]), 200)
            self.expect(self.gateway.ask("/", f"Bearer {refreshed.json['access']}"), 200)
            self.expect(pages.jwt_blacklist(self.gateway, refreshed.json["refresh"]), 200)
        self.expect(pages.log_in(self.gateway, name), 200, 429)

    def large(self):
        with contextlib.closing(self.connection()) as connection:
            alice = self.tokens["user0"]
            self.expect(ask(0, "/bytes/3000000", alice, connection=connection), 200)
            self.expect(ask(0, "/", alice, connection=connection, method="POST", data=bytes(2_000_000)), 200)

    def rude(self):
        """Those who break off, say nonsense, or take back what they have asked."""
        head = f"%s HTTP/1.1\r\nHost: h\r\nAuthorization: {self.tokens['user1']}\r\n"
        for said in (
            head % "GET /bytes/10000000" + "\r\n",
            head % "POST /" + "Content-Length: 100000\r\n\r\n" + "x" * 500,
            head % "GET /a/../b" + "\r\n",
            "GET / HT",
            "\0\0\0",
        ):
            source = random.choice(ADDRESSES), 0
            with socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE, source) as connection:
                connection.sendall(said.encode())
                connection.settimeout(0.05)
                with contextlib.suppress(OSError):
                    connection.recv(1000)
        with Client(self.gateway.port) as client:
            for _ in range(30):
                number = client.stream()
                asked = block("/", f"Token {random.randbytes(20).hex()}")
                client.send(frame(HEADERS, END_STREAM | END_HEADERS, number, asked), reset(number))

    def silent(self):
        connections = [socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE) for _ in range(30)]
        self.over.wait(1)
        for connection in connections:
            connection.close()

    def go_on(self, client):
        while not self.over.wait(PAUSE * random.random() * 2):
            try:
                client()
            except (OSError, HTTPException, AssertionError) as error:
                self.wrong[f"{client.__name__}: {error!r}"] += 1

    # --- the measure ---------------------------------------------------------------------------

    def run(self, minutes):
        clients = [self.known, self.in_http2, self.strangers, self.issues, self.large, self.rude, self.silent]
        threads = [threading.Thread(target=self.go_on, args=[client]) for client in clients for _ in range(EACH)]
        for thread in threads:
            thread.start()
        print("minute  answers  MiB    descriptors  CPU s", flush=True)
        begin, reloaded = time.monotonic(), 0
        with contextlib.suppress(KeyboardInterrupt):
            while (passed := time.monotonic() - begin) < 60 * minutes:
                time.sleep(SAMPLE)
                self.sample(passed)
                if passed > 30 * (reloaded + 1):
                    reloaded += 1
                    self.gateway.reload()
        self.over.set()
        for thread in threads:
            thread.join()
        return self.judge()

    def sample(self, passed):
        gateway = self.gateway
        self.samples.append((gateway.memory() / 1024, gateway.descriptors()))
        if len(self.samples) % (60 // SAMPLE) == 0:
            memory, descriptors = self.samples[-1]
            print(
                f"{passed / 60:6.0f}  {self.answered.total():7}  {memory:5.1f}  {descriptors:11}  {gateway.cpu():5.0f}",
                flush=True,
            )

    def judge(self):
        """The second quarter against the last: the first is for warming up."""
        quarter = len(self.samples) // 4
        warm, last = self.samples[quarter : 2 * quarter], self.samples[-quarter:]
        print(f"answers by status: {dict(sorted(self.answered.items()))}")
        problems = [f"{count} times {what}" for what, count in self.wrong.most_common(10)]
        if problems:
            causes = Counter(re.findall(r'cause="([^"]*)"', Path(self.gateway.log.name).read_text()))
            problems += [f"{count} times the gateway gave as the cause: {cause}" for cause, count in causes.items()]
        if quarter:
            for what, at, slack in (("MiB", 0, 4), ("descriptors", 1, 10)):
                before, after = (statistics.median(sample[at] for sample in part) for part in (warm, last))
                print(f"{what}: {before:.1f} when warm, {after:.1f} at the end")
                if after > 1.05 * before + slack:
                    problems.append(f"{what} grew from {before:.1f} to {after:.1f}")
        return problems

    def stop(self):
        self.service.stop()
        self.gateway.stop()


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("tests/faults/soak MINUTES")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    soak = Soak()
    print(f"{BINARY}, {sys.argv[1]} minutes")
    try:
        problems = soak.run(int(sys.argv[1]))
    finally:
        soak.stop()
    sys.exit("\n".join(problems) or None)


if __name__ == "__main__":
    main()
