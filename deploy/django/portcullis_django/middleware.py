"""Turns away every request that did not come through the gateway."""

from __future__ import annotations

import json
import logging

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.utils.functional import SimpleLazyObject

from . import conf, expectations
from .assertion import Caller, KeysUnavailable, Refused
from .backend import REMOTE_USER, gateway_user
from .identity import decode_identity

logger = logging.getLogger("portcullis_django")


class PortcullisMiddleware:
    """Checks the assertion of each request, sets `request.portcullis` and, if wanted, `request.user`."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response):
        options = conf.load()
        # A server that runs no system checks, such as gunicorn, stops here.
        if found := expectations.unmet_at_start(options["EXPECTS"]):
            raise ImproperlyConfigured("\n".join(found))
        self._get_response = get_response
        self._header = "HTTP_" + options["HEADER"].upper().replace("-", "_")
        self._verifier = conf.verifier(options) if options["REQUIRE_ASSERTION"] else None
        self._set_user = conf.sets_user(options)
        self._auth = conf.classes(options, "AUTH")
        self._classes = conf.classes(options, "CLASSES")
        self._foreign = conf.foreign_users(options)
        self._user_id_header = options["USER_ID_HEADER"]
        if self._classes:
            # A project may have no Django REST framework.
            from .native import stand_in

            for natives in self._classes.values():
                for native in natives:
                    stand_in(native)
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)

    def __call__(self, request):
        if self._async:
            return self._acall(request)
        kid = self._key_to_fetch(request)
        if kid is not None:
            self._verifier.keys.fetch(kid)
        return self._refusal(request) or self._get_response(request)

    async def _acall(self, request):
        kid = self._key_to_fetch(request)
        if kid is not None:
            # It waits for the network, which the event loop must not.
            await sync_to_async(self._verifier.keys.fetch, thread_sensitive=False)(kid)
        return self._refusal(request) or await self._get_response(request)

    def _key_to_fetch(self, request):
        if self._verifier is None:
            return None
        try:
            kid = self._verifier.key_id(request.META.get(self._header))
        except Refused:
            return None
        return kid if self._verifier.keys.due(kid) else None

    def _refusal(self, request):
        """The answer to a request that must not go on, else None."""
        try:
            request.portcullis = self._caller(request)
            request._portcullis_auth, request._portcullis_classes = self._auth, self._classes
            request._portcullis_foreign = self._foreign
        except Refused as reason:
            logger.warning("refused %s %r: %s", request.method, request.path, reason)
            return answer(403, "This service answers only requests that come through its gateway.")
        except KeysUnavailable:
            logger.error("the gateway's keys are not available")
            return answer(503, "The gateway's keys are not available.")
        if self._set_user:
            set_user(request)
        return None

    def _caller(self, request) -> Caller:
        username = remote_user(request)
        if self._verifier is None:
            return Caller(username, user_id=self._named_row(request))
        caller = self._verifier.verify(request.META.get(self._header))
        if caller.username != username:
            raise Refused("Remote-User differs from the assertion")
        return caller

    def _named_row(self, request):
        key = self._user_id_header and request.headers.get(self._user_id_header)
        # Services have none, and some proxies send an empty header for that.
        return decoded(self._user_id_header, key) if key else None


def remote_user(request):
    """The decoded `Remote-User`; None if there is none. WSGI and ASGI both keep it under this key."""
    value = request.META.get(REMOTE_USER)
    if value is None:
        return None
    name = decoded("Remote-User", value)
    if not name:
        raise Refused("Remote-User is empty")
    return name


def decoded(header, value):
    try:
        return decode_identity(value)
    except ValueError as error:
        raise Refused(f"{header} cannot be decoded") from error


def set_user(request):
    """For views without Django REST framework: no session, and no query until somebody looks."""

    def user():
        return gateway_user(request) or AnonymousUser()

    request.user = SimpleLazyObject(user)
    request.auser = sync_to_async(user)


def answer(status: int, detail: str) -> HttpResponse:
    body = json.dumps({"detail": detail}, separators=(",", ":"))
    return HttpResponse(body, status=status, content_type="application/json")
