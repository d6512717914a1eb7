"""The rows that conversations start from, and what is left of them: asked for by tests under a path of their own.

Only a project with the shape of the day in its models can read its users, so the native server does it."""

import json
from datetime import datetime, timedelta, timezone
from importlib import import_module
from urllib.parse import parse_qsl

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import FieldDoesNotExist
from django.core.management import call_command
from django.db import connections, router
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone as clock
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

PREFIX = "/rows/"
PASSWORD = "correct horse"
SALT = "ThrowawaySalt012345678"
JOINED = datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
# Whose hash is of fewer rounds than the project has now.
OLD = "elise"
NAMES = ["alice", "bob", "staff", OLD]
TOKENS = {"alice": "0123456789abcdef0123456789abcdef01234567", "bob": "b" * 40, "staff": "c" * 40}
# What conversations make; the order is that of foreign keys.
MADE = [BlacklistedToken, OutstandingToken, AuthToken, Session, Token]

shape = import_module(f"user_models.shapes.{settings.SHAPE}")
User = get_user_model()
DATABASE = router.db_for_write(User)
# Of whom the rows are, by their names here.
_keys: dict[str, object] = {}


def serves(application):
    """The application, and the functions below under `PREFIX`: their arguments are the query."""

    def served(environ, start_response):
        path = environ["PATH_INFO"]
        if not path.startswith(PREFIX):
            return application(environ, start_response)
        told = FUNCTIONS[path.removeprefix(PREFIX)](**dict(parse_qsl(environ["QUERY_STRING"])))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    return served


# --- before a conversation ---------------------------------------------------------------------------


def make():
    """The tables, and the users in them."""
    connection = connections[DATABASE]
    with connection.cursor() as cursor:
        getattr(shape, "before_tables", lambda cursor: None)(cursor)
    call_command("migrate", database=DATABASE, run_syncdb=True, verbosity=0)
    # By which a project's database is known for one.
    MigrationRecorder(connection).ensure_schema()
    for name in ("editors", "a, b"):
        Group.objects.create(name=name)
    for name in NAMES:
        _keys[name] = User._base_manager.create(**fields(name)).pk
    _keys.update(getattr(shape, "others", lambda fields: {})(fields))
    join()


def join():
    """Gives alice her groups and her permission, and takes them from her first."""
    user = User._base_manager.get(pk=_keys["alice"])
    if has("groups"):
        user.groups.clear()
        user.groups.set(getattr(shape, "own_groups", Group.objects.all)())
    if has("user_permissions"):
        user.user_permissions.clear()
        user.user_permissions.set([Permission.objects.get(codename="view_group")])


def fields(name):
    """Those that every shape may have, where it does, and its own."""
    usual = {
        "username": name,
        "password": hashed(name),
        "email": f"{name}@example.com",
        "name": name.title(),
        "first_name": name.title(),
        "last_name": "Liddell",
        "is_active": name != "bob",
        "is_staff": name == "staff",
        "is_superuser": False,
        "last_login": None,
        "date_joined": JOINED,
    }
    own = getattr(shape, "values", lambda name: {})(name)
    return {field: value for field, value in usual.items() if has(field)} | own


def hashed(name):
    return PBKDF2PasswordHasher().encode(PASSWORD, SALT, 900 if name == OLD else 1000)


def has(name):
    try:
        User._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def reset():
    if not _keys:
        make()
    for model in MADE:
        model.objects.all()._raw_delete(DATABASE)
    for name in NAMES:
        User._base_manager.filter(pk=_keys[name]).update(password=hashed(name), last_login=None)
    Token.objects.bulk_create(Token(user_id=_keys[name], key=key) for name, key in TOKENS.items())


def session(name):
    """The key of a session in which the user is logged in."""
    user = User._base_manager.get(pk=_keys[name])
    store = SessionStore()
    store[SESSION_KEY] = user._meta.pk.value_to_string(user)
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return store.session_key


def knox(name):
    """A token's text."""
    return AuthToken.objects.create(User._base_manager.get(pk=_keys[name]))[1]


def key(name):
    """As claims have it."""
    return str(_keys[name])


# --- after it ----------------------------------------------------------------------------------------


def footprint():
    """What a conversation has left, without what differs each time."""
    return {
        "users": [user(name) for name in NAMES],
        "tokens": in_order([str(row.user_id), len(row.key)] for row in Token.objects.all()),
        "sessions": in_order(session_row(row) for row in Session.objects.all()),
        "knox": in_order([str(row.user_id), len(row.digest), moment(row.expiry)] for row in AuthToken.objects.all()),
        "outstanding": in_order([str(row.user_id), len(row.jti)] for row in OutstandingToken.objects.all()),
    }


def in_order(found):
    return sorted(found, key=str)


def user(name):
    row = User._base_manager.get(pk=_keys[name])
    return {
        "name": name,
        "password": row.password.split("$")[:2],
        "good": check_password(PASSWORD, row.password),
        "last_login": moment(row.last_login),
    }


def session_row(row):
    data = SessionStore().decode(row.session_data)
    if SESSION_KEY in data:
        user = User._base_manager.get(pk=User._meta.pk.to_python(data[SESSION_KEY]))
        data[HASH_SESSION_KEY] = data[HASH_SESSION_KEY] == user.get_session_auth_hash()
    return [len(row.session_key), moment(row.expire_date), sorted(data.items())]


def moment(value):
    """As its distance from now, in minutes: conversations do not take as long."""
    return None if value is None else round((value - clock.now()) / timedelta(minutes=1))


FUNCTIONS = {function.__name__: function for function in (reset, join, session, knox, key, footprint)}
