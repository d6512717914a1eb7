"""What a permission makes of nobody, and of somebody who may not: the gateway's, and the project's own behind it."""

from support import Case, Differential, Differs, basic, get, head, options, patch, post, put
from support.rows import ALICE

TOKEN, BAD = f"Authorization: Token {ALICE}", "Authorization: Token bad"
STAFF = basic("staff", "correct horse")
NO_CHALLENGE = Differs(
    "Where the project itself refuses nobody, its one class behind the gateway has no challenge",
    status=403,
    www_authenticate=None,
)


class ReadOnly(Differential):
    """`IsAuthenticatedOrReadOnly`: three methods for everybody."""

    path, first = "/token/read/", "/session-token/read/"
    cases = [
        Case("GET", 200, get(path)),
        Case("HEAD", 200, head(path)),
        Case("OPTIONS", 200, options(path)),
        Case("POST", 401, post(path)),
        Case("method that the view does not have", 401, put(path)),
        Case("GET, bad token", 401, get(path, BAD)),
        Case("POST, bad token", 401, post(path, BAD)),
        Case("GET, token", 200, get(path, TOKEN)),
        Case("POST, token", 200, post(path, TOKEN)),
        Case("method that the view does not have, token", 405, put(path, TOKEN)),
        Case("no challenge, GET", 200, get(first)),
        Case("no challenge, POST", 403, post(first)),
        Case("no class, GET", 200, get("/no-class/read/")),
        Case("no class, POST", 403, post("/no-class/read/")),
    ]


class Staff(Differential):
    """`IsAdminUser`: nobody is asked who it is, somebody is told that he may not."""

    cases = [
        Case("nobody", 401, get("/basic/staff/")),
        Case("nobody, no challenge", 403, get("/session-basic/staff/")),
        Case("nobody, no class", 403, get("/no-class/staff/")),
        Case("somebody else", 403, get("/basic/staff/", basic("alice", "correct horse"))),
        Case("wrong password", 401, get("/basic/staff/", basic("staff", "wrong"))),
        Case("staff", 200, get("/basic/staff/", STAFF)),
        Case("method that the view does not have, somebody else", 403, patch("/token/staff/", TOKEN)),
        Case("OPTIONS, somebody else", 403, options("/token/staff/", TOKEN)),
    ]


class OfTheProject(Differential):
    """The gateway lets everybody through to it."""

    path = "/token/public/refuses/"
    cases = [
        Case("somebody", 403, get(path, TOKEN)),
        Case("somebody, in words", 403, get(path + "words/", TOKEN)),
        Case("somebody, in an object", 403, get(path + "object/", TOKEN)),
        Case("bad token", 401, get(path + "words/", BAD)),
        Case("nobody, no challenge", 403, get("/session-token/public/refuses/words/")),
        Case("nobody, no class", 403, get("/no-class/public/refuses/words/")),
        Case("nobody", 401, get(path), NO_CHALLENGE),
        Case("nobody, in words", 401, get(path + "words/"), NO_CHALLENGE),
    ]
