"""The log-out page of `rest_framework.urls`, which is Django's `LogoutView`."""

from support import (
    LOGOUT,
    Case,
    Differential,
    Differs,
    cookies,
    form,
    get,
    head,
    on_every_database,
    options,
    post,
    raw,
    rows,
    use_after_log_out,
)
from support.csrf import SECRET, TOKEN
from support.differences import OPTIONS, no_method


def sent(*headers, path=LOGOUT, session=rows.session, **fields):
    fields = {"csrfmiddlewaretoken": SECRET, **fields}
    return lambda: form(path, cookies(csrftoken=SECRET, sessionid=session()), *headers, **fields)


@on_every_database
class Logout(Differential):
    """The row goes and so does the cookie; the CSRF cookie stays."""

    cases = [
        Case("logged in", 200, sent()),
        Case("anonymous session", 200, sent(session=lambda: rows.session(None, basket=[1]))),
        Case("unknown session", 200, sent(session=lambda: "x" * 32)),
        Case("no session", 200, form(LOGOUT, cookies(csrftoken=SECRET), csrfmiddlewaretoken=SECRET)),
        Case(
            "token in the header",
            200,
            lambda: post(LOGOUT, cookies(csrftoken=SECRET, sessionid=rows.session()), TOKEN),
        ),
        Case("inactive user", 200, sent(session=lambda: rows.session("bob"))),
    ]

    def test_replayed(self):
        """Attack: the cookie that was copied before the log-out is used after it."""
        self.compare(use_after_log_out)

    def test_other_sessions_stay(self):
        def conversation(side):
            other = rows.session()
            side.send(sent()())
            side.send(get("/session/", cookies(sessionid=other)))

        self.compare(conversation)


class Refused(Differential):
    """Attack: a picture or a form on another site logs the user out."""

    no_body = Differs(**{"why": no_method("HEAD").why, **no_method("HEAD").parts, "body": "", "length": "41"})
    cases = [
        Case("GET", 405, lambda: get(LOGOUT, cookies(sessionid=rows.session())), no_method("GET")),
        Case("HEAD", 405, lambda: head(LOGOUT, cookies(sessionid=rows.session())), no_body),
        Case("OPTIONS", 200, lambda: options(LOGOUT, cookies(sessionid=rows.session())), OPTIONS),
        Case("no token", 403, sent(csrfmiddlewaretoken="")),
        Case("wrong token", 403, sent(csrfmiddlewaretoken="b" * 32)),
        Case(
            "no CSRF cookie", 403, lambda: form(LOGOUT, cookies(sessionid=rows.session()), csrfmiddlewaretoken=SECRET)
        ),
        Case("other origin", 403, sent("Origin: http://evil.example")),
        Case(
            "PUT with the token",
            405,
            lambda: raw("PUT", LOGOUT, cookies(csrftoken=SECRET, sessionid=rows.session()), TOKEN),
            no_method("PUT"),
        ),
        Case("without the slash", 301, sent(path="/api-auth/logout")),
    ]


class Next(Differential):
    cases = [
        Case("path", 302, sent(next="/there/")),
        Case("same host", 302, sent(next="http://testserver/there/")),
        Case("other host", 200, sent(next="http://evil.example/")),
        Case("other host, no scheme", 200, sent(next="//evil.example/")),
        Case("itself", 200, sent(next=LOGOUT)),
        Case("empty", 200, sent(next="")),
        Case("in the query string", 302, sent(path=LOGOUT + "?next=/there/")),
        Case(
            "foreign in the query string",
            302,
            sent(path=LOGOUT + "?next=//evil.example/"),
            Differs(
                "Django sends the browser to this page once more, which it can only POST to",
                status=200,
                location=None,
            ),
        ),
    ]
