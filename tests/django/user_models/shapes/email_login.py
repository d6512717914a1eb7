"""Django's user, known by the e-mail address alone."""

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models


class Member(AbstractUser):
    username = None
    email = models.EmailField(unique=True)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
