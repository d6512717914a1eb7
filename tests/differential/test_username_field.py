"""`USERNAME_FIELD` is the email address: what users call themselves is looked up there, and pages name it so."""

from support import LOGIN, Browser, Case, Differential, Variant, basic, cookies, get, post, rows
from support.rows import ALICE
from support.tokens import access

EMAIL, PASSWORD = "alice@example.com", "correct horse"
OBTAIN, JWT, SLIDING, KNOX = "/api-token-auth/", "/api/token/", "/api/sliding/", "/api/auth/"


class UsernameField(Differential):
    variant = Variant(username_field="email")
    cases = [
        Case("Basic", 200, get("/basic/", basic(EMAIL, PASSWORD))),
        Case("Basic, wrong password", 401, get("/basic/", basic(EMAIL, "wrong"))),
        Case("Basic, user name", 401, get("/basic/", basic("alice", PASSWORD))),
        Case("Basic, other letter case", 401, get("/basic/", basic(EMAIL.upper(), PASSWORD))),
        Case("token", 200, get("/token/", f"Authorization: Token {ALICE}")),
        Case("session", 200, lambda: get("/session/", cookies(sessionid=rows.session()))),
        Case("JWT", 200, lambda: get("/jwt/", f"Authorization: Bearer {access()}")),
        Case("knox", 200, lambda: get("/knox/", f"Authorization: Token {rows.knox()}")),
        Case("obtain JWT", 200, post(JWT, data={"email": EMAIL, "password": PASSWORD})),
        Case("obtain JWT, the other field", 400, post(JWT, data={"username": EMAIL, "password": PASSWORD})),
        Case("obtain JWT, user name", 401, post(JWT, data={"email": "alice", "password": PASSWORD})),
        Case("obtain JWT, both missing", 400, post(JWT, data={})),
        Case("obtain sliding", 200, post(SLIDING, data={"email": EMAIL, "password": PASSWORD})),
        Case("obtain sliding, missing", 400, post(SLIDING, data={})),
        Case("obtain token", 200, post(OBTAIN, data={"username": EMAIL, "password": PASSWORD})),
        Case("obtain token, the other field", 400, post(OBTAIN, data={"email": EMAIL, "password": PASSWORD})),
        Case("obtain token, user name", 400, post(OBTAIN, data={"username": "alice", "password": PASSWORD})),
        Case("knox log-in", 200, post(KNOX + "login/", f"Authorization: Token {ALICE}")),
    ]

    def test_log_in(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in(EMAIL)
            browser.get("/session/")
            browser.get(LOGIN)

        self.compare(conversation)
