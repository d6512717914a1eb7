"""Multi-table inheritance: what Django knows of a user is in the table of the parent."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Account(AbstractUser):
    pass


class Member(Account):
    badge = models.CharField(max_length=20, blank=True)


def others(fields):
    """Keys of those who are in the parent's table and no members, by their names here."""
    return {"ghost": Account.objects.create(**fields("ghost")).pk}
