"""Django's own user in a database that is not called `default`."""

from django.contrib.auth.models import AbstractUser


class Member(AbstractUser):
    pass
