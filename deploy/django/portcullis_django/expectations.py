"""What the gateway's file was made from: `init` writes it into `EXPECTS`, and the server does not start if the project
has become another one, for then the gateway's rules are those of a project that is no more."""

from __future__ import annotations

from django.conf import settings

# The settings that the app was made ready with, and what of them was not as expected.
ready = None, []
OURS = "portcullis_django."


def remember(expected: dict) -> None:
    """Compares before the first handler is made: some middleware takes itself out of the settings for a moment, to make
    a handler of the others."""
    global ready
    ready = settings._wrapped, unmet(expected)


def unmet_at_start(expected: dict) -> list[str]:
    """The same for a handler in the making."""
    known, found = ready
    return found if known is settings._wrapped else unmet(expected)


def unmet(expected: dict) -> list[str]:
    """A sentence for each part that is not as it was."""
    now = seen() if expected else {}
    return [
        f"PORTCULLIS['EXPECTS']: {part} was {was!r} when the gateway's file was made, and is {now.get(part)!r}. "
        "Run `portcullis init` again and compare, or correct the setting."
        for part, was in expected.items()
        if now.get(part) != was
    ]


def seen() -> dict:
    told = {
        "AUTH_USER_MODEL": settings.AUTH_USER_MODEL,
        "AUTHENTICATION_BACKENDS": list(settings.AUTHENTICATION_BACKENDS),
        "MIDDLEWARE": [name for name in settings.MIDDLEWARE if not name.startswith(OURS)],
        "SESSION_ENGINE": settings.SESSION_ENGINE,
    }
    try:
        from rest_framework.settings import api_settings
    except ImportError:
        return told
    for name in ("DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES"):
        told[name] = [dotted(each) for each in getattr(api_settings, name)]
    return told


def dotted(thing) -> str:
    """The name of a class; of permissions joined with `&`, `|` and `~`, which have none, what `init` calls them."""
    if not hasattr(thing, "operator_class"):
        return f"{thing.__module__}.{thing.__qualname__}"
    sign = {"AND": "&", "OR": "|", "NOT": "~"}[thing.operator_class.__name__]
    first = dotted(thing.op1_class)
    return sign + first if sign == "~" else f"({first} {sign} {dotted(thing.op2_class)})"
