"""testssl.sh asks listeners for every protocol, cipher and known flaw of TLS."""

import json
import re
import subprocess
import unittest
from pathlib import Path

from clients.servers import ENVIRONMENT
from faults.support import Gateway, free_port, report
from scan import certificates

YAML = """
permission: authenticated
routes:
  - { path: /, upstream: echo, authentication: [basic] }
  - { path: /required/, upstream: echo, authentication: [certificate] }
"""

# What is found, in which words, and why it stays so.
KNOWN = [
    ("cipher_order", "NOT a cipher order configured", "each is good; the client knows its fastest, as Mozilla advises"),
    ("cert_revocation", "Neither CRL nor OCSP URI provided", "the tests' authority revokes nothing"),
    ("engine_problem", "No engine .*", "of the scanner's own OpenSSL, which only the scanner uses"),
]
# What is found now and then.
AT_TIMES = [
    ("sessionresumption_ticket", "check failed because of connect problem", "it hangs up before the ticket has come"),
]
BAD = ("WARN", "LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL")


class Listeners(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.ports = {name: free_port() for name in ("rsa", "ec", "clients")}
        files = {"ca.pem": certificates.authority()}
        listen = 'listen:\n  - "127.0.0.1:PORT"\n'
        for name, port in cls.ports.items():
            files[f"{name}.pem"], files[f"{name}.key"] = certificates.server("ec" if name == "ec" else "rsa")
            tls = f"certificate: {name}.pem, key: {name}.key, hsts: 365d"
            tls += ", client_ca: ca.pem" if name == "clients" else ""
            listen += f'  - {{ address: "127.0.0.1:{port}", tls: {{ {tls} }} }}\n'
        cls.gateway = Gateway(YAML, files=files, listen=listen)
        cls.addClassCleanup(cls.gateway.stop)

    def scan(self, name, path="/"):
        """Attack: somebody on the way reads or changes what is sent, by an old protocol, a weak cipher or a known
        flaw; or a client is shown a certificate that it should not take."""
        folder = self.gateway.folder.name
        result = Path(folder, f"{name}.json")
        result.unlink(missing_ok=True)
        command = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]
        command += ["--add-ca", "ca.pem", "--jsonfile", result, f"https://localhost:{self.ports[name]}{path}"]
        environment = {**ENVIRONMENT, "HOME": folder}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        findings = json.loads(result.read_text())
        # Less is a scan that has not come to its end.
        self.assertGreater(len(findings), 100, done.stdout + done.stderr)
        unnamed, used = [], set()
        for found in findings:
            if found["severity"] not in BAD:
                continue
            rows = {row for row in KNOWN + AT_TIMES if found["id"] == row[0] and re.fullmatch(row[1], found["finding"])}
            used |= rows
            if not rows:
                unnamed.append((found["severity"], found["id"], found["finding"]))
        report(self, asked=len(findings), named=len(used), not_named=len(unnamed))
        self.assertEqual(unnamed, [])
        self.assertEqual([row for row in KNOWN if row not in used], [], "no longer found")

    def test_rsa(self):
        self.scan("rsa")

    def test_ec(self):
        self.scan("ec")

    def test_client_certificates(self):
        """The handshake asks for one, the route requires it."""
        self.scan("clients", "/required/")


if __name__ == "__main__":
    unittest.main()
