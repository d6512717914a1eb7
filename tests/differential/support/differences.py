"""Differences on purpose that are not one case's alone. The others stand beside their case."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Differs:
    """Why, and those parts of the gateway's answer that are not Django's."""

    why: str
    parts: dict

    def __init__(self, why, **parts):
        object.__setattr__(self, "why", why)
        object.__setattr__(self, "parts", parts)


def refusal(why, status, detail, challenge=None, **parts):
    """Where Django fails, or answers as nobody should: an error in DRF's shape."""
    parts = {
        "status": status,
        "content_type": "application/json",
        "www_authenticate": challenge,
        "body": json.dumps(detail if isinstance(detail, dict) else {"detail": detail}, separators=(",", ":")),
        **parts,
    }
    return Differs(why, **parts)


TWO_AUTHORIZATIONS = refusal(
    "Two Authorization fields are refused before any scheme reads one: servers differ in which they take",
    400,
    "Only one Authorization field may be sent.",
    allow=None,
    vary=["accept"],
    set_cookie=[],
)
NOT_FOUND = refusal("The gateway's own 404 is in DRF's shape", 404, "Not found.", vary=["accept"])


# --- rules: for every answer that they fit ----------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    why: str
    # Of a request and Django's answer to it: the parts that differ, none where the rule does not fit.
    parts: object


PAGES = (b"/api-auth/login/", b"/api-auth/logout/")


def of_pages(parts):
    """For what `rest_framework.urls` answers, and not for what keeps requests from it."""

    def fitting(request, django):
        method, target = request.split()[:2]
        path = target.partition(b"?")[0]
        if path not in PAGES or django["status"] >= 500:
            return {}
        # Django has PUT for what a form sends too; nothing sends it.
        known = method in (b"POST", b"OPTIONS") or (method in (b"GET", b"HEAD") and path == PAGES[0])
        return parts(django, path == PAGES[1], known and method != b"OPTIONS")

    return fitting


def says_methods(django, logout, known):
    return {} if django["status"] == 302 or known else {"allow": "POST, OPTIONS" if logout else "GET, HEAD, POST, OPTIONS"}


def says_no_expires(django, logout, known):
    return {"headers": {name: value for name, value in django["headers"].items() if name != "expires"}}


def has_two_forms(django, logout, known):
    return {"vary": sorted({*django["vary"], "accept", "cookie"})} if known else {}


OWN = (b"/api-auth/", b"/api/token", b"/api/sliding", b"/api/auth/", b"/api-token-auth")


def says_no_language(request, django):
    """Of what the gateway answers itself, and not in JSON."""
    if not request.split()[1].startswith(OWN) or django["content_type"] == "application/json":
        return {}
    headers = {name: value for name, value in django["headers"].items() if name != "content-language"}
    return {"headers": headers, "vary": [name for name in django["vary"] if name != "accept-language"]}


RULES = [
    Rule("The log-in pages name the methods that they have, in answers to OPTIONS and to others", of_pages(says_methods)),
    Rule("Expires is left out where Cache-Control says all (RFC 9111, section 5.3)", of_pages(says_no_expires)),
    Rule("The log-in pages are for programs too, in JSON, and Vary says so", of_pages(has_two_forms)),
    Rule("The log-in pages are in English, and what has no words is in no language", says_no_language),
]

SECURITY = "Django's middleware does not see every answer; the gateway's own all have its security headers"
# Headers that the gateway says where Django says none, and what is in them. Where Django says one, it is the same.
CAREFUL = {
    "cache-control": ("What the gateway answers itself is in no cache", "no-store"),
    "content-security-policy": ("A page that takes passwords runs no scripts", "default-src 'none'; "),
    "x-frame-options": (SECURITY, "DENY"),
    "x-content-type-options": (SECURITY, "nosniff"),
    "referrer-policy": (SECURITY, "same-origin"),
    "cross-origin-opener-policy": (SECURITY, "same-origin"),
}


CAREFUL_HEADERS = {
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
OPTIONS = Differs(
    "OPTIONS of a page is answered in JSON, as by the other pages",
    content_type="application/json",
    body="{}",
    vary=[],
    set_cookie=[],
    headers=CAREFUL_HEADERS,
)


def no_method(method, why="A method that a page does not have is answered in DRF's words, before anything else"):
    return refusal(why, 405, f'Method "{method}" not allowed.', vary=[], set_cookie=[], headers=CAREFUL_HEADERS)
