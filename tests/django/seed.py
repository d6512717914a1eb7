"""Makes the tables in DATABASE_URL, and the users that tests know. Run again, it restores them."""

import os
from datetime import datetime, timezone

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password  # noqa: E402
from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.management.color import no_style  # noqa: E402
from django.db import connections  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

# Few, so that tests are quick. Django's own log-in raises them to its 1 000 000 at first use.
ITERATIONS = int(os.environ.get("SEED_ITERATIONS", "1000"))
SALT = "ThrowawaySalt012345678"
JOINED = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)


def quick(password):
    return PBKDF2PasswordHasher().encode(password, SALT, ITERATIONS)


def user(pk, username, password, **fields):
    fields = {
        "username": username,
        "password": password,
        "email": "",
        "is_active": True,
        "is_staff": False,
        "last_login": None,
        "date_joined": JOINED,
        **fields,
    }
    return User.objects.update_or_create(pk=pk, defaults=fields)[0]


def token(owner, key):
    Token.objects.filter(user=owner).delete()
    Token.objects.create(user=owner, key=key)


def seed():
    alice = user(1, "alice", quick("correct horse"), email="alice@example.com")
    bob = user(2, "bob", quick("correct horse"), is_active=False)
    # The one hash that Django finds up to date and leaves alone.
    user(3, "staff", make_password("correct horse", hasher="pbkdf2_sha256"), is_staff=True)
    user(4, "élise", quick("päss wörd"))
    user(5, "nopass", make_password(None))

    # The comma is on purpose: Remote-Groups joins names with one.
    groups = [
        Group.objects.update_or_create(pk=pk, defaults={"name": name})[0] for pk, name in [(1, "editors"), (2, "a, b")]
    ]
    alice.groups.set(groups)
    alice.user_permissions.set([Permission.objects.get(content_type__app_label="auth", codename="view_user")])

    token(alice, "0123456789abcdef0123456789abcdef01234567")
    token(bob, "b" * 40)

    # Rows with chosen ids leave the sequences behind.
    connection = connections[User.objects.db]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), [User, Group]):
            cursor.execute(statement)


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    seed()
