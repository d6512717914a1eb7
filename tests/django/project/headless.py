"""allauth's class, and the subclass that wger has."""

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class LenientAuthentication(JWTTokenAuthentication):
    """Another class reads the same keyword."""

    def authenticate(self, request):
        try:
            return super().authenticate(request)
        except AuthenticationFailed:
            return None


CLASSES = {"headless": JWTTokenAuthentication, "lenient": LenientAuthentication}
