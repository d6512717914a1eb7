"""Ten thousand connections that say nothing, and more than there is room for."""

import contextlib
import resource
import socket
import unittest
from concurrent.futures import ThreadPoolExecutor

from faults.http2 import Client
from faults.support import PATIENCE, Gateway, Others, report, token, until

YAML = """
authentication: [token]
permission: authenticated
limits: {{ connections: {connections}, connections_per_client: {connections}, head_time: 5m }}
routes: [{{ path: /, upstream: echo }}]
"""
# The test needs a descriptor for each end of its own, and some.
_, MOST = resource.getrlimit(resource.RLIMIT_NOFILE)
# And the gateway keeps half of its own for upstreams.
COUNT = min(10_000, (MOST - 200) // 200 * 100)


def setUpModule():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    unittest.addModuleCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))


class Idle(unittest.TestCase):
    def start(self, connections, **limits):
        self.gateway = Gateway(YAML.format(connections=connections), limits=limits)
        self.addCleanup(self.gateway.stop)
        self.alice = token(self.gateway)
        self.request = f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {self.alice}\r\n\r\n".encode()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE)

    def used(self, count):
        """So many that have asked once, as a browser's."""
        connections = []
        for _ in range(0, count, 100):
            connections += [self.connect() for _ in range(100)]
            self.assertTrue(self.answered(connections[-100:]))
        return connections

    def answered(self, connections):
        for connection in connections:
            connection.sendall(self.request)
        return all(connection.recv(65536).startswith(b"HTTP/1.1 200 ") for connection in connections)

    def test_ten_thousand(self):
        """Attack: connections that are opened, used once and kept. Each costs memory for as long as it lasts."""
        self.start(20_000, nofile=(MOST, MOST))
        with Others(self.gateway, "/", self.alice) as others:
            others.more(50)
            before, cpu = self.gateway.memory(), self.gateway.cpu()
            idle = self.used(COUNT)
            cpu = self.gateway.cpu() - cpu
            grown = self.gateway.memory() - before
            others.more()
            alive = self.gateway.health()
            still = self.answered(idle[:: COUNT // 100])
            self.close(idle)
            left = self.gateway.memory() - before
            self.close(self.used(COUNT))
            again = self.gateway.memory() - before
        self.assertIsInstance(others.served(), int)
        self.assertEqual((alive, still), (200, True))
        self.assertLess(grown / COUNT, 64, "KiB a connection")
        self.assertLess(again, 1.5 * grown, "the second ten thousand cost more than the first")
        report(
            self,
            connections=COUNT,
            KiB_each=round(grown / COUNT, 1),
            MiB_all=grown // 1024,
            MiB_once_closed=left // 1024,
            MiB_after_as_many_again=again // 1024,
            CPU_seconds_to_open=round(cpu, 1),
            others_served=others.served(),
        )

    def close(self, connections):
        for connection in connections:
            connection.close()
        until("all are closed", lambda: self.gateway.metric("connections") < 10)

    def test_a_thousand_of_http2(self):
        """Attack: the same in HTTP/2, where a connection has tables and windows of its own."""
        self.start(20_000, nofile=(MOST, MOST))
        before = self.gateway.memory()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(self.gateway.port)) for _ in range(1000)]
            with ThreadPoolExecutor(8) as pool:
                seen = set(pool.map(lambda client: client.ended(client.get("/", self.alice)), clients))
            grown = self.gateway.memory() - before
        self.assertEqual(seen, {(200, True)})
        self.assertLess(grown / 1000, 80, "KiB a connection")
        report(self, connections=1000, KiB_each=round(grown / 1000, 1))

    def test_more_than_there_is_room_for(self):
        """Attack: all connections are taken. Who comes then is sent away at once instead of being left to wait, who is
        there is served, and the gateway is not taken for dead, which would end the others' too."""
        self.start(200)
        idle = self.used(200)
        self.addCleanup(self.close, idle)
        refused = [self.is_refused() for _ in range(500)]
        self.assertEqual(refused, [True] * 500)
        self.assertEqual((self.gateway.health("live"), self.gateway.health("ready")), (200, 200))
        self.assertTrue(self.answered(idle))
        self.close(idle)
        self.assertEqual(self.gateway.ask("/", self.alice).status, 200)

    def is_refused(self):
        with self.connect() as connection:
            try:
                connection.sendall(self.request)
                return connection.recv(1) == b""
            except ConnectionError:
                return True

    def test_more_than_a_process_is_given_unasked(self):
        """Attack: so many that the files which a shell or a container begins with, 1024 for most, are used up."""
        self.start(20_000, nofile=(256, MOST))
        idle = [self.connect() for _ in range(400)]
        self.addCleanup(self.close, idle)
        until("they are taken", lambda: self.gateway.metric("connections") >= 400)
        self.assertEqual(self.gateway.ask("/", self.alice, timeout=5).status, 200)
        self.assertEqual(self.gateway.health(), 200)

    def test_more_than_there_are_descriptors_for(self):
        """Attack: the same, where the system gives fewer than `limits.connections` promises, however it is asked.
        Clients take them all, and health, the database and the services behind are out of reach."""
        self.start(20_000, nofile=(256, 256))
        first = self.connect()
        self.assertTrue(self.answered([first]))
        idle = [self.connect() for _ in range(300)]
        self.addCleanup(self.close, [first, *idle])
        until("they are taken", lambda: self.gateway.metric("connections") >= 60)
        self.assertEqual((self.gateway.health("live"), self.gateway.health("ready")), (200, 200))
        self.assertTrue(self.answered([first]))
        self.assertEqual([self.is_refused() for _ in range(20)], [True] * 20)


if __name__ == "__main__":
    unittest.main()
