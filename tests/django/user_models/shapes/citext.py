"""PostgreSQL's `citext`, from when Django had a field for it; elsewhere such a project has a plain text."""

from django.contrib.auth.models import AbstractUser
from django.db import connection, models


class CICharField(models.CharField):
    def db_type(self, connection):
        return "citext" if connection.vendor == "postgresql" else super().db_type(connection)


class CIEmailField(models.EmailField):
    def db_type(self, connection):
        return "citext" if connection.vendor == "postgresql" else super().db_type(connection)


class Member(AbstractUser):
    username = CICharField(max_length=150, unique=True)
    email = CIEmailField(blank=True)


def before_tables(cursor):
    if connection.vendor == "postgresql":
        cursor.execute("CREATE EXTENSION citext")
