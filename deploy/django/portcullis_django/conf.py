"""`settings.PORTCULLIS`, checked when the server starts."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from .assertion import Verifier
from .keys import FetchedKeys, FixedKeys

DEFAULTS = {
    "JWKS_URL": None,
    "KEYS": None,
    "ISSUER": None,
    "AUDIENCE": None,
    "HEADER": "Portcullis-Assertion",
    "REQUIRE_ASSERTION": True,
    "SET_USER": True,
    # The gateway's name of a scheme, and the class whose `request.auth` views read.
    "AUTH": {},
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


def auth_classes(options: dict) -> dict:
    """The classes of `AUTH`, by the gateway's names of their schemes."""
    try:
        classes = {scheme: import_string(path) for scheme, path in options["AUTH"].items()}
    except (AttributeError, ImportError) as error:
        raise ImproperlyConfigured(f"PORTCULLIS['AUTH']: {error}") from error
    for scheme, native in classes.items():
        if not callable(getattr(native, "authenticate", None)):
            raise ImproperlyConfigured(f"PORTCULLIS['AUTH'][{scheme!r}] is no authentication class")
    if classes and not options["REQUIRE_ASSERTION"]:
        raise ImproperlyConfigured("PORTCULLIS['AUTH'] needs the assertion, which names the scheme")
    return classes


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
