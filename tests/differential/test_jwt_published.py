"""`JWK_URL`: keys are published, and a token says which one has signed it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from support import Differential, Differs, Variant, bearer, get, post, tokens
from test_jwt_keys import pem

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
PRIVATE, PUBLIC = pem(KEY)
tokens.KEYS.append((PUBLIC, ["RS256"]))


def published(kid, key):
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig", "alg": "RS256"}


class Keys(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"keys": [published("first", OTHER), published("second", KEY)]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Published(Differential):
    @classmethod
    def setUpClass(cls):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}/keys.json"
        key = "".join(f"    {line}\n" for line in PRIVATE.splitlines())
        cls.variant = Variant(
            {"SIMPLE_JWT": {"ALGORITHM": "RS256", "SIGNING_KEY": PRIVATE, "JWK_URL": url}},
            f"jwt:\n  blacklist: true\n  algorithm: RS256\n  jwks: {url}\n  signing_key: |\n{key}",
        )

    def use(self, key=PRIVATE, algorithm="RS256", differs=None, **header):
        request = get("/jwt/", bearer(tokens.token("access", key=key, algorithm=algorithm, header=header)))
        self.compare(lambda side: side.send(request), differs)

    def test_key_by_its_id(self):
        self.use(kid="second")

    def test_id_of_another_key(self):
        self.use(kid="first")

    def test_other_key_by_its_id(self):
        self.use(pem(OTHER)[0], kid="first")

    def test_unknown_id(self):
        self.use(kid="third")

    def test_no_id(self):
        """As simplejwt's own tokens are."""
        differs = Differs(
            "A token that names no key is good if one of the published keys has signed it",
            status=200,
            www_authenticate=None,
            body='{"user":"alice","id":1,"authenticated":true}',
        )
        self.use(differs=differs)

    def test_no_id_and_no_published_key(self):
        self.use(pem(rsa.generate_private_key(65537, 2048))[0])

    def test_id_that_is_no_text(self):
        header = {"alg": "RS256", "typ": "JWT", "kid": 1}
        _, payload, signature = tokens.token("access", key=PRIVATE, algorithm="RS256").split(".")
        token = f"{tokens.encoded(json.dumps(header).encode())}.{payload}.{signature}"
        self.compare(lambda side: side.send(get("/jwt/", bearer(token))))

    def test_another_algorithm(self):
        self.use(algorithm="PS256", kid="second")

    def test_secret(self):
        """Attack: the secret of a session's signature, which is no published key."""
        self.use(tokens.SECRET, "HS256", kid="second")

    def test_obtain(self):
        self.compare(
            lambda side: side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"}))
        )
