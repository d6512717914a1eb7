"""JSON Web Tokens with any claims at all, as PyJWT signs them."""

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
import warnings
from datetime import datetime, timezone

import jwt

SECRET = "throwaway-secret-key-for-test-vectors-0123456789"
ABSENT = object()


# Whose signatures `claims` knows: keys with their algorithms. A test that has others adds them.
KEYS = [(SECRET, ["HS256", "HS384", "HS512"])]
warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)


def now():
    return int(time.time())


def after(seconds):
    """A moment that many seconds after a token is made, or before it."""
    return lambda: now() + seconds


def token(kind, changes=None, *, key=SECRET, algorithm="HS256", header=None):
    """alice's token of a kind, with these claims changed or, if ABSENT, left out."""
    issued = now()
    payload = {"token_type": kind, "exp": issued + 300, "iat": issued, "jti": uuid.uuid4().hex, "user_id": "1"}
    if kind == "sliding":
        payload["refresh_exp"] = issued + 86400
    payload.update(changes or {})
    payload = {name: value() if callable(value) else value for name, value in payload.items() if value is not ABSENT}
    return sign(payload, key=key, algorithm=algorithm, header=header)


def sign(payload, *, key=SECRET, algorithm="HS256", header=None):
    return sign_bytes(json.dumps(payload, separators=(",", ":")).encode(), key=key, algorithm=algorithm, header=header)


def sign_bytes(payload, *, key=SECRET, algorithm="HS256", header=None):
    """PyJWT would not write some of what it must read: this is the step below."""
    return jwt.api_jws.encode(payload, key, algorithm, header)


def confused(payload, key, algorithm):
    """This payload, signed with a text that PyJWT would not take for a secret."""
    digest = {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm]
    text = f"{encoded(json.dumps({'alg': algorithm, 'typ': 'JWT'}).encode())}.{payload}"
    return f"{text}.{encoded(hmac.new(key.encode(), text.encode(), digest).digest())}"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def access(**changes):
    return token("access", changes)


def refresh(**changes):
    return token("refresh", {"exp": after(86400), **changes})


def sliding(**changes):
    return token("sliding", changes)


def claims(text):
    """Header and payload in the order they were written, moments as distances from now."""
    try:
        whole = jwt.decode_complete(text, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return text
    payload = [(name, claim(name, value)) for name, value in whole["payload"].items()]
    return {"signed": is_signed(text), "header": list(whole["header"].items()), "claims": payload}


def is_signed(text):
    for key, algorithms in KEYS:
        try:
            jwt.api_jws.decode(text, key, algorithms)
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, TypeError):
            continue
        return True
    return False


def claim(name, value):
    if name in ("exp", "iat", "nbf", "refresh_exp") and isinstance(value, (int, float)):
        # To the minute: the two answers are not of the same second.
        return f"now + {round((value - time.time()) / 60)} min, {type(value).__name__}"
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", value):
        return "<32 digits of a UUID 4>"
    return value


def datetime_of(text):
    """Seconds since 1970 of an ISO 8601 text; without a zone it is UTC's."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
