"""What HTTP/2 lets one connection ask for without end. None of it may cost memory without end, or keep others out."""

import struct
import time
import unittest

from faults.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW,
    PING,
    PRIORITY,
    SETTINGS,
    WIDEST,
    Client,
    block,
    frame,
    literal,
    reset,
    window,
)
from faults.service import Service
from faults.support import Gateway, Others, Peak, report, token, until

YAML = """
authentication: [token]
permission: authenticated
limits: {{ head_time: {time}, send_time: {time} }}
routes:
  - {{ path: /, upstream: echo }}
  - path: /soon/
    permission: anyone
    upstream: {{ servers: ["http://127.0.0.1:{port}"], idle_timeout: {time} }}
"""
# KiB that all of an attack may cost; most cost next to nothing.
MOST = 64 << 10
SECONDS = 0.5
BATCH = 250


class Connections:
    """To a gateway that is as patient as `time` says."""

    time = "30s"

    @classmethod
    def setUpClass(cls):
        cls.service = Service()
        cls.addClassCleanup(cls.service.stop)
        cls.gateway = Gateway(YAML.format(port=cls.service.port, time=cls.time))
        cls.addClassCleanup(cls.gateway.stop)
        cls.alice = token(cls.gateway)
        cls.head = block("/soon/", None, "POST")

    def setUp(self):
        self.clients = []
        self.addCleanup(self.close)

    def close(self):
        for client in self.clients:
            client.close()
        until("they are gone", lambda: self.gateway.metric("connections") == 0)

    def client(self, **more):
        self.clients.append(Client(self.gateway.port, **more))
        # Who does not read is not read in the end: then as much as the sockets hold is all there is.
        self.clients[-1].socket.settimeout(1)
        return self.clients[-1]

    def reader(self):
        """Asks for as many large answers as are allowed, with windows as wide as can be, and reads nothing."""
        client = self.client(settings=struct.pack(">HI", INITIAL_WINDOW, WIDEST), reads=False)
        client.send(window(0, WIDEST - 65535))
        for _ in range(100):
            client.get("/soon/bytes/10000000")


