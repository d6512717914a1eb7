"""A password alone is not enough: the model has a check of its own."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    has_to_use_sso = models.BooleanField(default=False)

    def check_password(self, raw_password):
        return not self.has_to_use_sso and super().check_password(raw_password)


def values(name):
    return {"is_active": True, "has_to_use_sso": name == "bob"}
