"""Using a session: what is read from the cookie, what its row must hold, and when the cookie is deleted."""

from support import (
    Case,
    Differential,
    Differs,
    Variant,
    cookies,
    database,
    get,
    head,
    on_every_database,
    options,
    refusal,
    rows,
)

PATH = "/session/"
UNKNOWN = "z" * 32


def using(key):
    return get(PATH, cookies(sessionid=key))


def unreadable(**parts):
    return refusal(
        "Django fails with 500 over a session that none of its own code writes; here it is nobody's",
        403,
        "Authentication credentials were not provided.",
        **{"allow": "GET, POST, HEAD, OPTIONS", "vary": ["accept", "cookie"], **parts},
    )


def session(*arguments, **changes):
    """A request with the session that these arguments make."""
    return lambda: using(rows.session(*arguments, **changes))


@on_every_database
class Validity(Differential):
    """The chain from the cookie to the user."""

    cases = [
        Case("valid", 200, session()),
        Case("valid, another user", 200, session("élise")),
        Case("no cookie", 403, get(PATH)),
        Case("empty cookie", 403, using("")),
        Case("unknown key", 403, using(UNKNOWN)),
        Case("key shorter than 8", 403, using("abc1234")),
        Case("key of 40", 403, using("a" * 40)),
        Case("key of 100", 403, using("a" * 100)),
        Case("expired", 403, session(age=-1)),
        Case("about to expire", 200, session(age=60)),
        Case("nobody logged in", 403, session(None)),
        Case("other data beside", 200, session(basket=["ä", 1])),
        Case("inactive user", 403, session("bob")),
        Case("backend not configured", 403, session(backend="elsewhere.Backend")),
        Case("no backend", 403, session(_auth_user_backend="")),
        Case("user id that is not a number", 500, session(_auth_user_id="abc"), unreadable()),
        Case("user id without a user", 403, session(_auth_user_id="99")),
        Case("no hash", 403, lambda: using(rows.session_without("_auth_user_hash"))),
        Case("wrong hash", 403, session(_auth_user_hash="0" * 64)),
    ]

    def test_password_changed(self):
        def conversation(side):
            request = using(rows.session())
            side.send(request)
            rows.set_password("alice", "another")
            side.send(request)
            side.send(request)

        self.compare(conversation)

    def test_user_inactive_and_active_again(self):
        def conversation(side):
            request = using(rows.session())
            for active in (False, True):
                rows.change(is_active=active)
                side.send(request)

        self.compare(conversation)

    def test_user_deleted(self):
        def conversation(side):
            key = rows.session("nopass")
            rows.delete_user("nopass")
            side.send(using(key))

        self.compare(conversation)


class Tampered(Differential):
    """Attack: who can write the table, or guess at it, changes the data of a session."""

    cases = [
        Case(
            "user id changed",
            403,
            lambda: using(rows.tampered(lambda data: data[:-1] + ("A" if data[-1] != "A" else "B"))),
        ),
        Case("signature missing", 403, lambda: using(rows.tampered(lambda data: data.rpartition(":")[0]))),
        Case("empty", 403, lambda: using(rows.tampered(lambda data: ""))),
        Case("not signed at all", 403, lambda: using(rows.tampered(lambda data: "eyJfYXV0aF91c2VyX2lkIjoiMSJ9"))),
        Case(
            "payload of another session",
            403,
            lambda: using(rows.tampered(lambda data: "e30" + data[data.index(":") :])),
        ),
        Case("signed with another key", 403, lambda: using(rows.signed_with("another-key-another-key-another-key"))),
        Case("signed for another purpose", 403, lambda: using(rows.signed_with(salt="django.core.signing"))),
        Case("JSON that is no object", 500, lambda: using(rows.signed_data(lambda data: [1])), unreadable()),
        Case("long data, compressed", 200, session(basket="x" * 5000)),
    ]


