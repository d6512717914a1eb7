"""Users named by a proxy in front: Django's classes, reading a header since no server here sets the variable."""

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.middleware import PersistentRemoteUserMiddleware, RemoteUserMiddleware
from rest_framework.authentication import RemoteUserAuthentication


class RemoteUserHeaderAuthentication(RemoteUserAuthentication):
    header = "HTTP_REMOTE_USER"


class NamedHeaderAuthentication(RemoteUserAuthentication):
    """Of a proxy that has its own name for it."""

    header = "HTTP_X_FORWARDED_USER"


class RemoteUserHeaderMiddleware(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


class PersistentRemoteUserHeaderMiddleware(PersistentRemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"


class KnownUserBackend(RemoteUserBackend):
    create_unknown_user = False


def hawk_user(request, credentials):
    """Each key is alice's."""
    return get_user_model().objects.get(username="alice"), None
