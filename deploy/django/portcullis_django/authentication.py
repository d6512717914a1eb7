"""The one authentication class that Django REST framework needs behind the gateway."""

from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import RemoteUserAuthentication
from rest_framework.exceptions import AuthenticationFailed

from .backend import REMOTE_USER, gateway_user


class PortcullisAuthentication(RemoteUserAuthentication):
    """Believes `Remote-User` as the middleware has checked it. No challenge: that is the gateway's to send."""

    header = REMOTE_USER

    def authenticate(self, request):
        user = gateway_user(request._request)
        return None if user is None else (user, credential(request, user))


def credential(request, user):
    """What the class that `AUTH` names for the caller's scheme has in `request.auth`; asked when a view reads it."""
    native = request._request._portcullis_auth.get(request._request.portcullis.scheme)
    if native is None:
        return None

    def load():
        found = native().authenticate(request)
        # Deleted since the gateway has looked, or a class that reads another header than the gateway does.
        if found is None or str(found[0].pk) != str(user.pk):
            raise AuthenticationFailed
        return found[1]

    return SimpleLazyObject(load)
