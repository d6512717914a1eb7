"""Rows that cases start from, made by Django's own models."""

from datetime import datetime, timedelta

import bcrypt
import jwt
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import PBKDF2PasswordHasher, get_hasher
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing
from django.utils import timezone
from django.utils.crypto import salted_hmac
from knox.crypto import hash_token
from knox.models import AuthToken
from rest_framework.authtoken.models import Token
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.utils import get_md5_hash_password

ALICE = "0123456789abcdef0123456789abcdef01234567"
BOB = "b" * 40
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


def session(username="alice", *, age=None, backend=MODEL_BACKEND, **data):
    """The key of a session in which the user is logged in; nobody, for None."""
    store = SessionStore()
    store.update(session_data(username, backend) if username else {})
    store.update(data)
    store.create()
    if age is not None:
        Session.objects.filter(pk=store.session_key).update(expire_date=timezone.now() + timedelta(seconds=age))
    return store.session_key


def session_data(username, backend=MODEL_BACKEND):
    user = User.objects.get(username=username)
    return {SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: user.get_session_auth_hash()}


def session_without(name):
    """A session of alice's that lacks one of its reserved keys."""
    store = SessionStore(session())
    store.pop(name)
    store.save()
    return store.session_key


def tampered(change):
    """A session of alice's, its column changed."""
    key = session()
    write(key, change(Session.objects.get(pk=key).session_data))
    return key


def signed_with(key=None, salt="django.contrib.sessions.SessionStore"):
    """A session whose data another key has signed, or this one for another purpose."""
    return signed_data(lambda data: data, key=key, salt=salt)


def signed_data(change, key=None, salt="django.contrib.sessions.SessionStore"):
    """A session of alice's, its data changed and signed again."""
    name = session()
    data = change(SessionStore(name).load())
    write(name, signing.dumps(data, key=key, salt=salt, serializer=JSONSerializer, compress=True))
    return name


def of_old_key(key):
    """A session from before SECRET_KEY was changed: its data and its hash are that key's."""
    return signed_data(lambda data: data | {HASH_SESSION_KEY: auth_hash("alice", key)}, key=key)


def auth_hash(username, key):
    salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"
    password = User.objects.get(username=username).password
    return salted_hmac(salt, password, secret=key, algorithm="sha256").hexdigest()


def write(key, data):
    Session.objects.filter(pk=key).update(session_data=data)


def change(username="alice", **fields):
    User.objects.filter(username=username).update(**fields)


def rename(username, name):
    User.objects.filter(username=username).update(username=name)


def set_password(username, password):
    user = User.objects.get(username=username)
    user.set_password(password)
    user.save()


def knox(username="alice", *, expires=timedelta(hours=1), created=None, prefix=""):
    """A token's text."""
    row, token = AuthToken.objects.create(User.objects.get(username=username), expiry=expires, prefix=prefix)
    if created is not None:
        AuthToken.objects.filter(pk=row.pk).update(created=timezone.now() + created)
    return token


def knox_row(token_key, digest):
    """alice's, of a token that was made elsewhere."""
    row, _ = AuthToken.objects.create(User.objects.get(username="alice"))
    AuthToken.objects.filter(pk=row.pk).update(token_key=token_key, digest=digest)


def begin_alike(first, second):
    """As if two tokens had the same first characters."""
    for token in (first, second):
        AuthToken.objects.filter(digest=hash_token(token)).update(token_key=first[:15])


def revoke_claim(username):
    """simplejwt's: changes with the password."""
    return get_md5_hash_password(User.objects.get(username=username).password)


def password(username):
    return User.objects.get(username=username).password


def hashed_by(algorithm, password):
    """By one of Django's other hashers; where that is possible, quickly."""
    hasher = get_hasher(algorithm)
    salt = bcrypt.gensalt(4) if algorithm == "bcrypt_sha256" else hasher.salt()
    return hasher.encode(password, salt, **({"iterations": 1000} if algorithm == "pbkdf2_sha1" else {}))


def hashed(password, iterations):
    """As Django's preferred hasher writes it with so many rounds."""
    return PBKDF2PasswordHasher().encode(password, "ThrowawaySalt012345678", iterations)


def give_token(username, key):
    Token.objects.create(user=User.objects.get(username=username), key=key)


def delete_tokens(username):
    Token.objects.filter(user__username=username).delete()


def delete_user(username):
    User.objects.filter(username=username).delete()


def blacklist(token):
    """Records it, and that it counts no more."""
    claims = jwt.decode(token, options={"verify_signature": False})
    expires = datetime.fromtimestamp(claims["exp"], timezone.get_current_timezone())
    row = OutstandingToken.objects.create(
        jti=claims["jti"], token=token, user_id=claims.get("user_id"), expires_at=expires
    )
    BlacklistedToken.objects.create(token=row)
