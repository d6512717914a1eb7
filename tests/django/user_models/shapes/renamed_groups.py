"""Tables of groups and permissions under names of the project's own."""

from django.contrib.auth.models import AbstractUser, Group, Permission
from django.db import models


class Member(AbstractUser):
    groups = models.ManyToManyField(Group, db_table="member_in_group", related_name="user_set")
    user_permissions = models.ManyToManyField(Permission, db_table="member_may", related_name="user_set")
