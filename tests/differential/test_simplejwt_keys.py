"""Public keys: `ALGORITHM` of the RS, PS, ES and EdDSA families with `SIGNING_KEY` and `VERIFYING_KEY`."""

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from support import Differential, Variant, bearer, get, post, tokens
from support.tokens import after

RIGHT = {"username": "alice", "password": "correct horse"}


def pem(key):
    """The private and the public half."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def variant(algorithm, private, public):
    tokens.KEYS.append((public, [algorithm]))
    block = "".join(
        f"  {name}: |\n" + "".join(f"    {line}\n" for line in text.splitlines())
        for name, text in [("signing_key", private), ("verifying_key", public)]
    )
    return Variant(
        {"SIMPLE_JWT": {"ALGORITHM": algorithm, "SIGNING_KEY": private, "VERIFYING_KEY": public}},
        f"jwt:\n  blacklist: true\n  algorithm: {algorithm}\n{block}",
    )


class Rsa(Differential):
    algorithm = "RS256"
    private, public = pem(rsa.generate_private_key(65537, 2048))
    other, _ = pem(rsa.generate_private_key(65537, 2048))
    variant = variant(algorithm, private, public)

    def use(self, **changes):
        return get(
            "/jwt/", bearer(tokens.token("access", **{"key": self.private, "algorithm": self.algorithm, **changes}))
        )

    def both(self, *requests):
        self.compare(lambda side: [side.send(request) for request in requests])

    def test_right(self):
        self.both(self.use(), self.use(changes={"exp": after(-1)}), self.use(changes={"user_id": "99"}))

    def test_other_key(self):
        self.both(self.use(key=self.other))

    def test_signed_with_the_public_key_as_if_it_were_a_secret(self):
        """Attack: everybody knows the public key, and HS256 takes any bytes for its key (CVE-2015-9235)."""
        header, payload, _ = self.use().decode().split("Bearer ")[1].split("\r\n")[0].split(".")
        for algorithm in ("HS256", "HS512"):
            with self.subTest(algorithm):
                self.both(get("/jwt/", bearer(tokens.confused(payload, self.public, algorithm))))

    def test_no_algorithm(self):
        _, payload, _ = self.use().decode().split("Bearer ")[1].split("\r\n")[0].split(".")
        self.both(get("/jwt/", bearer(f"eyJhbGciOiJub25lIn0.{payload}.")))

    def test_obtain_use_refresh_use(self):
        def conversation(side):
            answer = side.send(post("/api/token/", data=RIGHT))
            side.send(get("/jwt/", bearer(answer.json["access"])))
            answer = side.send(post("/api/token/refresh/", data={"refresh": answer.json["refresh"]}))
            side.send(get("/jwt/", bearer(answer.json["access"])))

        self.compare(conversation)


class Pss(Rsa):
    algorithm = "PS256"
    variant = variant(algorithm, Rsa.private, Rsa.public)


class Ecdsa(Rsa):
    algorithm = "ES256"
    private, public = pem(ec.generate_private_key(ec.SECP256R1()))
    other, _ = pem(ec.generate_private_key(ec.SECP256R1()))
    variant = variant(algorithm, private, public)


class EcdsaP521(Rsa):
    algorithm = "ES512"
    private, public = pem(ec.generate_private_key(ec.SECP521R1()))
    other, _ = pem(ec.generate_private_key(ec.SECP521R1()))
    variant = variant(algorithm, private, public)


class EdDsa(Rsa):
    algorithm = "EdDSA"
    private, public = pem(ed25519.Ed25519PrivateKey.generate())
    other, _ = pem(ed25519.Ed25519PrivateKey.generate())
    variant = variant(algorithm, private, public)
