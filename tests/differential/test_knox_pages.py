"""knox's `LoginView`, `LogoutView` and `LogoutAllView`. The first has the project's default classes."""

from datetime import timedelta

from support import (
    Case,
    Differential,
    basic,
    cookies,
    default_classes,
    get,
    head,
    on_every_database,
    options,
    post,
    raw,
    refusal,
    rows,
)
from support.differences import NOT_FOUND

LOGIN, LOGOUT, LOGOUT_ALL = "/api/auth/login/", "/api/auth/logout/", "/api/auth/logoutall/"
ALICE = basic("alice", "correct horse")
HOUR = timedelta(hours=1)
BY_BASIC = default_classes("basic")


def log_in(*headers, **more):
    return post(LOGIN, *(headers or [ALICE]), **more)


def with_token(path, send=post, **token):
    return lambda: send(path, f"Authorization: Token {rows.knox(**token)}")


@on_every_database
class Login(Differential):
    variant = BY_BASIC
    cases = [
        Case("right", 200, log_in()),
        Case("right, with a body", 200, log_in(data={"username": "staff"})),
        Case("malformed body", 200, log_in(ALICE, data=b"{")),
        Case("no header", 401, post(LOGIN)),
        Case("password in the body alone", 401, post(LOGIN, data={"username": "alice", "password": "correct horse"})),
        Case("wrong password", 401, log_in(basic("alice", "wrong"))),
        Case("inactive user", 401, log_in(basic("bob", "correct horse"))),
        Case("knox token", 401, with_token(LOGIN)),
        Case("GET", 405, get(LOGIN, ALICE)),
        Case("GET without", 401, get(LOGIN)),
        Case("HEAD", 405, head(LOGIN, ALICE)),
        Case("OPTIONS", 200, options(LOGIN, ALICE)),
        Case("OPTIONS without", 401, options(LOGIN)),
        Case("Accept of XML", 406, log_in(ALICE, "Accept: application/xml")),
        Case("without the slash", 301, raw("POST", "/api/auth/login", ALICE)),
    ]

    def test_twice(self):
        """A token for each device."""

        def conversation(side):
            first, second = side.send(log_in()).json["token"], side.send(log_in()).json["token"]
            self.assertNotEqual(first, second)
            for token in (first, second):
                side.send(get("/knox/", f"Authorization: Token {token}"))

        self.compare(conversation)

    def test_outdated_hash_is_upgraded(self):
        def conversation(side):
            rows.change(password=rows.hashed("correct horse", 999))
            side.send(log_in())

        self.compare(conversation)


@on_every_database
class Logout(Differential):
    variant = BY_BASIC
    stranger = refusal(
        "The page is guarded with and without its slash",
        401,
        "Authentication credentials were not provided.",
        "Token",
        allow="POST, OPTIONS",
        vary=["accept"],
        location=None,
    )
    cases = [
        Case("right", 204, with_token(LOGOUT)),
        Case("all", 204, with_token(LOGOUT_ALL)),
        Case("anonymous", 401, post(LOGOUT)),
        Case("all, anonymous", 401, post(LOGOUT_ALL)),
        Case("password", 401, post(LOGOUT, ALICE)),
        Case("dead token", 401, post(LOGOUT, "Authorization: Token dead")),
        Case("expired token", 401, with_token(LOGOUT, expires=-HOUR)),
        Case("inactive user", 401, with_token(LOGOUT, username="bob")),
        Case("all, inactive user", 401, with_token(LOGOUT_ALL, username="bob")),
        Case("GET", 405, with_token(LOGOUT, get)),
        Case("GET with a dead token", 401, get(LOGOUT, "Authorization: Token dead")),
        Case("GET all", 405, with_token(LOGOUT_ALL, get)),
        Case("HEAD", 405, with_token(LOGOUT, head)),
        Case("OPTIONS", 200, with_token(LOGOUT, options)),
        Case("OPTIONS all", 200, with_token(LOGOUT_ALL, options)),
        Case("without the slash", 301, raw("POST", "/api/auth/logout"), stranger),
        Case("unknown below", 404, post("/api/auth/nowhere/"), NOT_FOUND),
    ]

    def test_one_device(self):
        def conversation(side):
            here, there = rows.knox(), rows.knox()
            side.send(post(LOGOUT, f"Authorization: Token {here}"))
            side.send(get("/knox/", f"Authorization: Token {here}"))
            side.send(get("/knox/", f"Authorization: Token {there}"))

        self.compare(conversation)

    def test_all_devices(self):
        def conversation(side):
            here, there, staff = rows.knox(), rows.knox(), rows.knox("staff")
            side.send(post(LOGOUT_ALL, f"Authorization: Token {here}"))
            for token in (here, there, staff):
                side.send(get("/knox/", f"Authorization: Token {token}"))

        self.compare(conversation)


