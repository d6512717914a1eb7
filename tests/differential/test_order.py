"""Which class of a list answers, and whether with 401 or 403: the first class decides, not the one that fails."""

from support import Case, Differential, basic, bearer, cookies, get, rows, tokens
from support.rows import ALICE, BOB

TOKEN = f"Authorization: Token {ALICE}"
BASIC = basic("alice", "correct horse")
BAD_TOKEN = "Authorization: Token bad"
BAD_BASIC = basic("alice", "wrong")


def in_session(path, *headers, username="alice"):
    return lambda: get(path, cookies(sessionid=rows.session(username)), *headers)


class Anonymous(Differential):
    cases = [
        Case("session, token", 403, get("/session-token/")),
        Case("token, session", 401, get("/token-session/")),
        Case("session, basic", 403, get("/session-basic/")),
        Case("basic, session", 401, get("/basic-session/")),
        Case("basic, token", 401, get("/basic-token/")),
        Case("token, basic", 401, get("/token-basic/")),
        Case("session, jwt", 403, get("/session-jwt/")),
        Case("jwt, session", 401, get("/jwt-session/")),
        Case("jwt, token", 401, get("/jwt-token/")),
        Case("token, jwt", 401, get("/token-jwt/")),
        Case("knox, basic", 401, get("/knox-basic/")),
        Case("no class", 403, get("/no-class/")),
        Case("no class, anyone may", 200, get("/no-class/public/")),
        Case("the project's default", 403, get("/api/me/")),
        Case("the project's default, anyone may", 200, get("/api/public/")),
        Case("staff only", 403, get("/api/staff/")),
        Case("a view without Django REST framework", 200, get("/plain/me/")),
    ]


class Refused(Differential):
    """A class that finds bad credentials of its own ends the search, whatever comes after it."""

    cases = [
        Case("session, bad token", 403, get("/session-token/", BAD_TOKEN)),
        Case("bad token, session", 401, get("/token-session/", BAD_TOKEN)),
        Case("bad token, good session", 401, in_session("/token-session/", BAD_TOKEN)),
        Case("session, bad basic", 403, get("/session-basic/", BAD_BASIC)),
        Case("bad basic, good session", 401, in_session("/basic-session/", BAD_BASIC)),
        Case("basic, bad token", 401, get("/basic-token/", BAD_TOKEN)),
        Case("token, bad basic", 401, get("/token-basic/", BAD_BASIC)),
        Case("inactive user's token, session first", 403, get("/session-token/", f"Authorization: Token {BOB}")),
        Case("session, bad jwt", 403, get("/session-jwt/", bearer("x"))),
        Case("bad jwt, session", 401, get("/jwt-session/", bearer("x"))),
        Case("bad jwt, good session", 401, in_session("/jwt-session/", bearer("x"))),
        Case("token, bad jwt", 401, get("/token-jwt/", bearer("x"))),
        Case("jwt, bad token", 401, get("/jwt-token/", BAD_TOKEN)),
        Case("knox, bad basic", 401, get("/knox-basic/", BAD_BASIC)),
        Case("no class, bad token", 403, get("/no-class/", BAD_TOKEN)),
        Case("bad token where anyone may", 403, get("/session-token/public/", BAD_TOKEN)),
        Case("bad basic where anyone may, default classes", 403, get("/api/public/", BAD_BASIC)),
    ]


class Accepted(Differential):
    cases = [
        Case("session, token", 200, get("/session-token/", TOKEN)),
        Case("token, session", 200, in_session("/token-session/")),
        Case("basic, token", 200, get("/basic-token/", TOKEN)),
        Case("token, basic", 200, get("/token-basic/", BASIC)),
        Case("session, basic", 200, get("/session-basic/", BASIC)),
        Case("session, jwt", 200, lambda: get("/session-jwt/", bearer(tokens.access()))),
        Case("jwt, session", 200, in_session("/jwt-session/")),
        Case("jwt, token", 200, get("/jwt-token/", TOKEN)),
        Case("knox, basic", 200, get("/knox-basic/", BASIC)),
        Case("session before a bad token", 200, in_session("/session-token/", BAD_TOKEN)),
        Case("session before another user's token", 200, in_session("/session-token/", TOKEN, username="staff")),
        Case("token before another user's session", 200, in_session("/token-session/", TOKEN, username="staff")),
        Case("dead session, good token", 200, get("/session-token/", cookies(sessionid="x" * 32), TOKEN)),
        Case("no class, good token", 403, get("/no-class/", TOKEN)),
        Case("no class, good token where anyone may", 200, get("/no-class/public/", TOKEN)),
        Case("staff", 200, get("/api/staff/", basic("staff", "correct horse"))),
        Case("staff only, somebody else", 403, get("/api/staff/", TOKEN)),
    ]
