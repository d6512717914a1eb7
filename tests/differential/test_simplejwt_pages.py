"""`TokenObtainPairView` and `TokenVerifyView`, and what the four pages have in common."""

from support import (
    Case,
    Differential,
    Differs,
    bearer,
    form,
    get,
    head,
    multipart,
    on_every_database,
    options,
    post,
    raw,
    rows,
    tokens,
)
from support.differences import NOT_FOUND
from support.tokens import ABSENT, access, after, refresh, sliding

OBTAIN, VERIFY = "/api/token/", "/api/token/verify/"
RIGHT = {"username": "alice", "password": "correct horse"}
WRONG = {"username": "alice", "password": "wrong"}


def obtain(data, *headers):
    return post(OBTAIN, *headers, data=data)


def alice(**changes):
    return obtain({**RIGHT, **changes})


def verify(make=access, **changes):
    return lambda: post(VERIFY, data={"token": make(**changes)})


def token(value):
    return post(VERIFY, data={"token": value})


@on_every_database
class Obtain(Differential):
    """A password for a refresh and an access token; the refresh token is recorded."""

    cases = [
        Case("right", 200, obtain(RIGHT)),
        Case("form", 200, form(OBTAIN, **RIGHT)),
        Case("multipart", 200, multipart(OBTAIN, **RIGHT)),
        Case("beyond ASCII", 200, obtain({"username": "élise", "password": "päss wörd"})),
        Case("wrong password", 401, alice(password="wrong")),
        Case("unknown user", 401, alice(username="nobody")),
        Case("inactive user", 401, alice(username="bob")),
        Case("unusable password", 401, alice(username="nopass")),
        Case("blanks around the user name", 200, alice(username=" alice ")),
        Case("blanks around the password", 200, alice(password=" correct horse ")),
    ]

    def test_password_that_ends_in_a_blank(self):
        def conversation(side):
            rows.set_password("alice", "correct horse ")
            side.send(alice(password="correct horse "))

        self.compare(conversation)

    def test_tokens_open_the_api(self):
        def conversation(side):
            answer = side.send(obtain(RIGHT))
            side.send(get("/jwt/", bearer(answer.json["access"])))
            side.send(get("/jwt/", bearer(answer.json["refresh"])))

        self.compare(conversation)

    def test_outdated_hash_is_upgraded(self):
        def conversation(side):
            rows.change(password=rows.hashed("correct horse", 999))
            side.send(obtain(RIGHT))

        self.compare(conversation)


class Body(Differential):
    cases = [
        Case("user name in another case", 401, alice(username="Alice")),
        Case("nothing", 400, obtain(b"")),
        Case("empty object", 400, obtain({})),
        Case("user name missing", 400, obtain({"password": "x"})),
        Case("password missing", 400, obtain({"username": "alice"})),
        Case("empty strings", 400, alice(username="", password="")),
        Case("blanks", 400, alice(username=" ", password=" ")),
        Case("null", 400, alice(username=None, password=None)),
        Case("true", 400, alice(username=True, password=True)),
        Case("lists", 400, alice(username=[], password=[])),
        Case("numbers are text", 401, alice(username=12, password=1.5)),
        Case("a list", 400, obtain([])),
        Case("a string", 400, obtain("x")),
        Case("null alone", 400, obtain(b"null")),
        Case("NUL in the user name", 400, alice(username="a\0")),
        Case("NUL in the password", 400, alice(password="a\0")),
        Case("lone surrogate", 400, obtain(b'{"username":"a\\ud800","password":"b"}')),
        Case("malformed JSON", 400, obtain(b"{")),
        Case("byte that is not UTF-8", 400, obtain(b'{"username":"\xff"}')),
        Case("text", 415, post(OBTAIN, "Content-Type: text/plain", data=b"{}")),
        Case("no content type", 415, raw("POST", OBTAIN, body=b"{}")),
        Case("verify, malformed JSON", 400, post(VERIFY, data=b"{")),
        Case("verify, a list", 400, post(VERIFY, data=[])),
        Case("refresh, a list", 400, post("/api/token/refresh/", data=[])),
        Case("blacklist, a list", 400, post("/api/token/blacklist/", data=[])),
    ]


