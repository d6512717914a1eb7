"""A collation to which `Alice` is alice."""

from django.contrib.auth.models import AbstractUser
from django.db import connection, models

COLLATIONS = {"postgresql": "any_case", "mysql": "utf8mb4_general_ci", "sqlite": "NOCASE"}


class Member(AbstractUser):
    username = models.CharField(max_length=150, unique=True, db_collation=COLLATIONS[connection.vendor])


def before_tables(cursor):
    if connection.vendor == "postgresql":
        cursor.execute(
            "CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
