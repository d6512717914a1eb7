"""Clients that are slow on purpose: each holds a connection, and none may hold it for ever or keep others out."""

import datetime
import selectors
import socket
import ssl
import threading
import unittest
from collections import Counter
from itertools import cycle

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from faults.service import Behind
from faults.support import PATIENCE, Gateway, Others, basic, free_port, report, token, until

YAML = """
authentication: [token]
permission: authenticated
limits: {{ head_time: 5s, send_time: 5s, connections: 3000 }}
routes:
  - {{ path: /, upstream: "http://127.0.0.1:{port}" }}
  - {{ path: /other/, upstream: echo }}
  - path: /soon/
    permission: anyone
    upstream: {{ servers: ["http://127.0.0.1:{port}"], response_timeout: 2s, idle_timeout: 2s }}
  - {{ path: /token/, endpoint: token }}
"""

POST = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n"
CHUNKED = b"POST /soon/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

# What each kind says at once, and what it goes on with, a byte at a time and again and again.
CUT = {
    "nothing": (b"", b""),
    "a preface": (b"", b"PRI * HTTP/2.0\r\n\r\nSM"),
    "a request line": (b"GET /", b"a"),
    "fields": (b"GET /other/ HTTP/1.1\r\nHost: h\r\n", b"X-A: b\r\n"),
    "a second head": (b"GET /soon/ HTTP/1.1\r\nHost: h\r\n\r\nGET /", b"a"),
    "no second head": (b"GET /soon/ HTTP/1.1\r\nHost: h\r\n\r\n", b""),
    "a body for a page": (POST % b"/token/", b" "),
    "half a body": (POST % b"/soon/" + b"half", b""),
    "half a chunk": (CHUNKED + b"100\r\nhalf", b""),
    "a chunk's size": (CHUNKED + b"1;", b"a"),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n"),
}
EACH = 50


class Flood:
    """So many connections of each kind. They go on until they are cut, whatever they are answered."""

    def __init__(self, port, kinds):
        self.selector = selectors.DefaultSelector()
        self.over = threading.Event()
        self.open, self.said = Counter(), {}
        for name, (first, rest) in kinds.items():
            for _ in range(EACH):
                connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
                connection.sendall(first)
                connection.setblocking(False)
                self.selector.register(connection, selectors.EVENT_READ, (name, cycle(rest or [None]), bytearray()))
                self.open[name] += 1
        self.thread = threading.Thread(target=self.go_on, daemon=True)
        self.thread.start()

    def go_on(self):
        while not self.over.wait(0.05):
            for key, _ in self.selector.select(0):
                _, _, said = key.data
                try:
                    got = key.fileobj.recv(65536)
                except ConnectionError:
                    got = b""
                said += got
                if not got:
                    self.cut(key)
            for key in list(self.selector.get_map().values()):
                octet = next(key.data[1])
                if octet is not None:
                    try:
                        key.fileobj.send(bytes([octet]))
                    except ConnectionError:
                        self.cut(key)

    def cut(self, key):
        name, _, said = key.data
        self.selector.unregister(key.fileobj)
        key.fileobj.close()
        self.said.setdefault(name, Counter())[said[-400:].rpartition(b"HTTP/1.1 ")[2][:3].decode()] += 1
        self.open[name] -= 1

    def stop(self):
        self.over.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()


