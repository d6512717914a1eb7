"""The signed assertion: the gateway's proof that a request came through it, and for whom."""

from __future__ import annotations

import re
import threading
import time
from binascii import Error as Base64Error
from dataclasses import dataclass
from typing import NamedTuple

import jwt
from jwt.utils import base64url_decode, base64url_encode

LEEWAY = 5
LONGEST = 8192
# Good assertions that one process keeps; less than a kilobyte each, unless names are very long.
REMEMBERED = 4096
# PyJWT's base64 decoder drops foreign characters, so the shape is checked before it.
SHAPE = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Refused(Exception):
    """The request did not come through the gateway, or not as it left it. The text is for the log."""


class KeysUnavailable(Exception):
    """No key of the gateway could be fetched yet, so nothing can be told about the request."""


@dataclass(frozen=True)
class Caller:
    """Who the gateway says is asking, and by which of its schemes; all None for an anonymous request."""

    username: str | None
    subject: str | None = None
    scheme: str | None = None
    # The primary key of the user's row; None for services, and for whom another issuer names.
    user_id: str | None = None


class Verified(NamedTuple):
    """What is left to ask of an assertion that was found good, and its caller."""

    kid: str
    key: object
    exp: int
    caller: Caller


class Verifier:
    """Checks assertions against the gateway's keys, its name and this service's name.

    The gateway sends one assertion with many requests, and a signature costs more than all else that
    is checked, so good ones are remembered. The clock and the keys go on, and are asked each time;
    whoever adds a check of the request itself must not put it before the memory.
    """

    def __init__(self, keys, issuer: str, audience: str):
        self.keys = keys
        self._issuer = issuer
        self._audience = audience
        # By the whole token: nothing less is what was signed. Read without the lock.
        self._verified: dict[str, Verified] = {}
        self._lock = threading.Lock()

    def key_id(self, token: str | None) -> str:
        """The `kid` of a token that has the gateway's shape; it need not be good any more."""
        known = self._verified.get(token)
        return key_id(token) if known is None else known.kid

    def verify(self, token: str | None) -> Caller:
        """The caller of a good assertion; never waits for the network."""
        known = self._verified.get(token)
        if known is None or not self._holds(known):
            # One that holds no longer is refused, and the reason told, where all others are.
            known = self._verify(token)
            self._remember(token, known)
        return known.caller

    def _holds(self, known: Verified) -> bool:
        # The object, not the key id: an id may be given to another key. PyJWT asks of `exp` the same.
        return self.keys.get(known.kid) is known.key and known.exp > time.time() - LEEWAY

    def _verify(self, token: str | None) -> Verified:
        kid = key_id(token)
        key = self._key(kid)
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
        found = caller(claims)
        # PyJWT, too, cuts off the fraction.
        return Verified(kid, key, int(claims["exp"]), found)

    def _remember(self, token: str, verified: Verified) -> None:
        with self._lock:
            while len(self._verified) >= REMEMBERED:
                del self._verified[next(iter(self._verified))]
            self._verified[token] = verified

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
    scheme, user_id = claims.get("scheme"), claims.get("user_id")
    for name, value in (("scheme", scheme), ("user_id", user_id)):
        if value is not None and not (isinstance(value, str) and value):
            raise Refused(f"assertion: {name} must be a text")
    return Caller(username, subject, scheme, user_id)
