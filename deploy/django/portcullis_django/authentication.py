"""The one authentication class that Django REST framework needs behind the gateway."""

from rest_framework.authentication import RemoteUserAuthentication

from .backend import REMOTE_USER, gateway_user


class PortcullisAuthentication(RemoteUserAuthentication):
    """Believes `Remote-User` as the middleware has checked it. No challenge: that is the gateway's to send."""

    header = REMOTE_USER

    def authenticate(self, request):
        user = gateway_user(request._request)
        return None if user is None else (user, None)
