"""`JWK_URL`: keys are published, and a token says which one has signed it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from support import Differential, Differs, Variant, bearer, get, post, tokens
from test_simplejwt_keys import pem

def rsa_key():
    return rsa.generate_private_key(65537, 2048)


def p521_key():
    return ec.generate_private_key(ec.SECP521R1())


class Keys(BaseHTTPRequestHandler):
    keys = ()

    def do_GET(self):
        body = json.dumps({"keys": self.keys}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class Published(Differential):
    algorithm, library = "RS256", jwt.algorithms.RSAAlgorithm
    make = staticmethod(rsa_key)
    another = None, "PS256"

    @classmethod
    def published(cls, kid, key):
        jwk = json.loads(cls.library.to_jwk(key.public_key()))
        return jwk | {"kid": kid, "use": "sig", "alg": cls.algorithm}

    @classmethod
    def setUpClass(cls):
        key, cls.other = cls.make(), cls.make()
        cls.private, public = pem(key)
        tokens.KEYS.append((public, [cls.algorithm]))
        keys = [cls.published("first", cls.other), cls.published("second", key)]
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("These", (Keys,), {"keys": keys}))
        Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_address[1]}/keys.json"
        key = "".join(f"    {line}\n" for line in cls.private.splitlines())
        cls.variant = Variant(
            {"SIMPLE_JWT": {"ALGORITHM": cls.algorithm, "SIGNING_KEY": cls.private, "JWK_URL": url}},
            f"jwt:\n  blacklist: true\n  algorithm: {cls.algorithm}\n  jwks: {url}\n  signing_key: |\n{key}",
        )

    def use(self, key=None, algorithm=None, differs=None, **header):
        key, algorithm = key or self.private, algorithm or self.algorithm
        request = get("/jwt/", bearer(tokens.token("access", key=key, algorithm=algorithm, header=header)))
        self.compare(lambda side: side.send(request), differs)

    def test_key_by_its_id(self):
        self.use(kid="second")

    def test_id_of_another_key(self):
        self.use(kid="first")

    def test_other_key_by_its_id(self):
        self.use(pem(self.other)[0], kid="first")

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
        self.use(pem(self.make())[0])

    def test_id_that_is_no_text(self):
        """Attack: the published keys are chosen by an id that is read as none, since it is no text."""
        for kid in [None, True, 0, 1, 1.5, [], ["second"], {}, {"second": 1}]:
            with self.subTest(kid=kid):
                header = {"alg": self.algorithm, "typ": "JWT", "kid": kid}
                _, payload, _ = tokens.token("access", key=self.private, algorithm=self.algorithm).split(".")
                signed = f"{tokens.encoded(json.dumps(header).encode())}.{payload}"
                of = jwt.get_algorithm_by_name(self.algorithm)
                signature = tokens.encoded(of.sign(signed.encode(), of.prepare_key(self.private)))
                request = get("/jwt/", bearer(f"{signed}.{signature}"))
                self.compare(lambda side: self.assertEqual(side.send(request).status, 401))

    def test_another_algorithm(self):
        self.use(*self.another, kid="second")

    def test_secret(self):
        """Attack: the secret of a session's signature, which is no published key."""
        self.use(tokens.SECRET, "HS256", kid="second")

    def test_obtain(self):
        self.compare(
            lambda side: side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"}))
        )


class PublishedP521(Published):
    algorithm, library = "ES512", jwt.algorithms.ECAlgorithm
    make = staticmethod(p521_key)
    another = pem(ec.generate_private_key(ec.SECP256R1()))[0], "ES256"
