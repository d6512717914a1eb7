"""The encoding of the gateway's identity headers, read back."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

# The gateway never sends these raw. A comma above all: servers join two headers of one name
# with it, so a raw one means that somebody else added a second value.
FORBIDDEN = re.compile(rb"[\x00-\x1f\x7f,]|^ | $|%(?![0-9A-Fa-f]{2})")


def decode_identity(value: str) -> str:
    """The text that one value of `request.META` stands for; ValueError if the gateway cannot have sent it."""
    # WSGI and ASGI servers both hand over header bytes read as Latin-1.
    raw = value.encode("latin-1")
    if FORBIDDEN.search(raw):
        raise ValueError("not an encoded identity value")
    text = unquote_to_bytes(raw).decode("utf-8")
    # No database can hold it in a name, and PostgreSQL's driver would answer with an exception.
    if "\0" in text:
        raise ValueError("NUL in an identity value")
    return text


def decode_groups(value: str) -> list[str]:
    """The names in a `Remote-Groups` value; ValueError if the gateway cannot have sent it."""
    if not value:
        return []
    names = [decode_identity(part) for part in value.split(",")]
    if not all(names):
        raise ValueError("empty group name")
    return names
