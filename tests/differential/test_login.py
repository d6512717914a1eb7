"""The log-in page of `rest_framework.urls`, which is Django's `LoginView`."""

from support import (
    LOGIN,
    Browser,
    Case,
    Differential,
    Differs,
    Side,
    Variant,
    cookies,
    database,
    form,
    get,
    head,
    multipart,
    on_every_database,
    options,
    post,
    raw,
    rows,
)
from support.csrf import MASKED, SECRET, TOKEN
from support.differences import NOT_FOUND, OPTIONS, no_method

RIGHT = {"username": "alice", "password": "correct horse"}


def sent(*headers, path=LOGIN, cookie=f"csrftoken={SECRET}", **fields):
    """The form as a browser sends it."""
    return form(path, f"Cookie: {cookie}", *headers, **{"csrfmiddlewaretoken": SECRET, **RIGHT, **fields})


class Page(Differential):
    token = cookies(csrftoken=SECRET), TOKEN
    cases = [
        Case("GET", 200, get(LOGIN)),
        Case("secret is kept", 200, get(LOGIN, cookies(csrftoken=SECRET))),
        Case("masked secret is kept", 200, get(LOGIN, cookies(csrftoken=MASKED))),
        Case("bad secret is replaced", 200, get(LOGIN, cookies(csrftoken="bad"))),
        Case("logged in already", 200, lambda: get(LOGIN, cookies(sessionid=rows.session(), csrftoken=SECRET))),
        Case("dead session", 200, get(LOGIN, cookies(sessionid="x" * 32))),
        Case("HEAD", 200, head(LOGIN)),
        Case("OPTIONS", 200, options(LOGIN), OPTIONS),
        Case("DELETE", 403, raw("DELETE", LOGIN), no_method("DELETE")),
        Case("PATCH", 403, raw("PATCH", LOGIN), no_method("PATCH")),
        Case("DELETE with the token", 405, raw("DELETE", LOGIN, *token), no_method("DELETE")),
        Case("PUT with the token", 200, raw("PUT", LOGIN, *token), no_method("PUT")),
        Case("without the slash", 301, get("/api-auth/login?next=/there/")),
        Case("nothing above it", 404, get("/api-auth/"), NOT_FOUND),
        Case("stale token beside", 200, get(LOGIN, "Authorization: Token stale")),
    ]

    def test_accept_of_json(self):
        """A program gets the secret without reading HTML."""

        def conversation(side):
            answer = side.send(get(LOGIN, "Accept: application/json"))
            if side.is_gateway:
                self.assertEqual(len(answer.json["csrf_token"]), 64)

        why = "A program is answered in JSON"
        self.compare(conversation, Differs(why, content_type="application/json", body='{"csrf_token":"<masked>"}'))


def going_to(value, *headers):
    return sent(*headers, next=value)


class Next(Differential):
    """Attack: a link to this log-in page that afterwards sends the user to another site, which looks like this one."""

    home = Differs("What is not plainly a path of this host is no target", location="/accounts/profile/")
    cases = [
        Case("none", 302, sent()),
        Case("empty", 302, going_to("")),
        Case("path", 302, going_to("/there/?a=b#c")),
        Case("path beyond ASCII", 302, going_to("/ä/")),
        Case("path with blanks", 302, going_to("/a b/")),
        Case("relative path", 302, going_to("there")),
        Case("relative path and query", 302, going_to("../there/?a=b:c")),
        Case("query", 302, going_to("?a=b")),
        Case("blank first, relative", 302, going_to("\u3000there"), home),
        Case("backslash in a relative path", 302, going_to("there\\"), home),
        Case("same host", 302, going_to("http://testserver/there/")),
        Case("same host in upper case", 302, going_to("http://TESTSERVER/")),
        Case("same host, https", 302, going_to("https://testserver/there/")),
        Case(
            "over https, same host, http",
            302,
            going_to("http://testserver/", "X-Forwarded-Proto: https", "Referer: https://testserver/"),
        ),
        Case(
            "over https, same host",
            302,
            going_to("https://testserver/", "X-Forwarded-Proto: https", "Referer: https://testserver/"),
        ),
        Case("other host", 302, going_to("http://evil.example/")),
        Case("other host, no scheme", 302, going_to("//evil.example/")),
        Case("three slashes", 302, going_to("///evil.example/")),
        Case("backslashes", 302, going_to("\\\\evil.example")),
        Case("slash and backslash", 302, going_to("/\\evil.example")),
        Case("user before the host", 302, going_to("http://testserver@evil.example/")),
        Case("scheme without slashes", 302, going_to("http:evil.example")),
        Case("javascript", 302, going_to("javascript:alert(1)")),
        Case("control character first", 302, going_to("\x01//evil.example")),
        Case("blank first", 302, going_to(" //evil.example")),
        Case("tab inside", 302, going_to("/\t/evil.example")),
        Case("end of line inside", 302, going_to("/there/\r\nSet-Cookie: a=b"), home),
        Case("broken address", 302, going_to("http://[::1")),
        Case("in the query string", 302, sent(path=LOGIN + "?next=/there/")),
        Case("foreign in the query string", 302, sent(path=LOGIN + "?next=//evil.example/")),
        Case("in both", 302, sent(path=LOGIN + "?next=/query/", next="/form/")),
        Case("shown on the page", 200, get(LOGIN + "?next=/there/%3Fa%3Db")),
        Case("foreign, on the page", 200, get(LOGIN + "?next=//evil.example/")),
        Case("markup, on the page", 200, get(LOGIN + "?next=/%22%3E%3Cscript%3E")),
        Case("after a wrong password", 200, sent(password="wrong", next="/there/")),
    ]


