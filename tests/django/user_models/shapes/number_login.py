"""Users are known by a number, which is one in the database too."""

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

NUMBERS = {"alice": 1001, "bob": 1002, "staff": 1003, "elise": 1004}


class Member(AbstractUser):
    username = None
    number = models.BigIntegerField(unique=True)

    objects = UserManager()
    USERNAME_FIELD = "number"
    REQUIRED_FIELDS = []


def values(name):
    return {"number": NUMBERS[name]}
