"""For a project's own tests: clients whose requests come as if through the gateway."""

from __future__ import annotations

import base64
import time
from urllib.parse import quote

import django.test
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from . import conf

KEY = Ed25519PrivateKey.generate()
ISSUER, AUDIENCE, KID = "portcullis-django-test", "test", "test"


class Signs:
    """Has the gateway's headers for `user`, or for an anonymous caller, and a middleware that trusts them."""

    def __init__(self, *arguments, user=None, scheme="token", **options):
        super().__init__(*arguments, **options)
        self.user, self.scheme = user, scheme
        load_middleware = self.handler.load_middleware

        def load(*arguments, **options):
            # The middleware reads its settings when it is made; nothing else sees these.
            with django.test.override_settings(PORTCULLIS=trusting()):
                load_middleware(*arguments, **options)

        self.handler.load_middleware = load

    def signed(self) -> dict[str, str]:
        """The gateway's headers, by their names."""
        sent = {conf.load()["HEADER"]: assertion(self.user, self.scheme)}
        if self.user is not None:
            sent["Remote-User"] = quote(str(self.user.get_username()), safe="")
        return sent


class ThroughGateway(Signs):
    """For other clients of Django's kind: `class Api(ThroughGateway, APIClient)`."""

    def request(self, **request):
        sent = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in self.signed().items()}
        return super().request(**{**request, **sent})


class Client(ThroughGateway, django.test.Client):
    """Sends requests as the gateway does: `Client(user=alice, scheme="token")`. Without `user` the caller is anonymous."""


class AsyncClient(Signs, django.test.AsyncClient):
    """The same of Django's asynchronous client."""

    async def request(self, **request):
        sent = {name.lower().encode(): value.encode() for name, value in self.signed().items()}
        others = [(name, value) for name, value in request.get("headers", ()) if name not in sent]
        return await super().request(**{**request, "headers": [*others, *sent.items()]})


def trusting() -> dict:
    """The project's settings, and this module's key in place of the gateway's."""
    public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(public).rstrip(b"=").decode()
    key = {"kty": "OKP", "crv": "Ed25519", "kid": KID, "x": x}
    signs = {"JWKS_URL": None, "KEYS": [key], "ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "REQUIRE_ASSERTION": True}
    return {**getattr(settings, "PORTCULLIS", {}), **signs}


def assertion(user, scheme) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 60}
    if user is not None:
        key = str(user.pk)
        claims.update(sub=key, user_id=key, preferred_username=str(user.get_username()), scheme=scheme)
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers={"kid": KID})
