"""From the name the gateway sends to the project's user."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.contrib.auth import get_backends
from django.contrib.auth.backends import RemoteUserBackend
from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from .identity import decode_identity

REMOTE_USER = "HTTP_REMOTE_USER"


class PortcullisBackend(RemoteUserBackend):
    """Finds the user of an encoded `Remote-User` value; creates none."""

    create_unknown_user = False

    def authenticate(self, request, remote_user):
        user = super().authenticate(request, remote_user)
        # MySQL's usual collations find "alice" for "ALICE" and "élise" for "elise".
        if user is not None and user.get_username() != self.clean_username(remote_user):
            return None
        return user

    async def aauthenticate(self, request, remote_user):
        return await sync_to_async(self.authenticate)(request, remote_user)

    def clean_username(self, username):
        try:
            return decode_identity(username)
        except ValueError as error:
            raise PermissionDenied("undecodable user name") from error


def gateway_user(request):
    """The active user whom the gateway named, or None; looked up once a request."""
    if not hasattr(request, "portcullis"):
        # Believing the header without the middleware would let anybody in under any name.
        raise ImproperlyConfigured("MIDDLEWARE lacks portcullis_django.middleware.PortcullisMiddleware")
    if not hasattr(request, "_portcullis_user"):
        user = backend().authenticate(request, request.META.get(REMOTE_USER))
        request._portcullis_user = user if user is not None and user.is_active else None
    return request._portcullis_user


def backend() -> PortcullisBackend:
    """The project's own choice. Asking all its backends might let another one create users."""
    for candidate in get_backends():
        if isinstance(candidate, PortcullisBackend):
            return candidate
    raise ImproperlyConfigured("AUTHENTICATION_BACKENDS lacks portcullis_django.backend.PortcullisBackend")
