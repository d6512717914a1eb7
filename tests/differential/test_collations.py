"""MariaDB's usual collations find `alice` for `ALICE`, and `élise` for `elise`: Django lets in whom they find."""

import test_remote_user
from support import Case, Differential, Differs, basic, cookies, database, get, post, refusal, rows
from support.rows import ALICE
from test_login import sent

PASSWORD = "correct horse"
WHY = "A name or a key in another spelling is another one, whatever the database makes of it"


def refused(status, detail, challenge=None, **parts):
    return refusal(WHY, status, detail, challenge, **parts)


WRONG = refused(401, "Invalid username/password.", 'Basic realm="api"')
NOBODY = "Authentication credentials were not provided."


class Spelling(Differential):
    database = "mariadb"
    over = ("sessionid", '""', ["expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0", "Path=/", "SameSite=Lax"])
    cases = [
        Case("Basic, upper case", 200, get("/basic/", basic("ALICE", PASSWORD)), WRONG),
        Case("Basic, accent left out", 200, get("/basic/", basic("elise", "päss wörd")), WRONG),
        Case("Basic, blank at the end", 200, get("/basic/", basic("alice ", PASSWORD)), WRONG),
        Case("Basic, other normal form", 401, get("/basic/", basic("e\u0301lise", "päss wörd"))),
        Case(
            "token, upper case",
            200,
            get("/token/", f"Authorization: Token {ALICE.upper()}"),
            refused(401, "Invalid token.", "Token"),
        ),
        Case(
            "session, upper case",
            200,
            lambda: get("/session/", cookies(sessionid=rows.session().upper())),
            refused(403, NOBODY, set_cookie=[over]),
        ),
    ]


class Pages(Differential):
    database = "mariadb"
    loud = {"username": "ALICE", "password": PASSWORD}
    kept = [("csrftoken", "<as sent>", ["expires=<now + Max-Age>", "Max-Age=31449600", "Path=/", "SameSite=Lax"])]
    hidden = [("csrfmiddlewaretoken", "hidden", "<masked>"), ("next", "hidden", "")]
    again = {
        "forms": [("post", "/api-auth/login/")],
        "inputs": [*hidden, ("username", "text", "ALICE"), ("password", "password", "")],
        "says": ["Please enter a correct username and password. Note that both fields may be case-sensitive."],
    }
    cases = [
        Case(
            "obtain token",
            200,
            post("/api-token-auth/", data=loud),
            refused(400, {"non_field_errors": ["Unable to log in with provided credentials."]}),
        ),
        Case(
            "obtain JWT",
            200,
            post("/api/token/", data=loud),
            refused(
                401,
                "No active account found with the given credentials",
                'Bearer realm="api"',
                database={"outstanding": []},
            ),
        ),
    ]

    def test_log_in_page(self):
        differs = Differs(
            WHY,
            status=200,
            location=None,
            content_type="text/html; charset=utf-8",
            set_cookie=self.kept,
            body=self.again,
            database=lambda: database.untouched() | {"sessions": []},
        )
        self.compare(lambda side: side.send(sent(username="ALICE")), differs)


class Remote(Differential):
    database = "mariadb"
    variant = test_remote_user.Known.variant
    cases = [Case("upper case", 200, test_remote_user.named("ALICE"), refused(403, NOBODY))]
