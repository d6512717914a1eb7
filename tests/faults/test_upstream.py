"""The service behind the gateway is killed, hangs, is slow, and breaks off in the middle."""

import signal
import socket
import struct
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

from faults.http2 import Client
from faults.service import Behind
from faults.support import Gateway, Others, ask, report, until

YAML = """
authentication: [token]
permission: authenticated
routes:
  - {{ path: /, upstream: "http://127.0.0.1:{port}" }}
  - {{ path: /soon/, upstream: {{ servers: ["http://127.0.0.1:{port}"], response_timeout: 2s, idle_timeout: 2s }} }}
  - {{ path: /other/, upstream: echo }}
"""


class Process(Behind):
    YAML = YAML

    def ask(self, target, **more):
        return self.gateway.ask(target, self.alice, **more)

    def others(self):
        return Others(self.gateway, "/other/", self.alice)

    def test_killed(self):
        """Attack: the service is killed under load, with answers half written. Half an answer that looks whole is
        kept by whoever asked; something done twice is paid twice; and the rest of the site goes down with it."""
        with self.others() as others, ThreadPoolExecutor(12) as pool:
            cut = [pool.submit(self.ask, "/drip/1000") for _ in range(4)]
            deeds = [pool.submit(self.tell, number) for number in range(400)]
            until("half of it is done", lambda: self.service.deeds.exists() and len(self.service.done()) > 150)
            self.service.kill()
            statuses = [future.result() for future in deeds]
            cut = [future.result() for future in cut]
            gone = self.ask("/")
            others.more()
            self.service.start()
            back = self.ask("/")
        done = self.service.done()
        self.assertEqual([answer.whole for answer in cut], [False] * 4)
        self.assertLessEqual(set(statuses), {200, 502})
        self.assertIn(502, statuses)
        self.assertEqual(len(done), len(set(done)), "a POST was repeated")
        said = {str(number) for number, status in enumerate(statuses) if status == 200}
        self.assertLessEqual(said, set(done), "what was said to be done was not")
        self.assertEqual((gone.status, back.status, back.user), (502, 200, "alice"))
        self.assertIsInstance(others.served(), int)
        report(self, done=len(said), refused_with_502=statuses.count(502), others_served=others.served())

    def tell(self, number):
        return self.ask(f"/deed/{number}", method="POST").status

    def test_hung(self):
        """Attack: the service stops and says nothing, while its kernel still takes connections: everything that
        waits for it piles up, until nobody else is served and the gateway is taken for dead too."""
        before = self.gateway.descriptors()
        memory = self.gateway.memory()
        with self.others() as others, ThreadPoolExecutor(100) as pool:
            self.service.server.process.send_signal(signal.SIGSTOP)
            waiting = [pool.submit(self.ask, "/soon/") for _ in range(100)]
            until("they wait", lambda: self.gateway.metric("connections") >= 50)
            others.more()
            alive = self.gateway.health("live"), self.gateway.health("ready")
            statuses = {future.result().status for future in waiting}
            grown = self.gateway.memory() - memory
            self.service.server.process.send_signal(signal.SIGCONT)
            until("it answers again", lambda: self.ask("/").status == 200)
        self.assertEqual(statuses, {504})
        self.assertEqual(alive, (200, 200))
        self.assertIsInstance(others.served(), int)
        self.assertLess(grown / 100, 256, "KiB for each that waits")
        until("what waited has ended", lambda: self.gateway.descriptors() <= before + 4)
        report(self, waited=100, KiB_each=grown // 100, others_served=others.served())

    def test_late(self):
        """Attack: an answer that does not begin. It is 504, not 502: the service is there, and nobody knows what it
        has done. Nobody asks it again."""
        answer = self.ask("/soon/late/", method="POST")
        self.assertEqual(answer.status, 504)
        self.assertEqual(self.ask("/").status, 200)

    def test_slow(self):
        """The rule: an answer that takes longer than every limit, but never stops coming, arrives whole."""
        answer = self.ask("/soon/drip/25")
        self.assertEqual((answer.status, answer.whole), (200, True))
        self.assertEqual(answer.body, b"drop\n" * 25 + b"end\n")

    def test_silent_in_the_middle(self):
        """Attack: half an answer and then nothing. The client must neither wait for ever nor take it for whole."""
        answer = self.ask("/soon/half/")
        self.assertEqual((answer.status, answer.whole, answer.body), (200, False, b"half"))
        with Client(self.gateway.port) as client:
            half, whole = client.get("/soon/half/", self.alice), client.get("/other/", self.alice)
            self.assertEqual(client.ended(whole), (200, True))
            self.assertEqual(client.ended(half), (200, False))
            self.assertEqual(client.ended(client.get("/other/", self.alice)), (200, True))


def resetting(said):
    """A service that says this and then breaks the connection as a machine does that has crashed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(said)
                # What was said has to be on its way before the reset overtakes it.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    threading.Thread(target=serve, daemon=True).start()
    return listener


class Reset(unittest.TestCase):
    HEAD = b"HTTP/1.1 200 OK\r\n"
    SAID = {
        "nothing": b"",
        "half a head": HEAD + b"Content-Le",
        "a head": HEAD + b"Content-Length: 100\r\n\r\n",
        "half of a length": HEAD + b"Content-Length: 100\r\n\r\nhalf",
        "chunks without an end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n100\r\nhalf",
        "all until the end": HEAD + b"Connection: close\r\n\r\nhalf",
    }

    def test_reset(self):
        """Attack: the connection to the service is reset in the middle of an answer, and what came looks like all."""
        listeners = {name: resetting(said) for name, said in self.SAID.items()}
        for listener in listeners.values():
            self.addCleanup(listener.close)
            self.addCleanup(listener.shutdown, socket.SHUT_RDWR)
        routes = [
            f'  - {{ path: "/{number}/", upstream: "http://127.0.0.1:{listener.getsockname()[1]}" }}\n'
            for number, listener in enumerate(listeners.values())
        ]
        gateway = Gateway("permission: anyone\nroutes:\n" + "".join(routes), users=[])
        self.addCleanup(gateway.stop)
        seen = {}
        for number, name in enumerate(self.SAID):
            with self.subTest(name):
                for _ in range(20):
                    self.assertTrue(is_cut(gateway, f"/{number}/"))
                with Client(gateway.port) as client:
                    status, whole = client.ended(client.get(f"/{number}/"))
                    self.assertTrue(status == 502 or not whole, "HTTP/2 takes it for whole")
                    seen[name.replace(" ", "_")] = f"{status}{'' if whole else ' cut'}"
        report(self, **seen)


def is_cut(gateway, target):
    """Whether the client can see that it has not got all."""
    try:
        answer = ask(gateway.port, target)
    except (ConnectionError, HTTPException):
        return True
    return answer.status == 502 or not answer.whole


if __name__ == "__main__":
    unittest.main()
