"""Who is active is computed from a column of another name and meaning."""

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin, UserManager
from django.db import models
from django.utils import timezone


class Member(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField()
    is_staff = models.BooleanField(default=False)
    blocked_at = models.DateTimeField(null=True)

    objects = UserManager()
    USERNAME_FIELD = "username"

    @property
    def is_active(self):
        return self.blocked_at is None


def values(name):
    return {"blocked_at": timezone.now() if name == "bob" else None}
