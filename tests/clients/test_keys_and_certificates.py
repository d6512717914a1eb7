"""Keys and certificates that cannot be used: what is said of each, and what to do."""

import datetime
import json
import os
import tempfile
import threading
import unittest
from pathlib import Path

from clients.servers import portcullis
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

RSA, WEAK = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 1024)
SECP = ec.generate_private_key(ec.SECP256R1())
IN_PAST = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
IN_FUTURE = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)
PASSPHRASE = "a passphrase of tests"


def private(key, encoding=PrivateFormat.PKCS8, passphrase=None):
    hidden = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, encoding, hidden).decode()


def public(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key, end=IN_FUTURE, begun=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), name="localhost"):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = max(end, begun.replace(tzinfo=datetime.UTC) + datetime.timedelta(days=1))
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = builder.serial_number(1).not_valid_before(begun).not_valid_after(end).sign(key, hashes.SHA256())
    return built.public_bytes(Encoding.PEM).decode()


class Check(unittest.TestCase):
    def check(self, text, **files):
        with tempfile.TemporaryDirectory(prefix="portcullis-keys.") as folder:
            for name, content in files.items():
                Path(folder, f"{name}.pem").write_text(content)
            routes = "" if "routes:" in text else "routes: [{ path: /, upstream: echo, permission: anyone }]\n"
            Path(folder, "gateway.yaml").write_text(text + routes)
            done = portcullis(folder, "check")
        said = done.stdout + done.stderr
        self.assertNotIn(PASSPHRASE, said)
        return done.returncode, said

    def listener(self, chain, key):
        tls = "listen: { address: '127.0.0.1:8443', tls: { certificate: chain.pem, key: key.pem } }\n"
        return self.check(tls, chain=chain, key=key)

    def test_a_listener(self):
        good = certificate(RSA)
        self.assertEqual(self.listener(good, private(RSA))[0], 0)
        self.assertEqual(self.listener(certificate(SECP), private(SECP))[0], 0)
        traditional = PrivateFormat.TraditionalOpenSSL
        for key, words in [
            (private(RSA, passphrase=PASSPHRASE), "the key is encrypted; write it without a passphrase"),
            (private(RSA, traditional, PASSPHRASE), "the key is encrypted; write it without a passphrase"),
            (private(SECP, traditional, PASSPHRASE), "the key is encrypted; write it without a passphrase"),
            (public(RSA), "this is a public key; give the private one"),
            (good, "this is a certificate; give its private key"),
            (private(SECP), "this is the key of another certificate"),
        ]:
            status, said = self.listener(good, key)
            self.assertEqual(status, 1, said)
            self.assertIn(words, said)
        for form in (PrivateFormat.PKCS8, traditional):
            status, said = self.listener(certificate(WEAK), private(WEAK, form))
            self.assertEqual(status, 1, said)
            self.assertIn("an RSA key of less than 2048 bits can be broken", said)

    def test_an_expired_certificate_is_served_and_said(self):
        """Who cannot renew at once goes on with the clients that do not look."""
        status, said = self.listener(certificate(RSA, IN_PAST), private(RSA))
        self.assertEqual(status, 0, said)
        self.assertIn("in `chain.pem` has expired on Jan  1 00:00:00 2021", said)

    def test_expired_certificates_of_every_setting(self):
        """A server behind, or a client of one, is refused from one day to the next, and the log says 502 alone."""
        old, good, key = certificate(RSA, IN_PAST), certificate(RSA), private(RSA)
        for settings, files in [
            ("ca: ca.pem", {"ca": old}),
            # Of a bundle the one that is over, alone.
            ("ca: ca.pem", {"ca": good + old}),
            ("certificate: one.pem, key: key.pem", {"one": old, "key": key}),
        ]:
            upstream = f'routes: [{{ path: /, upstream: {{ servers: ["https://a.example"], tls: {{ {settings} }} }}, permission: anyone }}]\n'
            status, said = self.check(upstream, **files)
            self.assertEqual(status, 0, said)
            self.assertEqual(said.count("has expired on"), 1, said)
            self.assertIn("warning: the certificate CN=", said)
        status, said = self.check("client: { ca: ca.pem }\n", ca=certificate(RSA, begun=datetime.datetime(2999, 1, 1)))
        self.assertIn("is valid from Jan  1 00:00:00 2999", said)
        named = self.check("client: { ca: ca.pem }\n", ca=certificate(RSA, IN_PAST, name="a\x1b[31m\nwarning: well"))[1]
        self.assertIn("CN=a\\u{1b}[31m\\nwarning: well in `ca.pem`", named)
        status, said = self.check("client: { ca: ca.pem }\n", ca=old)
        self.assertIn("warning: the certificate CN=", said)
        self.assertNotIn("expired", self.check("client: { ca: ca.pem }\n", ca=good)[1])

    def test_what_a_text_names_is_not_read_whole(self):
        """A pipe is read once, for the secret in it; and a route may have the name of a disk's image."""
        with tempfile.TemporaryDirectory(prefix="portcullis-keys.") as folder:
            pipe = Path(folder, "key")
            os.mkfifo(pipe)
            threading.Thread(target=pipe.write_text, args=["throwaway-secret-key-0123456789-0123456789"]).start()
            routes = "routes: [{ path: /, upstream: echo, permission: anyone }]\n"
            Path(folder, "gateway.yaml").write_text(f"secret_key_file: {pipe}\n{routes}")
            done = portcullis(folder, "check", timeout=20)
            self.assertEqual(done.returncode, 0, done.stderr)

    def issuer(self, key):
        return self.check(f"authentication: [jwt: {{ issuer: i, audience: a, key: {json.dumps(key)} }}]\n")

    def test_an_issuer_s_key(self):
        for key in (public(RSA), certificate(RSA)):
            self.assertEqual(self.issuer(key)[0], 0)
        for key, words in [
            (public(WEAK), "an RSA key of less than 2048 bits can be broken"),
            (private(RSA), "this is a private key, which only the issuer may have"),
            (private(RSA, passphrase=PASSPHRASE), "this is a private key, which only the issuer may have"),
        ]:
            status, said = self.issuer(key)
            self.assertEqual(status, 1, said)
            self.assertIn(words, said)
            self.assertNotIn(key.splitlines()[3], said)

    def test_a_key_that_signs(self):
        def signing(key, verifying):
            keys = f"signing_key: {json.dumps(key)}, verifying_key: {json.dumps(verifying)}"
            return self.check(f"jwt: {{ algorithm: RS256, {keys} }}\nauthentication: [jwt]\n")

        self.assertEqual(signing(private(RSA), public(RSA))[0], 0)
        for key, verifying, words in [
            (private(RSA, passphrase=PASSPHRASE), public(RSA), "the key is encrypted"),
            (private(WEAK), public(WEAK), "an RSA key of less than 2048 bits can be broken"),
            (public(RSA), public(RSA), "this is a public key; give the private one"),
        ]:
            status, said = signing(key, verifying)
            self.assertEqual(status, 1, said)
            self.assertIn(words, said)