class Floods(Connections, unittest.TestCase):
    def attack(self, frames, most=MOST, **more):
        """Sends what `frames` makes, on a new connection each time the gateway has had enough. Whether it ever had."""
        with Others(self.gateway, "/", self.alice) as others, Peak(self.gateway) as peak:
            others.more()
            cpu, sent, client = self.gateway.cpu(), 0, self.client(**more)
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                batch = frames(client)
                if client.send(*batch):
                    sent += len(batch)
                else:
                    client = self.client(**more)
            others.more()
            figures = {"CPU_seconds": round(self.gateway.cpu() - cpu, 1), "connections": len(self.clients)}
        self.assertIsInstance(others.served(), int)
        self.assertLess(peak.grown, most, "KiB")
        report(self, frames=sent, grown_KiB=peak.grown, **figures, others_served=others.served())
        return len(self.clients) > 1

    def test_rapid_reset(self):
        """Attack (CVE-2023-44487): requests are asked and taken back at once, so that no limit on open ones holds."""

        def frames(client):
            numbers = [client.stream() for _ in range(BATCH // 2)]
            return [frame(HEADERS, END_STREAM | END_HEADERS, n, block("/", self.alice)) + reset(n) for n in numbers]

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_reset_after_they_have_begun(self):
        """Attack: the same, only after the gateway has begun to look for whose a token is, each time another."""

        def frames(client):
            numbers = [client.stream() for _ in range(BATCH // 2)]
            for number in numbers:
                asked = block("/", f"Token {number:040}")
                client.send(frame(HEADERS, END_STREAM | END_HEADERS, number, asked))
            return [reset(number) for number in numbers]

        self.attack(frames)

    def test_made_you_reset(self):
        """Attack (CVE-2025-8671): requests that are made wrong once they are asked, so that it is the gateway itself
        that takes them back."""

        def frames(client):
            numbers = [client.stream() for _ in range(BATCH // 2)]
            return [frame(HEADERS, END_STREAM | END_HEADERS, n, block("/")) + window(n, 0) for n in numbers]

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_a_head_without_end(self):
        """Attack (RUSTSEC-2024-0332): a head that goes on for ever, in frames that are never the last."""
        fields = b"".join(literal(f"x-{number}", "a" * 50) for number in range(200))

        def frames(client):
            if client.next == 1:
                return [frame(HEADERS, 0, client.stream(), block("/"))]
            return [frame(CONTINUATION, 0, 1, fields)] * BATCH

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_a_head_of_nothing_without_end(self):
        """Attack: the same with frames that have nothing in them, which no limit on bytes counts."""

        def frames(client):
            if client.next == 1:
                return [frame(HEADERS, 0, client.stream(), block("/"))]
            return [frame(CONTINUATION, 0, 1)] * BATCH

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_fields_from_the_table(self):
        """Attack (the HPACK bomb): one large field is put into the table once and then named by a byte, thousands of
        times: a small head that is tens of megabytes."""
        large = b"\x40" + literal("x", "a" * 4000)[1:]

        def frames(client):
            return [frame(HEADERS, END_STREAM | END_HEADERS, client.stream(), block("/") + large + b"\xbe" * 12000)]

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_cookies(self):
        """Attack (CVE-2026-47774): cookies may come in a field each; who counts them as one counts none."""
        crumbs = b"".join(literal("cookie", f"a{number}=b") for number in range(500))
        with self.client() as client:
            number = client.stream()
            client.send(frame(HEADERS, END_STREAM | END_HEADERS, number, block("/soon/") + crumbs))
            self.assertEqual(client.ended(number)[0], 431)

    def test_pings(self):
        """Attack (CVE-2019-9512): pings, and whoever sends them does not read the answers that pile up."""
        self.attack(lambda _: [frame(PING, 0, 0, bytes(8))] * BATCH, reads=False)

    def test_settings(self):
        """Attack (CVE-2019-9515): settings, each of which asks for an acknowledgement."""
        self.attack(lambda _: [frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW, 65535))] * BATCH, reads=False)

    def test_frames_of_nothing(self):
        """Attack (CVE-2019-9518): a body that goes on for ever and has nothing in it."""

        def frames(client):
            if client.next == 1:
                return [frame(HEADERS, END_HEADERS, client.stream(), self.head)]
            return [frame(DATA, 0, 1)] * BATCH

        self.assertTrue(self.attack(frames), "it is never cut")

    def test_priorities_and_windows(self):
        """Attack (CVE-2019-9513): frames that only arrange things, each with work of its own."""
        arranged = [frame(PRIORITY, 0, 2 * number + 1, struct.pack(">IB", 0, 7)) for number in range(BATCH // 2)]
        self.attack(lambda _: arranged + [window(0, 1)] * (BATCH // 2))

    def test_more_streams_than_are_allowed(self):
        """Attack: requests that are begun and never ended, more than the gateway has said that it takes."""

        def frames(client):
            return [frame(HEADERS, END_HEADERS, client.stream(), self.head) for _ in range(BATCH)]

        self.attack(frames)

    def test_readers(self):
        """Attack (CVE-2019-9517): a client that asks for much more than it reads."""
        with Others(self.gateway, "/", self.alice) as others, Peak(self.gateway) as peak:
            self.reader()
            others.more(200)
        self.assertIsInstance(others.served(), int)
        self.assertLess(peak.grown / 100, 1024, "KiB a stream")
        report(self, streams=100, grown_KiB=peak.grown, others_served=others.served())


class Left(Connections, unittest.TestCase):
    time = "1s"

    def test_clients_that_are_gone(self):
        """Attack: a head that is begun and never ended, after which no other frame may come, nor a question whether
        anybody is there; and connections that are used once and then left without a word."""
        for _ in range(50):
            self.client(reads=False).send(frame(HEADERS, 0, 1, block("/")))
            self.client(reads=False).get("/", self.alice)
        until("they are given up", lambda: self.gateway.metric("connections") == 0)

    def test_clients_that_only_answer(self):
        """Attack: connections without a request, whose pings are answered for ever."""
        for _ in range(20):
            self.client()
        until("they are given up", lambda: self.gateway.metric("connections") == 0)

    def test_windows_that_never_open(self):
        """Attack: answers are asked for that there is no room for, and all pings are answered. Each would keep a
        connection to the upstream for ever."""
        client = self.client(settings=struct.pack(">HI", INITIAL_WINDOW, 0))
        streams = [client.get("/soon/bytes/10000000") for _ in range(50)]
        self.assertEqual({client.ended(stream) for stream in streams}, {(200, False)})
        until("it is given up", lambda: self.gateway.metric("connections") == 0)

    def test_readers_are_cut(self):
        """Attack: clients that read nothing, for ever. They answer no ping either, and to close the connection once
        what was said is sent would be never."""
        for _ in range(4):
            self.reader()
        for client in self.clients:
            # It has begun.
            client.socket.recv(1)
        until("they are given up", lambda: self.gateway.metric("connections") == 0, patience=6)


if __name__ == "__main__":
    unittest.main()
