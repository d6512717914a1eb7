"""A text for a key, and no column `id`."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    code = models.CharField(max_length=20, primary_key=True)


def values(name):
    return {"code": f"key-{name}"}