class Wrong(Differential):
    """The page again, with what was typed and what is wrong with it."""

    cases = [
        Case("wrong password", 200, sent(password="wrong")),
        Case("unknown user", 200, sent(username="nobody")),
        Case("inactive user", 200, sent(username="bob")),
        Case("unusable password", 200, sent(username="nopass")),
        Case("other case", 200, sent(username="Alice")),
        Case("password with a blank at its end", 200, sent(password="correct horse ")),
        Case("no user name", 200, sent(username="")),
        Case("no password", 200, sent(password="")),
        Case("neither", 200, sent(username="", password="")),
        Case("no fields", 200, form(LOGIN, cookies(csrftoken=SECRET), csrfmiddlewaretoken=SECRET)),
        Case("NUL in the user name", 200, sent(username="al\0ice")),
        Case("NUL in the password", 200, sent(password="correct\0horse")),
        Case("user name of 151 characters", 200, sent(username="a" * 151)),
        Case("password of 5000 characters", 200, sent(password="a" * 5000)),
        Case("markup in the user name", 200, sent(username='"><script>')),
    ]


class Json(Differential):
    """Django's form does not read JSON; the gateway's page does, for programs."""

    def test_right(self):
        def conversation(side):
            answer = side.send(post(LOGIN, cookies(csrftoken=SECRET), TOKEN, data=RIGHT))
            if side.is_gateway:
                self.assertEqual((answer.status, answer.json["username"]), (200, "alice"))
                answer = side.send(get("/session/", cookies(sessionid=answer.cookies["sessionid"])))
                self.assertEqual(answer.json["user"], "alice")
            else:
                self.assertNotIn("sessionid", answer.cookies)

        pair = self.variant.on(self.database)
        for side in (Side("Django", pair.native.port), Side("gateway", pair.gateway.port)):
            with self.subTest(side.name):
                database.reset()
                conversation(side)


class Forgery(Differential):
    """Attack: a page of another site logs the user in under the attacker's account."""

    cases = [
        Case("no cookie", 403, form(LOGIN, csrfmiddlewaretoken=SECRET, **RIGHT)),
        Case("no token", 403, form(LOGIN, cookies(csrftoken=SECRET), **RIGHT)),
        Case("wrong token", 403, sent(csrfmiddlewaretoken="b" * 32)),
        Case("token in the header", 302, form(LOGIN, cookies(csrftoken=SECRET), TOKEN, **RIGHT)),
        Case("other origin", 403, sent("Origin: http://evil.example")),
        Case("this origin", 302, sent("Origin: http://testserver")),
        Case("https without Referer", 403, sent("X-Forwarded-Proto: https")),
        Case(
            "https with Referer", 302, sent("X-Forwarded-Proto: https", "Referer: https://testserver/api-auth/login/")
        ),
        Case("no cookie, empty form", 403, post(LOGIN)),
    ]


