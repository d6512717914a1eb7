"""`SESSION_ENGINE` signed_cookies: the cookie is the session, signed and with its time."""

from unittest import mock

from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing

from support import Browser, Case, Differential, Differs, Variant, cookies, get, rows, use_after_log_out
from support.tokens import now

ENGINE = "django.contrib.sessions.backends.signed_cookies"
AGE = 1209600


def signed(change=lambda data: data, *, salt=ENGINE, key=None, age=0, username="alice"):
    """alice's session as the engine writes it, `age` seconds ago."""
    data = change(rows.session_data(username))
    with mock.patch("django.core.signing.time.time", return_value=now() - age):
        return signing.dumps(data, key=key, salt=salt, serializer=JSONSerializer, compress=True)


def using(**changes):
    return lambda: get("/session/", cookies(sessionid=signed(**changes)))


class SignedCookies(Differential):
    variant = Variant({"SESSION_ENGINE": ENGINE}, "session: { engine: signed_cookies }\n")
    no_cookie = Differs("Django puts an empty session in the place of a bad one; here there is none", set_cookie=[])
    cases = [
        Case("valid", 200, using()),
        Case("long, compressed", 200, using(change=lambda data: data | {"basket": "x" * 1000})),
        Case("no cookie", 403, get("/session/")),
        Case("empty", 403, get("/session/", cookies(sessionid=""))),
        Case("rubbish", 403, get("/session/", cookies(sessionid="a:b:c"))),
        Case("key of a row", 403, lambda: get("/session/", cookies(sessionid=rows.session())), no_cookie),
        Case("nobody logged in", 403, using(change=lambda data: {"k": "v"})),
        Case("empty session", 403, using(change=lambda data: {})),
        Case("inactive user", 403, using(username="bob")),
        Case("wrong hash", 403, using(change=lambda data: data | {"_auth_user_hash": "0" * 64})),
        Case("almost too old", 200, using(age=AGE - 60)),
        Case("too old", 403, using(age=AGE + 60), no_cookie),
        Case("from the future", 200, using(age=-3600)),
        Case("own age, over", 200, using(change=lambda data: data | {"_session_expiry": 60}, age=120)),
        Case("own age, negative", 200, using(change=lambda data: data | {"_session_expiry": -60})),
        Case("other purpose", 403, using(salt="django.contrib.sessions.SessionStore"), no_cookie),
        Case("other key", 403, using(key="never-a-key-of-this-project-0123456789"), no_cookie),
    ]

    def test_tampered(self):
        """Attack: the user changes the data, which they hold."""

        def conversation(side):
            payload, rest = signed().split(":", 1)
            for changed in (payload[:-1] + ":" + rest, payload + ":" + rest[:-1], "e30:" + rest):
                side.send(get("/session/", cookies(sessionid=changed)))

        self.compare(conversation, dict.fromkeys(range(3), self.no_cookie))

    def test_password_changed(self):
        def conversation(side):
            request = using()()
            rows.set_password("alice", "another")
            side.send(request)

        self.compare(conversation)

    def test_log_in_and_out(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in()
            browser.get("/session/")
            browser.get("/api-auth/login/")
            browser.log_out()

        self.compare(conversation)

    def test_replayed_after_the_log_out(self):
        """Attack: a copied cookie. Nothing on the server can end it, in Django as here."""
        self.compare(use_after_log_out)
