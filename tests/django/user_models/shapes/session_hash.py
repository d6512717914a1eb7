"""Sessions end with a number of the project's own, not with the password alone."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac


class Member(AbstractUser):
    generation = models.IntegerField(default=1)

    def get_session_auth_hash(self):
        return salted_hmac("generation", f"{self.password}{self.generation}", algorithm="sha256").hexdigest()
