"""Behind the gateway: who the caller is for Django REST framework."""

from django.utils.functional import SimpleLazyObject
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from .backend import gateway_user


class PortcullisAuthentication(BaseAuthentication):
    """The gateway's user, as the middleware has checked it. No challenge: that is the gateway's to send."""

    def authenticate(self, request):
        # drf-spectacular makes requests of its own and gives them a user, to learn which views would refuse him.
        if hasattr(request, "_user") and not hasattr(request._request, "portcullis"):
            return None
        user = gateway_user(request._request)
        return None if user is None else (user, credential(request, user))


def credential(request, user):
    """What the class that `AUTH` names for the caller's scheme has in `request.auth`; asked when a view reads it."""
    natives = request._portcullis_auth.get(request.portcullis.scheme)
    if not natives:
        return None
    native = natives[0]

    def load():
        # What `CLASSES` has put in its place would only lead back here.
        authenticate = getattr(native.authenticate, "natively", native.authenticate)
        found = authenticate(native(), request)
        # Deleted since the gateway has looked, or a class that reads another header than the gateway does.
        if found is None or str(found[0].pk) != str(user.pk):
            raise AuthenticationFailed
        return found[1]

    return SimpleLazyObject(load)
