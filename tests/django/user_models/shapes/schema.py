"""Django's own user in another schema of PostgreSQL, which the project's connections look in first."""

from django.contrib.auth.models import AbstractUser


class Member(AbstractUser):
    pass


def before_tables(cursor):
    cursor.execute("CREATE SCHEMA accounts")
