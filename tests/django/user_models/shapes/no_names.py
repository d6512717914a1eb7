"""Cookiecutter Django's template: one name in place of two."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    name = models.CharField(max_length=255, blank=True)
    first_name = None
    last_name = None