class Slow(Behind):
    YAML = YAML

    def others(self):
        return Others(self.gateway, "/", self.alice)

    def test_heads_and_bodies(self):
        """Attack (slowloris, and its like for bodies): a head, a body or the frame of one is sent a byte at a time or
        not at all. All of them are given up, and everybody else is served all the while."""
        memory = self.gateway.memory()
        with self.others() as others:
            others.more(50)
            flood = Flood(self.gateway.port, CUT)
            self.addCleanup(flood.stop)
            grown = self.gateway.memory() - memory
            until("all of them are cut", lambda: not +flood.open)
            others.more()
        self.assertIsInstance(others.served(), int)
        answers = {name: dict(said) for name, said in flood.said.items()}
        # Whoever is told anything is told that it was too slow, but for what was answered before.
        for name in ("a body for a page", "half a body", "half a chunk"):
            self.assertEqual(answers[name], {"408": EACH}, name)
        self.assertLess(grown / EACH / len(CUT), 128, "KiB a connection")
        statuses = {name.replace(" ", "_"): next(iter(said)) or "closed" for name, said in answers.items()}
        figures = {"slow": EACH * len(CUT), "KiB_each": grown // EACH // len(CUT), "others_served": others.served()}
        report(self, **figures, **statuses)

    def test_bodies_that_never_stop_coming(self):
        """Attack: a body of which a byte comes now and then. It is not too slow by any limit, for a large file on a
        poor line looks the same: it goes on, streamed, and costs nobody else anything."""
        memory = self.gateway.memory()
        with self.others() as others:
            others.more(50)
            flood = Flood(self.gateway.port, {"a body": (POST % b"/soon/", b" ")})
            self.addCleanup(flood.stop)
            others.more(400)
            grown = self.gateway.memory() - memory
        self.assertIsInstance(others.served(), int)
        self.assertEqual(flood.open["a body"], EACH)
        self.assertLess(grown / EACH, 256, "KiB a connection")
        report(self, slow_and_still_there=EACH, KiB_each=grown // EACH, others_served=others.served())

    def test_readers(self):
        """Attack: large answers are asked for and not read. What waits to be read is bounded for each."""
        memory = self.gateway.memory()
        with self.others() as others:
            readers = self.readers()
            others.more(100)
            grown = self.gateway.memory() - memory
            self.close(readers)
        self.assertIsInstance(others.served(), int)
        self.assertLess(grown / EACH, 3072, "KiB a reader")
        report(self, readers=EACH, KiB_each=grown // EACH, others_served=others.served())

    def test_readers_are_cut(self):
        """Attack: the same, for ever. Each such client keeps its connection, one to the upstream, and a mebibyte."""
        readers = self.readers()
        self.addCleanup(self.close, readers)
        until("they are given up", lambda: self.gateway.metric("connections") < EACH // 2, patience=15)

    def readers(self):
        readers = [socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE) for _ in range(EACH)]
        for reader in readers:
            reader.sendall(b"GET /soon/bytes/100000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        for reader in readers:
            # It has begun.
            reader.recv(1)
        return readers

    def close(self, connections):
        for connection in connections:
            connection.close()
        until("they are gone", lambda: self.gateway.metric("connections") < 10)


class Handshakes(unittest.TestCase):
    def test_handshakes(self):
        """Attack: TLS is begun and never finished, or not begun at all."""
        port = free_port()
        secure(self, port)
        context = ssl._create_unverified_context()

        def answers():
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as plain:
                with context.wrap_socket(plain, server_hostname="localhost") as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    return connection.recv(12)

        self.assertEqual(answers(), b"HTTP/1.1 200")
        flood = Flood(port, {"nothing": (b"", b""), "a hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"a")})
        self.addCleanup(flood.stop)
        served = []
        until("they are cut", lambda: served.append(answers()) or not +flood.open)
        self.assertEqual(set(served), {b"HTTP/1.1 200"})
        report(self, handshakes=2 * EACH, others_served=len(served))


def secure(test, port):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(today).not_valid_after(today + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    files = {"cert.pem": made.sign(key, hashes.SHA256()).public_bytes(pem[0]), "key.pem": key.private_bytes(*pem)}
    yaml = "permission: anyone\nlimits: { head_time: 5s }\nroutes: [{ path: /, upstream: echo }]\n"
    tls = f"{{ address: 127.0.0.1:{port}, tls: {{ certificate: cert.pem, key: key.pem }} }}"
    gateway = Gateway(yaml, [], listen=f"listen: [127.0.0.1:PORT, {tls}]", files=files)
    test.addCleanup(gateway.stop)


class Hashing(unittest.TestCase):
    def test_a_flood_of_passwords(self):
        """Attack: every core is kept hashing wrong passwords. Who is known already is served, whoever comes when too
        many wait is told to come later, and the gateway says that it is alive."""
        gateway = Gateway(
            "cache: { ttl: 1h }\nauthentication: [token, basic]\npermission: authenticated\n"
            "routes: [{ path: /, upstream: echo }]\n",
            iterations=600_000,
        )
        # Nobody waits for the hashes that are still to come.
        self.addCleanup(gateway.discard)
        alice = token(gateway)
        self.assertEqual(gateway.ask("/", basic("alice")).status, 200)
        guesses = [socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) for _ in range(600)]
        with Others(gateway, "/", alice) as tokens, Others(gateway, "/", basic("alice")) as passwords:
            for number, guess in enumerate(guesses):
                head = f"GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {basic('alice', str(number))}\r\n\r\n"
                guess.sendall(head.encode())
            tokens.more(50)
            passwords.more(50)
            alive = gateway.health("live"), gateway.health("ready")
            answers = [answered_at_once(guess) for guess in guesses]
        for guess in guesses:
            guess.close()
        self.assertEqual(alive, (200, 200))
        self.assertIsInstance(tokens.served(), int)
        self.assertIsInstance(passwords.served(), int)
        shed = [answer for answer in answers if answer.startswith(b"HTTP/1.1 503 ")]
        self.assertGreater(len(shed), 100)
        self.assertEqual({b"retry-after: 1" in answer for answer in shed}, {True})
        report(self, guesses=600, shed=len(shed), known_served=tokens.served() + passwords.served())


def answered_at_once(connection):
    connection.setblocking(False)
    try:
        return connection.recv(65536)
    except BlockingIOError:
        return b""


if __name__ == "__main__":
    unittest.main()
