"""Nobody is staff: a model without that column, in a project without Django's admin."""

from django.contrib.auth.models import AbstractBaseUser, PermissionsMixin, UserManager
from django.db import models


class Member(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(max_length=150, unique=True)
    email = models.EmailField()
    is_active = models.BooleanField(default=True)

    objects = UserManager()
    USERNAME_FIELD = "username"
