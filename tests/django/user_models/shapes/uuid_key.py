"""A UUID for a key: text with or without dashes, or a type of its own, by database."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)


def values(name):
    return {"id": uuid.uuid5(uuid.NAMESPACE_DNS, name)}
