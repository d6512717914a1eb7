"""Groups that are not Django's, though their table's columns are called as if they were."""

from django.contrib.auth.models import AbstractBaseUser, UserManager
from django.db import models


class Group(models.Model):
    name = models.CharField(max_length=150, unique=True)


class Member(AbstractBaseUser):
    username = models.CharField(max_length=150, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    groups = models.ManyToManyField(Group)

    objects = UserManager()
    USERNAME_FIELD = "username"


def own_groups():
    """Their keys are those of groups that Django has under other names."""
    return [Group.objects.update_or_create(pk=1, defaults={"name": "rowers"})[0]]
