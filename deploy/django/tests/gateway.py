"""What the gateway does, for tests: keys, assertions, headers, and the settings that trust them."""

import base64
import hashlib
import hmac
import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from portcullis_django.assertion import Caller

KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()
HEADER = {"alg": "EdDSA", "kid": "one", "typ": "JWT"}


def public_bytes(key):
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwk(key=KEY, kid="one", **members):
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": base64url(public_bytes(key)), **members}


# Users of the store, and their primary keys.
ROWS = {"alice": "1", "élise": "2", "a, b": "3", "bob": "4"}
SETTINGS = {"KEYS": [jwk()], "ISSUER": "portcullis", "AUDIENCE": "django"}


def claims(username=None, **changes):
    """The gateway's claims; a change to None leaves that claim out. Who has no row is another issuer's."""
    now = int(time.time())
    made = {"iss": "portcullis", "aud": "django", "iat": now, "exp": now + 60}
    if username is not None:
        row = ROWS.get(username)
        made.update(sub=row or f"of {username}", preferred_username=username, user_id=row)
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def caller(username):
    """Whom these claims name."""
    row = ROWS.get(username)
    return Caller(username, row or f"of {username}", None, row)


def parts(header, payload):
    return ".".join(base64url(json.dumps(part).encode()) for part in (header, payload))


def sign(payload, key=KEY, header=HEADER):
    """Signs whatever it is given, which PyJWT's encoder would not."""
    signed = parts(header, payload)
    return f"{signed}.{base64url(key.sign(signed.encode()))}"


def sign_hs256(payload, secret):
    signed = parts({**HEADER, "alg": "HS256"}, payload)
    return f"{signed}.{base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest())}"


def headers(username=None, token=None, **changes):
    """The headers of a request for `username` (Latin-1 text, as a server reads it)."""
    sent = {"HTTP_PORTCULLIS_ASSERTION": token or sign(claims(username))}
    if username is not None:
        sent["HTTP_REMOTE_USER"] = username
    return {**sent, **changes}


def asgi(environ):
    """The same headers as Django's asynchronous test client wants them."""
    return {name.removeprefix("HTTP_"): value for name, value in environ.items()}


def pyjwt_token(username):
    """A token by PyJWT itself, so that `sign` is not the only witness."""
    return jwt.encode(claims(username), KEY, algorithm="EdDSA", headers={"kid": "one"})