class DefaultClasses(Differential):
    """Session first: no challenge, a cookie that counts, and so a CSRF check."""

    variant = default_classes("session", "basic")
    secret = "a" * 32
    cases = [
        Case("anonymous", 403, post(LOGIN)),
        Case("right password", 200, log_in()),
        Case("wrong password", 403, log_in(basic("alice", "wrong"))),
        Case("session", 403, lambda: post(LOGIN, cookies(sessionid=rows.session()))),
        Case(
            "session and CSRF token",
            200,
            lambda: post(LOGIN, cookies(sessionid=rows.session(), csrftoken="a" * 32), f"X-CSRFToken: {'a' * 32}"),
        ),
        Case("logout reads no session", 401, lambda: post(LOGOUT, cookies(sessionid=rows.session()))),
    ]


class KnoxOnly(Differential):
    """Only who has a token gets one."""

    variant = default_classes("knox")
    cases = [
        Case("password", 401, log_in()),
        Case("token", 200, with_token(LOGIN)),
    ]


class Limit(Differential):
    """`TOKEN_LIMIT_PER_USER`; expired tokens do not count."""

    variant = default_classes(
        "basic",
        django={
            "REST_KNOX": {
                "TOKEN_LIMIT_PER_USER": 2,
                "TOKEN_TTL": None,
                "USER_SERIALIZER": "knox.serializers.UserSerializer",
                "TOKEN_PREFIX": "pre_",
            }
        },
        gateway='knox: { limit_per_user: 2, ttl: null, user_fields: [username], token_prefix: "pre_" }\n',
    )

    def after_tokens(self, *expiries):
        def conversation(side):
            for expires in expiries:
                rows.knox(expires=expires)
            answer = side.send(log_in())
            if answer.status == 200:
                side.send(get("/knox/", f"Authorization: Token {answer.json['token']}"))

        self.compare(conversation)

    def test_below(self):
        self.after_tokens(HOUR)

    def test_reached(self):
        self.after_tokens(HOUR, HOUR)

    def test_reached_by_tokens_that_never_expire(self):
        self.after_tokens(None, None)

    def test_expired_ones(self):
        self.after_tokens(-HOUR, -HOUR, HOUR)

    def test_another_user_s(self):
        def conversation(side):
            for _ in range(2):
                rows.knox("staff")
            side.send(log_in())

        self.compare(conversation)


class Lifetime(Differential):
    """`TOKEN_TTL`, and tokens of another length."""

    variant = default_classes(
        "basic",
        django={"REST_KNOX": {"TOKEN_TTL": 90, "AUTH_TOKEN_CHARACTER_LENGTH": 40}},
        gateway="knox: { ttl: 90s, token_length: 40 }\n",
    )
    cases = [Case("login", 200, log_in())]

    def test_use(self):
        def conversation(side):
            token = side.send(log_in()).json["token"]
            self.assertEqual(len(token), 40)
            side.send(get("/knox/", f"Authorization: Token {token}"))

        self.compare(conversation)
