"""A proxy: the tables, and the columns of the tables between, are named after another model."""

from django.contrib.auth.models import AbstractUser


class Account(AbstractUser):
    pass


class Member(Account):
    class Meta:
        proxy = True
