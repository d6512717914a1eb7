"""Flags that are small numbers, as databases from before Django have them."""

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin, UserManager
from django.db import models


class Member(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField(null=True)
    is_active = models.SmallIntegerField(default=1)
    is_staff = models.SmallIntegerField(default=0)

    objects = UserManager()
    USERNAME_FIELD = "username"


def values(name):
    return {"email": None, "is_active": int(name != "bob"), "is_staff": int(name == "staff")}
