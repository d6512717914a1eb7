"""The signed assertion: the gateway's proof that a request came through it, and for whom."""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from dataclasses import dataclass

import jwt
from jwt.utils import base64url_decode, base64url_encode

LEEWAY = 5
LONGEST = 8192
# PyJWT's base64 decoder drops foreign characters, so the shape is checked before it.
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Refused(Exception):
    """The request did not come through the gateway, or not as it left it. The text is for the log."""


class KeysUnavailable(Exception):
    """No key of the gateway could be fetched yet, so nothing can be told about the request."""


@dataclass(frozen=True)
class Caller:
    """Who the gateway says is asking; both fields None for an anonymous request."""

    username: str | None
    subject: str | None = None


class Verifier:
    """Checks assertions against the gateway's keys, its name and this service's name."""

    def __init__(self, keys, issuer: str, audience: str):
        self.keys = keys
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str | None) -> Caller:
        """The caller of a good assertion; never waits for the network."""
        key = self._key(key_id(token))
        try:
            # The algorithm is ours to say, never the token's.
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY,
                options={"require": ["iss", "aud", "iat", "exp"], "strict_aud": True},
            )
        except (jwt.PyJWTError, TypeError, OverflowError) as error:
            # The last two are what PyJWT before 2.15 makes of a time that is no number.
            raise Refused(f"assertion: {error}") from error
        return caller(claims)

    def _key(self, kid: str):
        key = self.keys.get(kid)
        if key is not None:
            return key
        if self.keys.empty():
            raise KeysUnavailable
        raise Refused("assertion: unknown key")


def key_id(token: str | None) -> str:
    """The `kid` of a token that has the gateway's shape; nothing in it is verified yet."""
    if not token:
        raise Refused("assertion: missing")
    if len(token) > LONGEST or not SHAPE.fullmatch(token) or not all(map(canonical, token.split("."))):
        raise Refused("assertion: malformed")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, RecursionError) as error:
        raise Refused("assertion: malformed header") from error
    # The gateway sends these three. Any other (jku, jwk, x5u, crit, b64, …) asks for something we do not do.
    if set(header) != {"alg", "kid", "typ"} or header["typ"] != "JWT" or header["alg"] != "EdDSA":
        raise Refused("assertion: foreign header")
    return header["kid"]


def canonical(part: str) -> bool:
    """Whether this is the one spelling of its bytes, which PyJWT before 2.14 does not ask for."""
    try:
        return base64url_encode(base64url_decode(part)) == part.encode()
    except Base64Error:
        return False


def caller(claims: dict) -> Caller:
    """The caller that verified claims name; stricter about types than PyJWT, which reads `"exp": "1"` as a number."""
    for name in ("exp", "iat"):
        if isinstance(claims[name], bool) or not isinstance(claims[name], (int, float)):
            raise Refused(f"assertion: {name} is not a number")
    subject, username = claims.get("sub"), claims.get("preferred_username")
    if subject is None and username is None:
        return Caller(None)
    if not all(isinstance(value, str) and value for value in (subject, username)):
        raise Refused("assertion: sub and preferred_username must be two texts or none")
    return Caller(username, subject)
