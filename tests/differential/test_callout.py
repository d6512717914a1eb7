"""A scheme of a project's own: a class before Django, and for the gateway a service that says what the class does."""

from support import Case, Differential, Differs, get, head, post, refusal
from support.differences import CAREFUL_HEADERS
from support.rows import ALICE

TOKEN, BAD = f"Authorization: Token {ALICE}", "Authorization: Token bad"
INCORRECT = '{"detail":"Incorrect authentication credentials."}'
UNFORESEEN = refusal(
    "A service that fails is down, and may be up soon; Django's page of an error is for developers",
    503,
    "The service is temporarily unavailable.",
    vary=["accept"],
    allow="GET, POST, HEAD, OPTIONS",
    headers={**CAREFUL_HEADERS, "retry-after": "<0 s>"},
)
NAMELESS = Differs(
    "A service that has found credentials and does not say whose they are is at fault", **UNFORESEEN.parts
)
NO_TEXT = Differs("A refusal that says nothing is DRF's own", body=INCORRECT)
LONG_TEXT = Differs("Refusals are remembered: longer ones than 1024 bytes would fill the memory", body=INCORRECT)


def said(text, path="/custom/", *headers, send=get):
    return send(path, f"X-Custom: {text}", *headers)


def alone(path, refused):
    """Cases of this scheme and no other: it refuses with this status."""
    public = f"{path}public/"
    return [
        Case("user", 200, said("alice", path)),
        Case("no header", refused, get(path)),
        Case("None", refused, said("none", path)),
        Case("no header where anyone may", 200, get(public)),
        Case("None where anyone may", 200, said("none", public)),
        Case("failed", refused, said("fail", path)),
        Case("failed where anyone may", refused, said("fail", public)),
        Case("failed with a text", refused, said("text", path)),
        Case("failed with a text where anyone may", refused, said("text", public)),
        Case("failed with an empty text", refused, said("empty", path), NO_TEXT),
        Case("failed with 1024 characters", refused, said("1024", path)),
        Case("failed with 1025 characters", refused, said("1025", path), LONG_TEXT),
        Case("failed with an empty object", refused, said("dict-empty", path), NO_TEXT),
        Case("failed with an empty list", refused, said("list-empty", path), NO_TEXT),
        Case("not authenticated", refused, said("nobody", path)),
        Case("not authenticated where anyone may", refused, said("nobody", public)),
        Case("not authenticated, with a text", refused, said("nobody-text", path)),
        Case("error", 500, said("error", path), UNFORESEEN),
        Case("error where anyone may", 500, said("error", public), UNFORESEEN),
        Case("error of DRF's", 500, said("api-error", path), UNFORESEEN),
        Case("not available", 503, said("down", path), UNFORESEEN),
        Case("not found", 404, said("not-found", path), UNFORESEEN),
        Case("not valid", 400, said("invalid", path), UNFORESEEN),
        Case("not to be parsed", 400, said("unreadable", path), UNFORESEEN),
        Case("nobody's credentials", 403, said("nameless", path), NAMELESS),
        Case("nobody's credentials where anyone may", 200, said("nameless", public), NAMELESS),
        Case("HEAD", 200, said("alice", path, send=head)),
        Case("HEAD, failed", refused, said("text", path, send=head)),
        Case("POST: no CSRF check", 200, said("alice", path, send=post)),
    ]


class WithoutChallenge(Differential):
    cases = alone("/custom/", 403)


class WithChallenge(Differential):
    cases = alone("/challenged/", 401)


class Several(Differential):
    """In order, until one knows the user or refuses. The first alone says what the status is."""

    cases = [
        Case("None, then a token", 200, said("none", "/custom-token/", TOKEN)),
        Case("None, then a bad token", 403, said("none", "/custom-token/", BAD)),
        Case("None, then nothing", 403, said("none", "/custom-token/")),
        Case("failed before a good token", 403, said("fail", "/custom-token/", TOKEN)),
        Case("user before a bad token", 200, said("staff", "/custom-token/", BAD)),
        Case("user before another user's token", 200, said("staff", "/custom-token/", TOKEN)),
        Case("challenge, None, then a bad token", 401, said("none", "/challenged-token/", BAD)),
        Case("challenge, None, then a token", 200, said("none", "/challenged-token/", TOKEN)),
        Case("token before a failure", 200, said("fail", "/token-custom/", TOKEN)),
        Case("bad token before a user", 401, said("alice", "/token-custom/", BAD)),
        Case("no token, then a user", 200, said("alice", "/token-custom/")),
        Case("no token, then a failure", 401, said("text", "/token-custom/")),
        Case("no token, then None", 401, said("none", "/token-custom/")),
    ]


def both(custom, other, path="/custom-other/"):
    """The first has no challenge, and the other has one."""
    return get(path, f"X-Custom: {custom}", f"X-Other: {other}")


class TwoOfThem(Differential):
    cases = [
        Case("failed, None", 403, both("fail", "none")),
        Case("None, failed", 403, both("none", "fail")),
        Case("None, None", 403, both("none", "none")),
        Case("None, user", 200, both("none", "alice")),
        Case("user, failed", 200, both("alice", "fail")),
        Case("user, another user", 200, both("alice", "staff")),
        Case("failed, user", 403, both("fail", "alice")),
        Case("with a challenge: None, failed", 401, both("fail", "none", "/other-custom/")),
        Case("with a challenge: failed, None", 401, both("none", "fail", "/other-custom/")),
        Case("with a challenge: failed, user", 401, both("alice", "fail", "/other-custom/")),
        Case("with a challenge: user, failed", 200, both("fail", "alice", "/other-custom/")),
    ]