class NoAuthentication(Differential):
    """Attack on nobody but the user: a dead token in the client would block the log-in. These pages read none."""

    cases = [
        Case("expired token beside", 200, lambda: obtain(RIGHT, bearer(access(exp=after(-1))))),
        Case("garbage beside", 200, obtain(RIGHT, bearer("x"))),
        Case("stale token of DRF beside", 200, obtain(RIGHT, "Authorization: Token stale")),
        Case("session without a CSRF token beside", 200, lambda: obtain(RIGHT, f"Cookie: sessionid={rows.session()}")),
        Case("dead session beside", 200, obtain(RIGHT, f"Cookie: sessionid={'x' * 32}")),
        Case("other origin", 200, obtain(RIGHT, "Origin: http://evil.example")),
    ]


class Around(Differential):
    compact = Differs(
        "The gateway's pages have compact JSON for everybody who takes JSON or HTML",
        content_type="application/json",
        body='{"detail":"No active account found with the given credentials"}',
        vary=["accept"],
        set_cookie=[],
    )
    cases = [
        Case("format of JSON, Accept of HTML", 406, post(OBTAIN + "?format=json", "Accept: text/html", data=RIGHT)),
        Case("unknown format, Accept of XML", 404, post(OBTAIN + "?format=zzz", "Accept: application/xml", data=RIGHT)),
        *(
            Case(f"GET {path}", 405, get(path))
            for path in (OBTAIN, VERIFY, "/api/token/refresh/", "/api/token/blacklist/")
        ),
        *(
            Case(f"OPTIONS {path}", 200, options(path))
            for path in (OBTAIN, VERIFY, "/api/token/refresh/", "/api/token/blacklist/")
        ),
        Case("HEAD", 405, head(OBTAIN)),
        Case("PUT", 405, raw("PUT", OBTAIN)),
        Case("Accept of XML", 406, obtain(RIGHT, "Accept: application/xml")),
        Case("empty Accept", 406, obtain(RIGHT, "Accept:")),
        Case("Accept of any application", 200, obtain(RIGHT, "Accept: application/*")),
        Case("quality is ignored", 200, obtain(RIGHT, "Accept: text/html;q=0.1, application/json")),
        Case("quality of 0", 200, obtain(RIGHT, "Accept: application/json;q=0, text/html;q=1")),
        Case("unknown format", 404, post(OBTAIN + "?format=zzz", data=RIGHT)),
        Case("format", 200, post(OBTAIN + "?format=json", data=RIGHT)),
        Case("without the slash", 301, post("/api/token", data=RIGHT)),
        Case("refresh without the slash", 301, post("/api/token/refresh", data={})),
        Case("unknown below", 404, post("/api/token/nowhere/", data={}), NOT_FOUND),
        Case("Accept indented", 401, post(OBTAIN, "Accept: application/json; indent=4", data=WRONG), compact),
        Case("Accept of HTML", 401, post(OBTAIN, "Accept: text/html", data=WRONG), compact),
    ]


class Verify(Differential):
    """Signature, `exp`, `jti`: nothing about users, types or the blacklist."""

    cases = [
        Case("access", 200, verify()),
        Case("refresh", 200, verify(refresh)),
        Case("sliding", 200, verify(sliding)),
        Case("no type", 200, verify(token_type=ABSENT)),
        Case("inactive user", 200, verify(user_id="2")),
        Case("unknown user", 200, verify(user_id="99")),
        Case("no user", 200, verify(user_id=ABSENT)),
        Case("blanks around", 200, lambda: token(f" {access()} ")),
        Case("garbage", 401, token("garbage")),
        Case("number", 401, token(1)),
        Case("beyond ASCII", 401, token("é")),
        Case("wrong signature", 401, lambda: token(tokens.token("access", key="x" * 48))),
        Case("expired", 401, verify(exp=after(-1))),
        Case("no exp", 401, verify(exp=ABSENT)),
        Case("no jti", 401, verify(jti=ABSENT)),
        Case("not yet", 401, verify(nbf=after(300))),
        Case("missing", 400, post(VERIFY, data={})),
        Case("blank", 400, token("")),
        Case("null", 400, token(None)),
        Case("a list", 400, token([])),
        Case("form", 200, lambda: form(VERIFY, token=access())),
        Case("NUL", 400, token("a\0")),
    ]

    def test_blacklisted(self):
        def conversation(side):
            one = refresh()
            side.send(post("/api/token/blacklist/", data={"refresh": one}))
            side.send(token(one))

        self.compare(conversation)
