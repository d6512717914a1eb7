"""Debian's own ACME authority, Pebble, in a world of its own: every name is this machine's."""

import datetime
import ipaddress
import json
import select
import socket
import ssl
import tempfile
import threading
import urllib.request
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from clients.servers import Server, Threaded, answers
from faults.support import free_port, until

# It waits for seconds before it looks, refuses good nonces, and may believe what it has been shown before: each where a
# test is about it.
QUICK = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}


class Pebble:
    """An authority that looks at these ports. It has its address, and is there from `start` to `stop`."""

    def __init__(self, tls, http, validity=0, **environment):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-pebble.")
        self.port, self.management, self.dns, self.names = (free_port() for _ in range(4))
        self.directory = f"https://127.0.0.1:{self.port}/dir"
        self.environment = {**QUICK, **environment}
        self.server = self.resolver = None
        # It has a root of its own for what it issues.
        self.ca, certificate, key = (Path(self.folder.name, name) for name in ("ca.pem", "server.pem", "server.key"))
        write_certificates(self.ca, certificate, key)
        settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "tlsPort": tls,
            "httpPort": http,
            # Seconds; 0 is five years.
            "certificateValidityPeriod": validity,
        }
        self.file = Path(self.folder.name, "pebble.json")
        self.file.write_text(json.dumps({"pebble": settings}))

    def start(self):
        command = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-defaultIPv6", ""]
        for other in ("http01", "https01", "tlsalpn01"):
            command += [f"-{other}", ""]
        command += ["-management", f"127.0.0.1:{self.names}"]
        self.resolver = Server(command, self.names, self.folder.name)
        command = ["pebble", "-config", self.file, "-dnsserver", f"127.0.0.1:{self.dns}"]
        # To a request without TLS it answers 400.
        self.server = Server(command, self.port, self.folder.name, **self.environment)
        until("Pebble can be asked for its root", lambda: answers(self.management))
        context = ssl.create_default_context(cafile=self.ca)
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/roots/0", context=context) as answer:
            self.root = answer.read().decode()

    def said(self):
        return Path(self.server.log.name).read_text()

    def orders(self):
        return self.said().count("Added order")

    def stop(self):
        for server in (self.server, self.resolver):
            if server:
                server.stop()
        self.server = self.resolver = None

    def discard(self):
        self.stop()
        self.folder.cleanup()


def write_certificates(ca, certificate, key):
    """An authority, and what it has issued for this machine."""
    issuer_key, own_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.timezone.utc)

    def issue(subject, public, *extensions):
        builder = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    ca.write_bytes(issue(issuer, issuer_key.public_key(), (x509.BasicConstraints(ca=True, path_length=0), True)))
    certificate.write_bytes(issue(x509.Name([]), own_key.public_key(), (address, True)))
    key.write_bytes(
        own_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


class Gate(Threaded):
    """Stands where the authority looks, on the way to this port. Whoever comes waits until it is opened, and the
    authority's patience is fifteen seconds: as long, a challenge is pending."""

    def __init__(self, behind):
        self.behind = behind
        self.opened = threading.Event()
        # The first bytes of each.
        self.came = []
        super().__init__()

    def serve(self, connection):
        with connection:
            first = connection.recv(65536)
            self.came.append(first)
            self.opened.wait()
            try:
                self.pass_on(connection, first)
            except OSError:
                # Either of them may end as it likes.
                pass

    def pass_on(self, connection, first):
        with socket.create_connection(("127.0.0.1", self.behind)) as behind:
            behind.sendall(first)
            other = {connection: behind, behind: connection}
            while True:
                for end in select.select(other, [], [])[0]:
                    if not (some := end.recv(65536)):
                        return
                    other[end].sendall(some)

    def stop(self):
        self.opened.set()
        super().stop()
