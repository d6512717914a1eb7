"""A manager that leaves rows out: who has deleted the account is nobody, whatever the other columns say."""

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils import timezone


class Present(UserManager):
    def get_queryset(self):
        return super().get_queryset().filter(deleted_at=None)


class Member(AbstractUser):
    deleted_at = models.DateTimeField(null=True)

    objects = Present()
    everybody = models.Manager()


def values(name):
    return {"is_active": True, "deleted_at": timezone.now() if name == "bob" else None}