@on_every_database
class Right(Differential):
    """What a log-in makes of the session that was there, and what it leaves in the database."""

    cases = [
        Case("no session", 302, sent()),
        Case("blanks around the user name", 302, sent(username=" alice ")),
        Case("beyond ASCII", 302, sent(username="élise", password="päss wörd")),
        Case("user name in the other normal form", 302, sent(username="e\u0301lise", password="päss wörd")),
        Case("multipart", 302, multipart(LOGIN, cookies(csrftoken=SECRET), csrfmiddlewaretoken=SECRET, **RIGHT)),
        Case("unknown session", 302, sent(cookie=f"csrftoken={SECRET}; sessionid={'x' * 32}")),
        Case("stale token beside", 302, sent("Authorization: Token stale")),
    ]

    def log_in(self, session, differs=None):
        def conversation(side):
            browser = Browser(side).keep(sessionid=session())
            answer = browser.log_in()
            self.assertEqual(answer.status, 302)
            self.assertEqual(database.sessions()[0]["key"], 32)
            side.notice("key changed", browser.cookies["sessionid"] != browser.first["sessionid"])
            side.notice("secret changed", browser.cookies["csrftoken"] != browser.token)
            browser.get("/session/")

        self.compare(conversation, differs)

    def test_from_an_anonymous_session(self):
        """Attack: the attacker plants a session key in the user's browser and waits for the log-in (fixation)."""
        self.log_in(lambda: rows.session(None, basket=[1, "ä"]))

    def test_from_a_session_that_ends_on_a_date(self):
        self.log_in(lambda: rows.session(None, _session_expiry="2099-01-01T00:00:00+00:00"))

    def test_again_as_the_same_user(self):
        """Attack: whoever has copied the key keeps the session of the user who logs in once more."""
        why = "A log-in makes a new key (ASVS 7.2.4), and the old one ends"
        more = ["expires=<now + Max-Age>", "Max-Age=31449600", "Path=/", "SameSite=Lax"]
        new = ("csrftoken", "<32 of A-Z a-z 0-9>", more), (
            "sessionid", "<32 of a-z 0-9>", [more[0], "HttpOnly", "Max-Age=1209600", *more[2:]],
        )  # fmt: skip
        differs = {1: Differs(why, set_cookie=list(new)), 2: Differs(why, **{"key changed": True})}
        self.log_in(lambda: rows.session("alice", basket=[1]), differs)

    def test_as_another_user(self):
        self.log_in(lambda: rows.session("staff", basket=[1]))

    def test_from_a_session_whose_password_has_changed(self):
        self.log_in(lambda: rows.session(_auth_user_hash="0" * 64, basket=[1]))

    def test_from_an_expired_session(self):
        user = [("_auth_user_backend", rows.MODEL_BACKEND), ("_auth_user_hash", True), ("_auth_user_id", "1")]
        ours = {"sessions": [{"key": 32, "expires": 20160, "data": user}]}
        differs = Differs("The row that the browser leaves is deleted, though it is expired already", database=ours)
        self.log_in(lambda: rows.session(None, age=-1, basket=[1]), differs)

    def test_from_a_session_with_its_own_age(self):
        self.log_in(lambda: rows.session(None, _session_expiry=60))

    def test_from_a_session_that_ends_with_the_browser(self):
        self.log_in(lambda: rows.session(None, _session_expiry=0))

    def test_page_and_form(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in()
            browser.get("/session/")

        self.compare(conversation)

    def test_outdated_hash(self):
        """It is upgraded first: the session holds the hash of the new one, and others end."""

        def conversation(side):
            rows.change(password=rows.hashed("correct horse", 999))
            other = rows.session()
            browser = Browser(side)
            browser.log_in()
            browser.get("/session/")
            side.send(get("/session/", cookies(sessionid=other)))

        self.compare(conversation)


class KeptKey(Right):
    """`new_key_on_every_login: false` is Django's rule."""

    variant = Variant({}, "session: { new_key_on_every_login: false }\n")

    def test_again_as_the_same_user(self):
        self.log_in(lambda: rows.session("alice", basket=[1]))


class Redirect(Differential):
    variant = Variant(
        {"LOGIN_REDIRECT_URL": "/welcome/", "LOGOUT_REDIRECT_URL": "/bye/"},
        "session: { login_redirect: /welcome/, logout_redirect: /bye/ }\n",
    )
    cases = [
        Case("login", 302, sent()),
        Case("login with next", 302, sent(next="/there/")),
        Case(
            "logout",
            302,
            lambda: form(
                "/api-auth/logout/", cookies(csrftoken=SECRET, sessionid=rows.session()), csrfmiddlewaretoken=SECRET
            ),
        ),
    ]
