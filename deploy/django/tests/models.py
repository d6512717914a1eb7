"""User models whose keys are no small numbers."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class UuidUser(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField(unique=True)
    USERNAME_FIELD = "name"


class TextUser(AbstractBaseUser):
    code = models.TextField(primary_key=True)
    # Not unique, which a project may choose.
    name = models.TextField()
    USERNAME_FIELD = "name"


class PersonUser(models.Model):
    """The key is another row's, and nothing says whether it is active."""

    person = models.OneToOneField(TextUser, models.CASCADE, primary_key=True)
    name = models.TextField(unique=True)
    USERNAME_FIELD = "name"
