"""Certificates that come by themselves: the gateway with an ACME authority that looks whether the names are its own.
Only with a binary that was built with the feature `acme`."""

import os
import re
import socket
import ssl
import stat
import tempfile
import unittest
from pathlib import Path

from cryptography import x509

from beside.pebble import Gate, Pebble
from beside.support import TIMEOUT, read_message
from clients.servers import portcullis
from faults.support import Gateway, free_port, until

# `plain` is where the authority looks for pages, PORT where everybody else may come.
LISTEN = """
listen:
  - address: 127.0.0.1:{tls}
    tls: {{ acme: {{ names: [{names}], contact: ops@example.test, {authority}folder: acme{challenge} }} }}
  - {{ address: 127.0.0.1:{plain}, redirect: https }}
  - 127.0.0.1:PORT
"""
ROUTES = """
authentication: [basic]
permission: authenticated
routes:
  - { path: /, upstream: echo }
  - { path: /public/, permission: anyone, upstream: echo }
"""
A, B, C = (f"{letter}.example.test" for letter in "abc")
PAGES = "/.well-known/acme-challenge/"
# Where the gateway answers nothing of its own.
ELSEWHERE = "/.well-known/acme-challengf/"
# RFC 8737, section 3.
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


def setUpModule():
    with tempfile.TemporaryDirectory(prefix="portcullis-beside.") as folder:
        listen = LISTEN.format(tls=1, plain=2, names=A, authority="", challenge="").replace("PORT", "3")
        Path(folder, "gateway.yaml").write_text(listen + 'store: { url: "sqlite://store.db", create: true }\n' + ROUTES)
        done = portcullis(folder, "check")
    said = done.stdout + done.stderr
    if done.returncode and "--features acme" in said:
        raise unittest.SkipTest(said.splitlines()[0])
    if done.returncode:
        raise AssertionError(said)


def names(certificate):
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.DNSName)


def ask(stream, target, host, more=""):
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"
    stream.sendall(head.encode())
    with stream.makefile("rb") as file:
        return read_message(file)


