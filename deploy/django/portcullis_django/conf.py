"""`settings.PORTCULLIS`, checked when the server starts."""

from __future__ import annotations

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .assertion import Verifier
from .backend import by_username
from .keys import FetchedKeys, FixedKeys

DEFAULTS = {
    "JWKS_URL": None,
    "KEYS": None,
    "ISSUER": None,
    "AUDIENCE": None,
    "HEADER": "Portcullis-Assertion",
    "REQUIRE_ASSERTION": True,
    # None is True without CLASSES.
    "SET_USER": None,
    # The gateway's name of a scheme, and the project's class for it, or several, which answer with the gateway's user.
    "CLASSES": {},
    # The same of the class whose `request.auth` views read.
    "AUTH": {},
    # Which user an identity is that has no row in the gateway's store: None, "username", or a function by its path.
    "FOREIGN_USERS": None,
    # The header with the primary key of the user's row, where REQUIRE_ASSERTION is False.
    "USER_ID_HEADER": None,
    # What the project was when the gateway's file was made. The server does not start if it is another one now.
    "EXPECTS": {},
    # Seconds between two questions to JWKS_URL.
    "COOLDOWN": 30,
}


def load() -> dict:
    """The project's settings over the defaults."""
    given = getattr(settings, "PORTCULLIS", {})
    unknown = sorted(set(given) - set(DEFAULTS))
    if unknown:
        raise ImproperlyConfigured(f"PORTCULLIS has unknown keys: {', '.join(unknown)}")
    return {**DEFAULTS, **given}


def classes(options: dict, name: str) -> dict:
    """The classes of `AUTH` or `CLASSES`, by the gateway's names of their schemes."""
    try:
        found = {
            scheme: [import_string(path) for path in ([paths] if isinstance(paths, str) else paths)]
            for scheme, paths in options[name].items()
        }
    except (AttributeError, ImportError, TypeError) as error:
        raise ImproperlyConfigured(f"PORTCULLIS[{name!r}]: {error}") from error
    for scheme, natives in found.items():
        for native in natives:
            authenticate = getattr(native, "authenticate", None) if isinstance(native, type) else None
            if not callable(authenticate) or iscoroutinefunction(authenticate):
                raise ImproperlyConfigured(f"PORTCULLIS[{name!r}][{scheme!r}] is no (synchronous) authentication class")
    if found and not options["REQUIRE_ASSERTION"]:
        raise ImproperlyConfigured(f"PORTCULLIS[{name!r}] needs the assertion, which names the scheme")
    return found


def foreign_users(options: dict):
    """The function that finds the user of an identity without a row, or None."""
    given = options["FOREIGN_USERS"]
    # Without the assertion a name is all that the gateway says, unless a header has the key.
    named = not options["REQUIRE_ASSERTION"] and not options["USER_ID_HEADER"] and given is None
    if given == "username" or named:
        return by_username
    if given is None:
        return None
    try:
        function = import_string(given)
    except (AttributeError, ImportError) as error:
        raise ImproperlyConfigured(f"PORTCULLIS['FOREIGN_USERS']: {error}") from error
    if not callable(function) or iscoroutinefunction(function):
        raise ImproperlyConfigured("PORTCULLIS['FOREIGN_USERS'] is no (synchronous) function")
    return function


def sets_user(options: dict) -> bool:
    """With `CLASSES`, the project goes on asking classes of its own, and Django REST framework's for sessions lets in
    whomever it finds in `request.user`, so that a view for sessions alone would be open to every scheme."""
    return not options["CLASSES"] if options["SET_USER"] is None else options["SET_USER"]


def verifier(options: dict) -> Verifier:
    """What checks assertions under these settings."""
    # An assertion for any audience would let a neighbouring service pass on what it was sent.
    for name in ("ISSUER", "AUDIENCE"):
        if not isinstance(options[name], str) or not options[name]:
            raise ImproperlyConfigured(f"PORTCULLIS[{name!r}] is missing")
    return Verifier(keys(options), options["ISSUER"], options["AUDIENCE"])


def keys(options: dict):
    url, jwks = options["JWKS_URL"], options["KEYS"]
    if bool(url) == bool(jwks):
        raise ImproperlyConfigured("PORTCULLIS needs JWKS_URL or KEYS, and not both")
    if jwks:
        try:
            return FixedKeys(jwks)
        except ValueError as error:
            raise ImproperlyConfigured(f"PORTCULLIS['KEYS']: {error}") from error
    if not url.startswith(("https://", "http://")):
        raise ImproperlyConfigured("PORTCULLIS['JWKS_URL'] must start with https:// or http://")
    return FetchedKeys(url, options["COOLDOWN"])
