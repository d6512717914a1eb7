"""Groups by a model of the project's own, which names both sides otherwise."""

from django.contrib.auth.models import AbstractUser, Group
from django.db import models


class Member(AbstractUser):
    groups = models.ManyToManyField(Group, through="Membership", related_name="user_set")


class Membership(models.Model):
    who = models.ForeignKey(Member, models.CASCADE)
    which = models.ForeignKey(Group, models.CASCADE, db_column="group_no")
    since = models.DateTimeField(auto_now_add=True)
