"""A key whose column is not called like its field."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    id = models.BigAutoField(primary_key=True, db_column="member_no")