class Cookie(Differential):
    """How Django reads the `Cookie` field."""

    cases = [
        Case("no blank after the semicolon", 200, lambda: get(PATH, f"Cookie: a=b;sessionid={rows.session()}")),
        Case("blanks around the sign", 200, lambda: get(PATH, f"Cookie: a=b; sessionid = {rows.session()} ")),
        Case("quoted", 200, lambda: get(PATH, f'Cookie: sessionid="{rows.session()}"')),
        Case("name in upper case", 403, lambda: get(PATH, f"Cookie: SESSIONID={rows.session()}")),
        Case("rubbish before", 200, lambda: get(PATH, f"Cookie: ;; x; =y; {{}}; sessionid={rows.session()}")),
        Case(
            "rubbish that is not UTF-8", 200, lambda: get(PATH, b"Cookie: a=\xe9; sessionid=" + rows.session().encode())
        ),
        Case("name as a value", 403, lambda: get(PATH, f"Cookie: a=sessionid={rows.session()}")),
        Case("prefix of a name", 403, lambda: get(PATH, f"Cookie: xsessionid={rows.session()}")),
        Case("octal escapes in quotes", 200, lambda: get(PATH, f'Cookie: sessionid="{octal(rows.session())}"')),
        Case(
            "NUL in quotes",
            500,
            get(PATH, r'Cookie: sessionid="abcdefgh\000ijkl"'),
            refusal(
                "PostgreSQL refuses the query and Django answers 500; here the session is unknown",
                403,
                "Authentication credentials were not provided.",
                allow="GET, POST, HEAD, OPTIONS",
                vary=["accept", "cookie"],
                set_cookie=[
                    (
                        "sessionid",
                        '""',
                        ["expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0", "Path=/", "SameSite=Lax"],
                    )
                ],
            ),
        ),
    ]


class TwoCookies(Differential):
    """Attack: two sessions in one request, in the hope that gateway and application take different ones."""

    one = Differs(
        "Two Cookie fields are one, joined as HTTP/2 asks (RFC 9113, section 8.2.3); WSGI servers' comma breaks both",
        status=200,
        body='{"user":"alice","id":1,"authenticated":true}',
        set_cookie=[],
    )
    cases = [
        Case("last of two is good", 200, lambda: get(PATH, f"Cookie: sessionid={UNKNOWN}; sessionid={rows.session()}")),
        Case(
            "first of two is good", 403, lambda: get(PATH, f"Cookie: sessionid={rows.session()}; sessionid={UNKNOWN}")
        ),
        Case(
            "two users",
            200,
            lambda: get(PATH, f"Cookie: sessionid={rows.session('staff')}; sessionid={rows.session()}"),
        ),
        Case("two fields", 403, lambda: get(PATH, cookies(a="b"), cookies(sessionid=rows.session())), one),
        Case(
            "two fields, session first", 403, lambda: get(PATH, cookies(sessionid=rows.session()), cookies(a="b")), one
        ),
    ]


class Methods(Differential):
    cases = [
        Case("HEAD", 200, lambda: head(PATH, cookies(sessionid=rows.session()))),
        Case("OPTIONS", 200, lambda: options(PATH, cookies(sessionid=rows.session()))),
        Case("HEAD without", 403, head(PATH)),
        Case("OPTIONS without", 403, options(PATH)),
        Case("anyone may, no cookie", 200, get("/session/public/")),
        Case("anyone may, dead session", 200, get("/session/public/", cookies(sessionid=UNKNOWN))),
        Case("anyone may, session", 200, lambda: get("/session/public/", cookies(sessionid=rows.session()))),
        Case("view without Django REST framework", 200, lambda: get("/plain/me/", cookies(sessionid=rows.session()))),
        Case("view without Django REST framework, dead session", 200, get("/plain/me/", cookies(sessionid=UNKNOWN))),
        Case("class that does not read sessions", 401, lambda: get("/token/", cookies(sessionid=rows.session()))),
    ]


class OldKey(Differential):
    """A new SECRET_KEY, the old one still good for what it has signed: `SECRET_KEY_FALLBACKS`."""

    old = "the-key-before-this-one-0123456789-0123456789"
    variant = Variant({"SECRET_KEY_FALLBACKS": [old]}, f"secret_key_fallbacks: [{old}]\n")

    def test_row_and_hash_of_the_old_key(self):
        def conversation(side):
            answer = side.send(using(rows.of_old_key(self.old)))
            self.assertEqual(answer.status, 200)
            side.send(using(answer.cookies["sessionid"]))

        self.compare(conversation)

    def test_hash_alone_of_the_old_key(self):
        def conversation(side):
            side.send(using(rows.session(_auth_user_hash=rows.auth_hash("alice", self.old))))

        self.compare(conversation)

    def test_the_key_that_was_replaced_is_dead(self):
        def conversation(side):
            request = using(rows.of_old_key(self.old))
            side.send(request)
            side.send(request)

        self.compare(conversation)

    def test_key_of_nobody(self):
        self.compare(lambda side: side.send(using(rows.of_old_key("never-a-key-of-this-project-0123456789"))))


class NoFallback(Differential):
    def test_old_key(self):
        def conversation(side):
            side.send(using(rows.of_old_key(OldKey.old)))
            self.assertEqual(len(database.sessions()), 1)

        self.compare(conversation)


def octal(text):
    """As a client may write any text in quotes (RFC 2109)."""
    return "".join(f"\\{ord(character):03o}" for character in text)
