"""EXTRA_SETTINGS: settings of one test, as JSON over the project's own."""

import json
from datetime import timedelta

# What JSON has no type for: these are seconds in it.
DURATIONS = {
    "ACCESS_TOKEN_LIFETIME",
    "REFRESH_TOKEN_LIFETIME",
    "SLIDING_TOKEN_LIFETIME",
    "SLIDING_TOKEN_REFRESH_LIFETIME",
    "TOKEN_TTL",
    "AUTO_REFRESH_MAX_TTL",
}


def given(text: str) -> dict:
    return json.loads(text, object_hook=with_durations)


def with_durations(settings: dict) -> dict:
    return {name: duration(value) if name in DURATIONS else value for name, value in settings.items()}


def duration(seconds):
    return None if seconds is None else timedelta(seconds=seconds)
