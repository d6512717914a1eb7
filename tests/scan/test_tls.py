"""testssl.sh asks listeners with certificates for every protocol, cipher and known flaw."""

import json
import subprocess
import unittest
from pathlib import Path

from faults.support import Gateway, free_port, report
from scan import certificates

YAML = """
authentication: [certificate]
permission: authenticated
routes:
  - { path: /, upstream: echo }
"""

# What is found, of which severity and in which words, and why it stays. 
KNOWN = {}


class Listeners(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ports = {name: free_port() for name in ("rsa", "ec", "clients")}
        files = {"ca.pem": certificates.authority()}
        listeners = []
        for name, port in cls.ports.items():
            kind = "ec" if name == "ec" else "rsa"
            files[f"{name}.pem"], files[f"{name}.key"] = certificates.server(kind)
            more = ", client_ca: ca.pem" if name == "clients" else ""
            tls = f"certificate: {name}.pem, key: {name}.key, hsts: 365d{more}"
            listeners.append(f'  - {{ address: "127.0.0.1:{port}", tls: {{ {tls} }} }}')
        listen = "\n".join(["listen:", *listeners, '  - "127.0.0.1:PORT"'])
        cls.gateway = Gateway(YAML, files=files, listen=listen)
        cls.addClassCleanup(cls.gateway.stop)

    def scan(self, name):
        folder = Path(self.gateway.folder.name)
        found = folder / f"{name}.json"
        command = ["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1"]
        command += ["--add-ca", folder / "ca.pem", "--jsonfile", found, f"localhost:{self.ports[name]}"]
        done = subprocess.run(command, capture_output=True, text=True)
        open(f"/tmp/scan-{name}.txt","w").write(done.stdout+done.stderr)
        open(f"/tmp/scan-{name}.json","w").write(found.read_text())
    def test_all(self):
        for n in self.ports: self.scan(n)
