"""A manager that finds people by their name in any letter case."""

from django.contrib.auth.models import AbstractUser, UserManager


class AnyCase(UserManager):
    def get_by_natural_key(self, username):
        return self.get(username__iexact=username)


class Member(AbstractUser):
    objects = AnyCase()
