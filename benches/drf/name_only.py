"""The cheapest belief: the name alone, and no row of the database."""

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication


class NameOnly(BaseAuthentication):
    def authenticate(self, request):
        name = request._request.portcullis.username
        return None if name is None else (User(username=name), None)
