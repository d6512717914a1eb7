"""The gateway's public keys: written in the settings, or fetched from its JWKS address."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from http.client import HTTPException
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

logger = logging.getLogger("portcullis_django")

TIMEOUT = 2
LARGEST_JWKS = 64 * 1024
LIFETIME = 600
# Without any key every request is turned away, so the next attempt must not wait long.
COLD_PAUSE = 1


class FixedKeys:
    """Keys written in the settings."""

    def __init__(self, jwks: list):
        self._keys = dict(read_jwk(jwk) for jwk in jwks)

    def get(self, kid: str):
        return self._keys.get(kid)

    def empty(self) -> bool:
        return False

    def due(self, kid: str) -> bool:
        return False


class FetchedKeys:
    """Keys of a JWKS address, fetched when first needed and kept as long as that address does not answer."""

    def __init__(self, url: str, cooldown: float):
        self._url = url
        self._cooldown = cooldown
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched = self._asked = float("-inf")
        self._lock = threading.Lock()

    def get(self, kid: str):
        """The key, if it is known now; never waits."""
        return self._keys.get(kid)

    def empty(self) -> bool:
        return not self._keys

    def due(self, kid: str) -> bool:
        """Whether `fetch` would ask the gateway: the key is unknown or old, and the last time is not too near."""
        now = time.monotonic()
        if now - self._asked < (self._cooldown if self._keys else COLD_PAUSE):
            return False
        return kid not in self._keys or now - self._fetched > LIFETIME

    def fetch(self, kid: str) -> None:
        """Asks the gateway for its keys; waits for the network."""
        # Who has a key goes on with it while another thread asks; who has none waits for the answer.
        if not self._lock.acquire(blocking=kid not in self._keys):
            return
        try:
            if self.due(kid):
                self._ask()
        finally:
            self._lock.release()

    def _ask(self) -> None:
        try:
            self._keys = read_jwks(download(self._url))
            self._fetched = time.monotonic()
        except (OSError, HTTPException, ValueError) as error:
            logger.warning("cannot fetch the gateway's keys from %s: %s", self._url, error)
        finally:
            self._asked = time.monotonic()


class NoRedirect(HTTPRedirectHandler):
    """Keys come from the address in the settings, not from one that an answer names."""

    def redirect_request(self, *args):
        return None


def download(url: str) -> bytes:
    # No proxy either: the gateway is a neighbour.
    opener = build_opener(ProxyHandler({}), NoRedirect)
    with opener.open(url, timeout=TIMEOUT) as response:
        body = response.read(LARGEST_JWKS + 1)
    if len(body) > LARGEST_JWKS:
        raise ValueError("the answer is too large")
    return body


def read_jwks(body: bytes) -> dict[str, Ed25519PublicKey]:
    """The usable keys of a JWK Set; others (RFC 7517, section 5) are passed over."""
    document = json.loads(body)
    jwks = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(jwks, list):
        raise ValueError("not a JWK Set")
    keys = {}
    for jwk in jwks:
        try:
            kid, key = read_jwk(jwk)
        except ValueError:
            continue
        keys[kid] = key
    if not keys:
        raise ValueError("no Ed25519 key in it")
    return keys


def read_jwk(jwk) -> tuple[str, Ed25519PublicKey]:
    """The id and key of an Ed25519 JWK; ValueError for any other."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise ValueError("not an Ed25519 key")
    if "d" in jwk:
        raise ValueError("a private key, which only the gateway may hold")
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", "EdDSA") not in ("EdDSA", "Ed25519"):
        raise ValueError("a key for another use")
    kid, x = jwk.get("kid"), jwk.get("x")
    if not isinstance(kid, str) or not kid or not isinstance(x, str):
        raise ValueError("kid or x is missing")
    return kid, Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
