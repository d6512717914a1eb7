"""The tables that Django and the gateway share: put back before each conversation, read after it."""

from datetime import timedelta

import jwt
import seed
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connections
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from .environment import DEFAULT
from .tokens import claims

current = DEFAULT
# The rows of seed.py, by database.
_users: dict[str, list] = {}
_tokens: dict[str, list] = {}
# What only conversations have rows in; the order is that of foreign keys.
MADE = [BlacklistedToken, OutstandingToken, AuthToken, Session]


class Router:
    """All models are in the database that the case is about."""

    def db_for_read(self, model, **hints):
        return current

    db_for_write = db_for_read


def use(name):
    global current
    current = name


def reset():
    """As seed.py left it, but for hashes: no hash is out of date."""
    if current not in _users:
        seed.seed()
        User.objects.filter(username="staff").update(password=seed.quick("correct horse"))
        _users[current], _tokens[current] = users(), all_tokens()
    for model in filled():
        model.objects.all()._raw_delete(current)
    if columns(users()) != columns(_users[current]):
        reset_users()
    if columns(all_tokens()) != columns(_tokens[current]):
        Token.objects.all()._raw_delete(current)
        Token.objects.bulk_create(_tokens[current])


def reset_users():
    """Whom a case has deleted comes back, whom one has made goes."""
    User.objects.exclude(pk__in=[row.pk for row in _users[current]]).delete()
    fields = [field.attname for field in User._meta.concrete_fields if not field.primary_key]
    unique = [] if connections[current].vendor == "mysql" else ["id"]
    User.objects.bulk_create(_users[current], update_conflicts=True, update_fields=fields, unique_fields=unique)


def users():
    return list(User.objects.order_by("pk"))


def all_tokens():
    return list(Token.objects.order_by("pk"))


def columns(found):
    return [[getattr(row, field.attname) for field in row._meta.concrete_fields] for row in found]


def filled():
    """Those of MADE that have rows: one question, since there are many resets."""
    counts = ", ".join(f"(SELECT COUNT(*) FROM {model._meta.db_table})" for model in MADE)
    with connections[current].cursor() as cursor:
        cursor.execute(f"SELECT {counts}")
        return [model for model, count in zip(MADE, cursor.fetchone(), strict=True) if count]


def footprint():
    """What a conversation has left, without what differs each time."""
    found = users()
    rows = {model: list(model.objects.all()) for model in filled()}
    outstanding = {row.pk: row for row in rows.get(OutstandingToken, [])}
    return {
        "users": [user(row) for row in found],
        "tokens": sorted((row.user_id, len(row.key)) for row in all_tokens()),
        "sessions": in_order(session(row, found) for row in rows.get(Session, [])),
        "knox": in_order(knox_token(row) for row in rows.get(AuthToken, [])),
        "outstanding": in_order(refresh_token(row) for row in outstanding.values()),
        "blacklisted": in_order(outstanding[row.token_id].user_id for row in rows.get(BlacklistedToken, [])),
    }


def untouched():
    """Of the users, where nobody was made and nothing was changed."""
    return {"users": [user(row) for row in _users[current]]}


def in_order(found):
    return sorted(found, key=str)


def sessions():
    return footprint()["sessions"]


def user(row):
    before = {seeded.pk: seeded for seeded in _users[current]}.get(row.pk)
    return {
        "name": row.username,
        "active": row.is_active,
        "staff": row.is_staff,
        "email": row.email,
        "joined": "as before" if before else moment(row.date_joined),
        "password": "as before" if before and before.password == row.password else form(row.password),
        "last_login": moment(row.last_login),
    }


def form(encoded):
    """Algorithm and costs."""
    if encoded.startswith("!"):
        return encoded[:1]
    parts = encoded.split("$")
    return "$".join(parts[:2] + parts[3:5] if parts[0] == "scrypt" else parts[: max(len(parts) - 2, 1)])


def session(row, found):
    data = SessionStore().decode(row.session_data)
    if isinstance(data, dict):
        hashes = {str(user.pk): user.get_session_auth_hash() for user in found}
        if "_auth_user_hash" in data:
            data["_auth_user_hash"] = data["_auth_user_hash"] == hashes.get(data.get("_auth_user_id"))
        if "_csrftoken" in data:
            data["_csrftoken"] = len(data["_csrftoken"])
        data = sorted(data.items())
    return {"key": len(row.session_key), "expires": moment(row.expire_date), "data": data}


def knox_token(row):
    key = (len(row.token_key), len(row.digest))
    return {"user": row.user_id, "key": key, "expires": moment(row.expiry), "created": moment(row.created)}


def refresh_token(row):
    kept = jwt.decode(row.token, options={"verify_signature": False}) if row.token else {}
    return {
        "user": row.user_id,
        "expires": moment(row.expires_at),
        "created": moment(row.created_at),
        "token": claims(row.token),
        "jti": row.jti in kept.values(),
    }


def moment(value):
    """As its distance from now, in minutes: conversations do not take as long."""
    return None if value is None else round((value - timezone.now()) / timedelta(minutes=1))
