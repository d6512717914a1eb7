"""Two answers to one call, beside a third that tells what differs from time to time anyway."""

import json
import re

HEADERS = (
    "location", "content-type", "www-authenticate", "access-control-allow-origin", "access-control-allow-methods",
    "access-control-allow-credentials",
)  # fmt: skip
# What no two answers have in common.
NOISE = [
    (re.compile(r'(csrfmiddlewaretoken"?\s*[^>]{0,40}?value=")[^"]+'), r"\1*"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"), "*time*"),
    (re.compile(r"\b\d\d:\d\d(:\d\d)?\b"), "*time*"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "*uuid*"),
    (re.compile(r"\b\d+\.\d+ ?ms"), "*ms*"),
    (re.compile(r"\b\d+[ \xa0](second|minute)s?( ago)?"), "*ago*"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"), "*jwt*"),
    (re.compile(r"\b(?=\w*\d)[A-Za-z0-9]{32,}\b"), "*key*"),
]


def differences(native, again, gateway):
    """Lines, none if a client sees the same."""
    told = []
    if native.status != gateway.status:
        told.append(f"status {native.status} → {gateway.status}: {excerpt(gateway)}")
    for name in HEADERS:
        was, now = plain(native.header(name)), plain(gateway.header(name))
        if was != now and plain(again.header(name)) == was:
            told.append(f"{name} {was!r} → {now!r}")
    was, now = cookies(native), cookies(gateway)
    if was != now and cookies(again) == was:
        told.append(f"cookies {was} → {now}")
    if native.status == gateway.status and not same_body(native, again, gateway):
        told.append("body {} → {}".format(*apart(native, gateway)))
    return told


def cookies(answer):
    """Names, attributes, and whether they are deleted."""
    told = []
    for line in answer.all("set-cookie"):
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        kept = sorted(attribute for attribute in attributes if not attribute.lower().startswith("expires="))
        told.append((name, "deleted" if value in ("", '""') else "set", *kept))
    return sorted(told)


def plain(text):
    for pattern, instead in NOISE:
        text = text and pattern.sub(instead, text)
    return text


def same_body(native, again, gateway):
    was, second, now = (plain(answer.text) for answer in (native, again, gateway))
    if was == now:
        return True
    try:
        return not unlike(*(json.loads(text) for text in (was, second, now)))
    except ValueError:
        lines = [text.splitlines() for text in (was, second, now)]
        if len({len(text) for text in lines}) > 1:
            return False
        return all(a == c or a != b for a, b, c in zip(*lines))


def unlike(was, second, now):
    """Whether values differ that do not differ natively."""
    if isinstance(was, dict) and isinstance(now, dict) and isinstance(second, dict):
        return was.keys() != now.keys() or any(unlike(was[key], second.get(key), now[key]) for key in was)
    if isinstance(was, list) and isinstance(now, list) and isinstance(second, list) and len(was) == len(second):
        return len(was) != len(now) or any(unlike(*row) for row in zip(was, second, now))
    return was != now and was == second


def excerpt(answer, begin=0):
    return repr(re.sub(r"\s+", " ", plain(answer.text)[begin : begin + 160]))


def apart(native, gateway):
    """Both from where they part."""
    was, now = plain(native.text), plain(gateway.text)
    begin = next((n for n, pair in enumerate(zip(was, now)) if pair[0] != pair[1]), min(len(was), len(now)))
    begin = max(0, begin - 30)
    return excerpt(native, begin), excerpt(gateway, begin)