class Acme(unittest.TestCase):
    def setUp(self):
        self.tls, self.plain = free_port(), free_port()

    def start_pebble(self, **settings):
        self.make_pebble(**settings)
        self.pebble.start()

    def make_pebble(self, **settings):
        self.pebble = Pebble(**{"tls": self.tls, "http": self.plain, **settings})
        self.addCleanup(self.pebble.discard)

    def gate(self, behind):
        gate = Gate(behind)
        self.addCleanup(gate.stop)
        return gate

    def start_gateway(self, *names, challenge=None):
        self.challenge = challenge
        self.gateway = Gateway(ROUTES, users=(), listen=self.listen(names))
        self.addCleanup(self.gateway.stop)
        self.folder = Path(self.gateway.folder.name, "acme")

    def listen(self, names):
        return LISTEN.format(
            tls=self.tls,
            plain=self.plain,
            names=", ".join(names),
            authority=f'directory: "{self.pebble.directory}", ca: "{self.pebble.ca}", ',
            challenge=f", challenge: {self.challenge}" if self.challenge else "",
        )

    def configure(self, *names):
        """Other names, from the next start or reload on."""
        self.gateway.head = re.sub("names: [^]]*]", f"names: [{', '.join(names)}]", self.gateway.head)
        self.gateway.write(ROUTES)

    def restart(self):
        self.gateway.kill()
        self.gateway.start()

    # --- what clients see -----------------------------------------------------------------------

    def shake(self, name, *protocols, whoever=False):
        """A connection, once the handshake is done. Unless it may be whoever's, it is the authority that has said that
        the name is the other side's, and that the time is not over."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if whoever:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=self.pebble.root)
        if protocols:
            context.set_alpn_protocols(protocols)
        stream = socket.create_connection(("127.0.0.1", self.tls), TIMEOUT)
        try:
            return context.wrap_socket(stream, server_hostname=name)
        except BaseException:
            stream.close()
            raise

    def seen(self, name, *protocols, **more):
        """The certificate; none if the gateway ends the handshake. One that is not good is a failure."""
        try:
            with self.shake(name, *protocols, **more) as stream:
                return x509.load_der_x509_certificate(stream.getpeercert(True))
        except ssl.SSLCertVerificationError:
            raise
        except (ssl.SSLError, ConnectionError):
            return None

    def comes(self, name, other_than=None, always=False):
        """The certificate, as soon as it is there; `always`, if until then there is the other."""
        found = []

        def there():
            certificate = self.seen(name)
            self.assertTrue(certificate or not always, "a handshake has failed")
            if certificate and certificate != other_than:
                found.append(certificate)
            return found

        until(f"a certificate for {name}", there)
        return found[0]

    def log(self):
        return Path(self.gateway.log.name).read_text()

    def warned(self):
        return any("WARN" in line and A in line for line in self.log().splitlines())

    def assert_serves(self, name):
        with self.shake(name, "http/1.1") as stream:
            self.assertEqual(ask(stream, "/public/", name).status, 200)

    def assert_both_are_served(self):
        certificate = self.comes(A)
        self.assertEqual(sorted(names(certificate)), [A, B])
        self.assertEqual(self.seen(B), certificate)
        for name in (A, B):
            self.assert_serves(name)

    # --- what is meant --------------------------------------------------------------------------

    def test_tls_alpn_01(self):
        """With an authority that refuses good nonces now and then, as Pebble does unless it is told otherwise."""
        self.start_pebble(PEBBLE_WFE_NONCEREJECT="5")
        self.start_gateway(A, B, challenge="tls-alpn-01")
        self.assert_both_are_served()
        self.assertEqual(self.pebble.orders(), 1)

    def test_http_01(self):
        """With an authority that takes its time, and looks from several places."""
        self.start_pebble(PEBBLE_VA_NOSLEEP="0", PEBBLE_VA_SLEEPTIME="3")
        self.start_gateway(A, B, challenge="http-01")
        self.assert_both_are_served()
        self.assertEqual(self.pebble.said().count("Attempting to validate w/ HTTP"), 6)
        # The listener is what it was meant for.
        with socket.create_connection(("127.0.0.1", self.plain), TIMEOUT) as stream:
            answer = ask(stream, "/public/?a=b", A)
        self.assertEqual((answer.status, answer.values("location")), (308, [f"https://{A}/public/?a=b"]))

    def test_another_start_orders_nothing(self):
        self.start_pebble()
        self.start_gateway(A, B)
        certificate = self.comes(A)
        self.pebble.stop()
        with socket.create_server(("127.0.0.1", self.pebble.port)) as instead:
            instead.setblocking(False)
            self.restart()
            self.assertEqual(self.comes(A), certificate)
            self.assert_serves(B)
            # Nobody has come to the authority.
            with self.assertRaises(BlockingIOError):
                instead.accept()

    def test_another_start_with_other_names(self):
        self.start_pebble()
        self.start_gateway(A, B)
        old = self.comes(A)
        self.configure(A, C)
        self.restart()
        # Until then none: the old one would not be good for this name.
        new = self.comes(C)
        self.assertEqual(sorted(names(new)), [A, C])
        self.assertNotEqual(new.serial_number, old.serial_number)
        self.assertEqual(self.seen(A), new)
        self.assertEqual(self.pebble.orders(), 2)

    def test_reloads(self):
        """With an authority that believes what it has been shown before."""
        self.start_pebble(PEBBLE_AUTHZREUSE="100")
        self.start_gateway(A, B)
        old = self.comes(A)
        with self.shake(A, "http/1.1") as stream:
            self.gateway.write(ROUTES.replace("/public/", "/changed/"))
            self.gateway.reload()
            self.assertEqual(self.seen(A), old)
            self.assertEqual(ask(stream, "/changed/", A).status, 200)
            self.configure(A, C)
            self.gateway.reload()
            self.assertEqual(ask(stream, "/public/", A).status, 200)
            new = self.comes(A, other_than=old, always=True)
            self.assertEqual(sorted(names(new)), [A, C])
            self.assertEqual(self.seen(C), new)
            self.assertEqual(ask(stream, "/public/", A).status, 200)
        # The first reload, which was long before this one's, has ordered nothing.
        self.assertEqual(self.pebble.orders(), 2)

    def test_renewal(self):
        """No handshake fails, and none shows a certificate whose time is over."""
        self.start_pebble(validity=15)
        self.start_gateway(A)
        first, second = self.comes(A), None
        with self.shake(A, "http/1.1") as stream:

            def renewed():
                nonlocal second
                second = self.seen(A)
                self.assertIsNotNone(second, "a handshake has failed")
                return second != first

            until("the certificate is renewed", renewed)
            self.assertEqual(ask(stream, "/public/", A).status, 200)
        self.assertNotEqual(second.serial_number, first.serial_number)
        half = first.not_valid_before_utc + (first.not_valid_after_utc - first.not_valid_before_utc) / 2
        self.assertGreaterEqual(second.not_valid_before_utc, half)
        self.assertEqual(self.pebble.orders(), 2)

    def test_a_directory_that_is_gone_when_it_is_time(self):
        self.start_pebble(validity=12)
        self.start_gateway(A)
        certificate = self.comes(A)
        self.pebble.stop()
        until("the gateway warns", self.warned)
        self.assertEqual(self.seen(A, whoever=True), certificate)
        with self.shake(A, "http/1.1", whoever=True) as stream:
            self.assertEqual(ask(stream, "/public/", A).status, 200)

    def test_a_directory_that_is_not_there_yet(self):
        self.make_pebble()
        self.start_gateway(A)
        self.assertEqual(self.gateway.ask("/public/").status, 200)
        until("the gateway warns", self.warned)
        self.assertIsNone(self.seen(A, whoever=True))
        self.assertEqual(self.gateway.ask("/public/").status, 200)
        self.pebble.start()
        self.comes(A)
        self.assert_serves(A)

    # --- what is not ----------------------------------------------------------------------------

    def test_who_can_read_the_keys(self):
        """Attack: another user of the machine reads the keys, and is the names, or has the authority revoke them. The
        gateway's own umask would let everybody."""
        self.addCleanup(os.umask, os.umask(0))
        self.start_pebble()
        self.start_gateway(A)
        self.comes(A)
        self.assert_private(2)
        self.configure(A, B)
        self.restart()
        self.comes(B)
        self.assert_private(2)

    def assert_private(self, at_least):
        # A certificate may be shown a moment before it is kept.
        until("all is kept", lambda: len(self.files()) >= at_least and b"PRIVATE KEY" in b"".join(self.contents()))
        modes = {path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in [self.folder, *self.files()]}
        self.assertEqual(modes, {name: "0o700" if name == self.folder.name else "0o600" for name in modes})

    def files(self):
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def contents(self):
        return [path.read_bytes() for path in self.files()]

    def test_who_speaks_as_the_authority(self):
        """Attack: a connection that is only for the authority is used by anyone: it carries requests that are judged
        by nothing, it comes to HTTP over a certificate that nobody has issued, or it tells what the certificate of
        another name is."""
        gate = self.gate(self.tls)
        self.start_pebble(tls=gate.port)
        self.start_gateway(A)
        until("the authority looks", lambda: gate.came)
        # The name's challenge, and nothing else.
        shown = self.seen(A, "acme-tls/1", whoever=True)
        self.assertEqual(names(shown), [A])
        self.assertTrue(shown.extensions.get_extension_for_oid(IDENTIFIER).critical)
        self.assertEqual(self.said_after(A, "acme-tls/1"), b"")
        # Nor to who asks otherwise.
        for name, protocols in (
            *((A, []), (A, ["http/1.1"]), (A, ["h2"]), (None, []), (None, ["acme-tls/1"]), (B, ["acme-tls/1"])),
            *(("example.test", ["acme-tls/1"]), ("*.example.test", ["acme-tls/1"]), (f"a.{A}", ["acme-tls/1"])),
        ):
            with self.subTest(name, protocols=protocols):
                self.assertIsNone(self.seen(name, *protocols, whoever=True))
        for protocols in (["acme-tls/1", "http/1.1"], ["h2", "acme-tls/1"], ["acme-tls/1", "x"]):
            with self.subTest(protocols):
                self.assertIn(self.seen(A, *protocols, whoever=True), [None, shown])
                self.assertIn(self.said_after(A, *protocols), [None, b""])
        gate.opened.set()
        certificate = self.comes(A)
        # Nothing is pending any more.
        self.assertIn(self.seen(A, "acme-tls/1", whoever=True), [None, certificate])
        for name, protocols in ((A, ["acme-tls/1"]), (B, ["acme-tls/1"]), (A, ["acme-tls/1", "x"])):
            with self.subTest(name, protocols=protocols):
                self.assertIn(self.said_after(name, *protocols), [None, b""])
        self.assertEqual(self.seen(A, "acme-tls/1", "http/1.1"), certificate)
        self.assert_serves(A)

    def said_after(self, name, *protocols):
        """What is answered to a request until the connection is closed; none if the handshake fails."""
        try:
            stream = self.shake(name, *protocols, whoever=True)
        except (ssl.SSLError, ConnectionError):
            return None
        said = b""
        with stream:
            try:
                stream.sendall(f"GET /public/ HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
                while some := stream.recv(65536):
                    said += some
            except (ssl.SSLError, ConnectionError):
                pass
        return said

    def test_pages_that_nobody_has_given(self):
        """Attack: the path that needs no credential is the way round those that do, or to the keys, which are files
        beside it; or an authority's token, seen or guessed in part, opens it for longer than it is asked for."""
        gate = self.gate(self.plain)
        self.start_pebble(http=gate.port)
        self.start_gateway(A, challenge="http-01")
        until("the authority looks", lambda: gate.came)
        token = re.match(rb"GET /\.well-known/acme-challenge/([\w-]{20,}) HTTP/1\.1\r\n", gate.came[0])[1].decode()
        for port in (self.gateway.port, self.plain):
            answer = self.page(port, PAGES + token)
            self.assertRegex(answer.body.decode(), rf"^{re.escape(token)}\.[\w-]{{43}}$")
        near = [token[:-1], token[1:], token.swapcase(), f"%{ord(token[0]):02x}{token[1:]}"]
        near += [begin + token for begin in ("/", "x/", "./", "../acme-challenge/")]
        near += [token + end for end in ("x", ".", "/", "/.", "/..", ";", "%20", "%00", "%2f", "/../../../public/")]
        self.assert_as_elsewhere(near)
        gate.opened.set()
        self.comes(A)
        until("the page is gone", lambda: self.page(self.gateway.port, PAGES + token).status != 200)
        until("all is kept", lambda: b"PRIVATE KEY" in b"".join(self.contents()))
        files = [str(path.relative_to(self.folder)) for path in self.files()]
        tokens = ["", ".", "..", "%2e", "%2e%2e", "../", "..%2f", "%2e%2e/", "\\..\\", "*", "%", "%00", token, *near]
        tokens += ["x" * 200, "x" * 4000, "../" * 1000, "%2e%2e%2f" * 500, "a/b", "a%2fb"]
        for file in files:
            tokens += [file, f"../{file}", f"../acme/{file}", f"../../acme/{file}", f"..%2f..%2facme%2f{file}"]
            tokens += [f"%2e%2e/%2e%2e/acme/{file}", f"{self.folder}/{file}", f"/{self.folder}/{file}", f"{file}%00"]
        self.assert_as_elsewhere(tokens)
        # More than a request may have; what it is answered may be lost with the connection.
        for port in (self.gateway.port, self.plain):
            answer = self.page(port, PAGES + "x" * 1_000_000)
            self.assertIn(answer and answer.status, [None, 400, 414, 431])

    def assert_as_elsewhere(self, tokens):
        for token in tokens:
            for port in (self.gateway.port, self.plain):
                with self.subTest(token[:60], redirects=port == self.plain):
                    answer, other = self.page(port, PAGES + token), self.page(port, ELSEWHERE + token)
                    self.assertEqual((answer.status, answer.body), (other.status, other.body))
                    for line in b"\n".join(self.contents()).split(b"\n"):
                        self.assertFalse(len(line) > 20 and line in answer.body, line)

    def page(self, port, target):
        """The answer, or nothing if the connection is closed without one."""
        with socket.create_connection(("127.0.0.1", port), TIMEOUT) as stream:
            try:
                return ask(stream, target, A, "Connection: close\r\n")
            except ConnectionError:
                return None


if __name__ == "__main__":
    unittest.main()
