"""From what the gateway says of the caller to the project's user."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.module_loading import import_string

REMOTE_USER = "HTTP_REMOTE_USER"


def gateway_user(request):
    """The active user whom the gateway named, or None; looked up once a request."""
    if not hasattr(request, "portcullis"):
        # Trusting the header without the middleware would let anybody in under any name.
        raise ImproperlyConfigured("MIDDLEWARE lacks portcullis_django.middleware.PortcullisMiddleware")
    if not hasattr(request, "_portcullis_user"):
        user = find(request.portcullis, request._portcullis_foreign)
        # As `ModelBackend.user_can_authenticate` asks it.
        request._portcullis_user = user if user is not None and getattr(user, "is_active", True) else None
    return request._portcullis_user


def find(caller, foreign):
    """The row that the assertion names by its primary key. A name alone is not enough: an identity provider's
    `root-admin`, or a service that is called so, is not the user of that name. `foreign` is asked about those."""
    if caller.username is None:
        return None
    if caller.user_id is None:
        return foreign and foreign(caller)
    return by("pk", caller.user_id)


def by_username(caller):
    """For `FOREIGN_USERS`: an identity that is no row of the store is the user of its name."""
    user = by(get_user_model().USERNAME_FIELD, caller.username)
    # MySQL's usual collations find "alice" for "ALICE" and "élise" for "elise".
    return user if user is not None and user.get_username() == caller.username else None


def row_backend():
    """The project's backend whose users are rows: the session that it makes finds them again. One that only counts
    failures, such as axes', has no users."""
    # It has models, which are not there while apps are made ready.
    from django.contrib.auth.backends import ModelBackend

    found = (path for path in settings.AUTHENTICATION_BACKENDS if issubclass(import_string(path), ModelBackend))
    return next(found, None)


def by(field, value):
    """The one row; None also where the field cannot have this value."""
    model = get_user_model()
    try:
        user = model._default_manager.get(**{field: value})
        if backend := row_backend():
            # What `authenticate` sets, and `login` asks for where a project has several.
            user.backend = backend
        return user
    # Django 4.2 gives SQLite numbers that it cannot hold.
    except (model.DoesNotExist, model.MultipleObjectsReturned, ValueError, OverflowError, ValidationError):
        return None
