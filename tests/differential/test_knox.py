"""`knox.auth.TokenAuthentication`: using a token. Looking at one also deletes the expired ones beside it."""

from datetime import timedelta

from support import Case, Differential, Variant, database, get, head, on_every_database, options, post, refusal, rows
from support.differences import TWO_AUTHORIZATIONS

PATH = "/knox/"
HOUR = timedelta(hours=1)


def using(scheme="Token", edit=lambda token: token, **token):
    return lambda: get(PATH, f"Authorization: {scheme} {edit(rows.knox(**token))}")


@on_every_database
class Token(Differential):
    cases = [
        Case("valid", 200, using()),
        Case("valid, another user", 200, using(username="élise")),
        Case("never expires", 200, using(expires=None)),
        Case("expired", 401, using(expires=-HOUR)),
        Case("inactive user", 401, using(username="bob")),
        Case("inactive user, expired", 401, using(username="bob", expires=-HOUR)),
        Case("unknown", 401, get(PATH, f"Authorization: Token {'a' * 64}")),
        Case("upper case", 401, using(edit=str.upper)),
        Case("right first 15 characters", 401, using(edit=lambda token: token[:15] + "0" * 49)),
        Case("right first 15 characters alone", 401, using(edit=lambda token: token[:15])),
        Case("one character more", 401, using(edit=lambda token: token + "0")),
        Case("too short", 401, get(PATH, "Authorization: Token abc")),
        Case("DRF's token", 401, get(PATH, f"Authorization: Token {rows.ALICE}")),
        Case("with a prefix", 200, using(prefix="pre_")),
    ]

    def test_other_expired_tokens_of_the_user_go(self):
        def conversation(side):
            for username, expires in [("alice", -HOUR), ("alice", HOUR), ("alice", None), ("staff", -HOUR)]:
                rows.knox(username, expires=expires)
            side.send(using()())

        self.compare(conversation)

    def test_first_15_characters_are_enough_to_clean_up(self):
        def conversation(side):
            rows.knox(expires=-HOUR)
            rows.knox("staff", expires=-HOUR)
            side.send(using(edit=lambda token: token[:15] + "0" * 49)())

        self.compare(conversation)

    def test_inactive_user_s_expired_tokens_go_too(self):
        def conversation(side):
            rows.knox("bob", expires=-HOUR)
            side.send(using(username="bob")())

        self.compare(conversation)

    def test_two_tokens_that_begin_alike(self):
        """Both rows are candidates; the digest decides."""

        def conversation(side):
            alice, staff = rows.knox(), rows.knox("staff")
            rows.begin_alike(alice, staff)
            side.send(get(PATH, f"Authorization: Token {alice}"))
            side.send(get(PATH, f"Authorization: Token {staff}"))

        self.compare(conversation)

    def test_expired_one_beside_a_good_one_that_begins_alike(self):
        def conversation(side):
            old, good = rows.knox(expires=-HOUR), rows.knox()
            rows.begin_alike(good, old)
            side.send(get(PATH, f"Authorization: Token {good}"))

        self.compare(conversation)


class Header(Differential):
    cases = [
        Case("none", 401, get(PATH)),
        Case("empty", 401, get(PATH, "Authorization:")),
        Case("other keyword", 401, using("Bearer")),
        Case("keyword alone", 401, get(PATH, "Authorization: Token")),
        Case("three parts", 401, get(PATH, "Authorization: Token a b")),
        Case("lower case keyword", 200, using("token")),
        Case("upper case keyword", 200, using("TOKEN")),
        Case("several blanks", 200, using("Token   ")),
        Case("tab", 200, using("Token\t")),
        Case("beyond ASCII", 401, get(PATH, "Authorization: Token é")),
        Case(
            "not UTF-8",
            500,
            get(PATH, b"Authorization: Token \xe9"),
            refusal(
                "knox fails with 500 over a byte that is not UTF-8; here it is DRF's own answer to one",
                401,
                "Invalid token header. Token string should not contain invalid characters.",
                "Token",
                allow="GET, POST, HEAD, OPTIONS",
                vary=["accept"],
            ),
        ),
        Case("HEAD without", 401, head(PATH)),
        Case("HEAD with", 200, lambda: head(PATH, f"Authorization: Token {rows.knox()}")),
        Case("OPTIONS without", 401, options(PATH)),
        Case("POST", 200, lambda: post(PATH, f"Authorization: Token {rows.knox()}")),
        Case("anyone may, bad", 401, get("/knox/public/", "Authorization: Token bad")),
        Case("anyone may, none", 200, get("/knox/public/")),
    ]


def two_tokens():
    return get(PATH, *(f"Authorization: Token {rows.knox(name)}" for name in ("alice", "staff")))


class TwoHeaders(Differential):
    """Attack: a second header, in the hope that the gateway judges one and the application reads the other."""

    cases = [Case("two users", 401, two_tokens, TWO_AUTHORIZATIONS)]


class Prefix(Differential):
    """`AUTH_HEADER_PREFIX`, which is the challenge too."""

    variant = Variant({"REST_KNOX": {"AUTH_HEADER_PREFIX": "Bearer"}}, "knox: { keyword: Bearer }\n")
    cases = [
        Case("none", 401, get(PATH)),
        Case("right", 200, using("Bearer")),
        Case("lower case", 200, using("bearer")),
        Case("usual one", 401, using("Token")),
    ]


def with_minutes_left(expires, created=0, username="alice"):
    """A token that has so many minutes left, made so many minutes ago."""
    times = {"expires": timedelta(minutes=expires), "created": -timedelta(minutes=created)}
    return using(username=username, **times)


class AutoRefresh(Differential):
    """`AUTO_REFRESH`: use moves the expiry, but not for every request, and not for ever."""

    variant = Variant(
        {"REST_KNOX": {"AUTO_REFRESH": True, "TOKEN_TTL": 3600, "AUTO_REFRESH_MAX_TTL": 7200}},
        "knox: { auto_refresh: true, ttl: 1h, auto_refresh_max_ttl: 2h }\n",
    )

    cases = [
        Case("just made", 200, with_minutes_left(60)),
        Case("half a minute behind", 200, with_minutes_left(59.5)),
        Case("ten minutes behind", 200, with_minutes_left(50)),
        Case("limited by its making", 200, with_minutes_left(10, created=90)),
        Case("at its limit", 200, with_minutes_left(10, created=110)),
        Case("beyond its limit", 200, with_minutes_left(10, created=130)),
        Case("expired", 401, with_minutes_left(-10)),
        Case("inactive user's is extended before the verdict", 401, with_minutes_left(10, username="bob")),
        Case("never expires", 200, using(expires=None)),
        Case(
            "right first 15 characters",
            401,
            using(edit=lambda token: token[:15] + "0" * 49, expires=timedelta(minutes=10)),
        ),
    ]

    def test_it_moves(self):
        def conversation(side):
            side.send(with_minutes_left(10)())
            self.assertEqual(database.footprint()["knox"][0]["expires"], 60)

        self.compare(conversation)


class RefreshInterval(Differential):
    variant = Variant(
        {"REST_KNOX": {"AUTO_REFRESH": True, "TOKEN_TTL": 3600, "MIN_REFRESH_INTERVAL": 900}},
        "knox: { auto_refresh: true, ttl: 1h, min_refresh_interval: 15m }\n",
    )
    cases = [
        Case("ten minutes behind", 200, with_minutes_left(50)),
        Case("twenty minutes behind", 200, with_minutes_left(40)),
        Case("no limit without one", 200, with_minutes_left(10, created=1000)),
    ]
