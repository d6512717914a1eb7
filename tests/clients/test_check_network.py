"""`check --network`: what the configuration reaches, tried before requests need it."""

import json
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from clients.gateway import free_port
from clients.servers import portcullis
from clients.test_issuers import jwk


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        base = f"http://127.0.0.1:{self.server.server_port}"
        body = {
            "/good/.well-known/openid-configuration": {"issuer": base + "/good", "jwks_uri": base + "/keys"},
            "/keys": {"keys": [jwk(alg="RS256")]},
            "/other": {"keys": [jwk(alg="RSA-OAEP", use="enc")]},
        }.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_OPTIONS = do_GET

    def log_message(self, *_):
        pass


class Network(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.base = f"http://127.0.0.1:{server.server_port}"

    def check(self, schemes, upstream, store="{ url: 'sqlite://store.db', create: true }"):
        with tempfile.TemporaryDirectory(prefix="portcullis-network.") as folder:
            Path(folder, "gateway.yaml").write_text(
                f"store: {store}\nauthentication:\n{schemes}\nroutes: [{{ path: /, upstream: '{upstream}' }}]\n"
            )
            portcullis(folder, "user", "list")
            done = portcullis(folder, "check", "--network")
        return done.returncode, done.stdout + done.stderr

    def test_all_there(self):
        schemes = (
            f"  - jwt: {{ issuer: '{self.base}/good', audience: x }}\n"
            f"  - callout: {{ url: '{self.base}/callout', headers: [X-Key] }}"
        )
        status, said = self.check(schemes, self.base)
        self.assertEqual(status, 0, said)
        self.assertIn(f"reached   the keys of {self.base}/good, {self.base}/good/.well-known/openid-configuration: 1 keys", said)
        self.assertIn(f"reached   the callout {self.base}/callout: it answers 404", said)

    def test_what_cannot_be_used(self):
        nowhere = f"http://127.0.0.1:{free_port()}"
        for schemes, upstream, words in [
            ("  - token", nowhere, ["no server behind the route /"]),
            (f"  - jwt: {{ issuer: x, audience: y, jwks: '{self.base}/other' }}", self.base, ["it has no key for the algorithms"]),
            (f"  - jwt: {{ issuer: x, audience: y, jwks: '{self.base}/gone' }}", self.base, ["/gone answered 404"]),
            (
                f"  - jwt: {{ issuer: x, audience: y, jwks: '{self.base}/good/.well-known/openid-configuration' }}",
                self.base, ["these are the issuer's metadata"],
            ),
            (f"  - jwt: {{ issuer: '{nowhere}', audience: y }}", self.base, ["no use    the keys of"]),
            (f"  - callout: {{ url: '{nowhere}/', headers: [X-Key] }}", self.base, ["no use    the callout"]),
        ]:  # fmt: skip
            with self.subTest(words):
                status, said = self.check(schemes, upstream)
                self.assertEqual(status, 1, said)
                for each in [*words, "1 service cannot be used"]:
                    self.assertIn(each, said)

    def test_store(self):
        status, said = self.check("  - token", self.base, f"postgres://nobody@127.0.0.1:{free_port()}/none")
        self.assertEqual(status, 1, said)
        self.assertIn("the store was not asked", said)


if __name__ == "__main__":
    unittest.main()
