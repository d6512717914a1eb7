"""The last moment at which something is good, and the first at which it is not: who compares with `<`, and who with
`<=`."""

import unittest
from datetime import timedelta

import test_signed_cookies
from support import Case, Timed, Variant, bearer, cookies, default_classes, get, post, rows
from support.tokens import access, after, now, refresh, sliding
from test_simplejwt import using
from test_knox_pages import log_in

MICROSECOND = timedelta(microseconds=1)


def sent(path, name, make, **changes):
    return lambda: post(path, data={name: make(**changes)})


def renewed(**changes):
    return sent("/api/token/refresh/", "refresh", refresh, **changes)


def slid(**changes):
    return sent("/api/sliding/refresh/", "token", sliding, **changes)


def verified(**changes):
    return sent("/api/token/verify/", "token", access, **changes)


class Jwt(Timed):
    """Whole seconds, of which a fraction is cut off."""

    variant = Variant(clock=True)
    cases = [
        Case("exp in a second", 200, using(exp=after(1))),
        Case("exp now", 401, using(exp=after(0))),
        Case("exp in half a second", 401, using(exp=after(0.5))),
        Case("exp in a second and a half", 200, using(exp=after(1.5))),
        Case("iat now", 200, using(iat=after(0))),
        Case("iat in half a second", 200, using(iat=after(0.5))),
        Case("iat in a second", 401, using(iat=after(1))),
        Case("nbf now", 200, using(nbf=after(0))),
        Case("nbf in half a second", 200, using(nbf=after(0.5))),
        Case("nbf in a second", 401, using(nbf=after(1))),
        Case("refresh, exp in a second", 200, renewed(exp=after(1))),
        Case("refresh, exp now", 401, renewed(exp=after(0))),
        Case("verify, exp in a second", 200, verified(exp=after(1))),
        Case("verify, exp now", 401, verified(exp=after(0))),
        Case("sliding, both in a second", 200, slid(exp=after(1), refresh_exp=after(1))),
        Case("sliding, refresh_exp now", 401, slid(refresh_exp=after(0))),
        Case("sliding, refresh_exp in half a second", 200, slid(refresh_exp=after(0.5))),
    ]

    def test_in_the_middle_of_a_second(self):
        def conversation(side):
            begun = now()
            self.wait(0.5)
            for claims in ({"exp": begun}, {"exp": begun + 1}, {"iat": begun + 1}, {"nbf": begun + 1}):
                side.send(using(**claims)())

        self.compare(conversation)

    def test_lifetime_of_what_was_made(self):
        """Five minutes and a day."""

        def conversation(side):
            made = side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"})).json
            steps = [(299, "access", 200), (1, "access", 401), (86400 - 301, "refresh", 200), (1, "refresh", 401)]
            for wait, kind, status in steps:
                self.wait(wait)
                use = get("/jwt/", bearer(made["access"]))
                renew = post("/api/token/refresh/", data={"refresh": made["refresh"]})
                self.assertEqual(side.send(use if kind == "access" else renew).status, status, (side.name, kind))

        self.compare(conversation)


class Leeway(Timed):
    variant = Variant({"SIMPLE_JWT": {"LEEWAY": 60}}, "jwt: { blacklist: true, leeway: 60s }\n", clock=True)
    cases = [
        Case("exp 59 seconds ago", 200, using(exp=after(-59))),
        Case("exp 60 seconds ago", 401, using(exp=after(-60))),
        Case("exp 59.5 seconds ago", 401, using(exp=after(-59.5))),
        Case("iat in 60 seconds", 200, using(iat=after(60))),
        Case("iat in 61 seconds", 401, using(iat=after(61))),
        Case("nbf in 60 seconds", 200, using(nbf=after(60))),
        Case("nbf in 61 seconds", 401, using(nbf=after(61))),
        Case("refresh, exp 59 seconds ago", 200, renewed(exp=after(-59))),
        Case("refresh, exp 60 seconds ago", 401, renewed(exp=after(-60))),
        Case("verify, exp 59 seconds ago", 200, verified(exp=after(-59))),
        Case("verify, exp 60 seconds ago", 401, verified(exp=after(-60))),
        Case("sliding, refresh_exp 59 seconds ago", 200, slid(refresh_exp=after(-59))),
        Case("sliding, refresh_exp 60 seconds ago", 401, slid(refresh_exp=after(-60))),
        Case("sliding, exp 59 seconds ago", 200, slid(exp=after(-59))),
    ]


def in_session(age):
    return lambda: get("/session/", cookies(sessionid=rows.session(age=age)))


class Session(Timed):
    variant = Jwt.variant
    cases = [
        Case("over in a microsecond", 200, in_session(0.000001)),
        Case("over now", 403, in_session(0)),
    ]


class SignedCookie(Timed):
    settings = {"SESSION_ENGINE": test_signed_cookies.ENGINE, "SESSION_COOKIE_AGE": 3600}
    variant = Variant(settings, "session: { engine: signed_cookies, age: 1h }\n", clock=True)

    def after(self, wait, status, differs=None):
        def conversation(side):
            request = test_signed_cookies.using()()
            self.wait(wait)
            self.assertEqual(side.send(request).status, status, side.name)

        self.compare(conversation, differs)

    def test_a_millisecond_before_its_end(self):
        self.after(3599.999, 200)

    def test_at_its_end(self):
        self.after(3600, 200)

    def test_a_millisecond_after_its_end(self):
        self.after(3600.001, 403, test_signed_cookies.SignedCookies.no_cookie)


def with_knox(*others, **token):
    """A token, where these of the same user are too."""

    def request():
        for expires in others:
            rows.knox(expires=expires)
        return get("/knox/", f"Authorization: Token {rows.knox(**token)}")

    return request


class Knox(Timed):
    variant = Jwt.variant
    cases = [
        Case("over now", 200, with_knox(expires=0 * MICROSECOND)),
        Case("over for a microsecond", 401, with_knox(expires=-MICROSECOND)),
        Case("another one over now", 200, with_knox(0 * MICROSECOND)),
        Case("another one over for a microsecond", 200, with_knox(-MICROSECOND)),
    ]


def seconds(number):
    return timedelta(seconds=number)


class KnoxRefresh(Timed):
    """TTL of an hour; at least a minute further; at most two hours after it was made."""

    variant = Variant(
        {"REST_KNOX": {"AUTO_REFRESH": True, "TOKEN_TTL": 3600, "AUTO_REFRESH_MAX_TTL": 7200}},
        "knox: { auto_refresh: true, ttl: 1h, auto_refresh_max_ttl: 2h }\n",
        clock=True,
    )
    cases = [
        Case("a minute further", 200, with_knox(expires=seconds(3540))),
        Case("a minute and a microsecond further", 200, with_knox(expires=seconds(3540) - MICROSECOND)),
        Case("limit a minute further", 200, with_knox(expires=seconds(540), created=-seconds(6600))),
        Case("limit a second further than that", 200, with_knox(expires=seconds(539), created=-seconds(6600))),
        Case("limit now", 200, with_knox(expires=seconds(600), created=-seconds(7200))),
        Case("limit a second ago", 200, with_knox(expires=seconds(600), created=-seconds(7201))),
        Case("over now", 200, with_knox(expires=seconds(0))),
    ]


class KnoxLimit(Timed):
    variant = default_classes(
        "basic",
        django={"REST_KNOX": {"TOKEN_LIMIT_PER_USER": 1}},
        gateway="knox: { limit_per_user: 1 }\n",
        clock=True,
    )
    cases = [
        Case("the one token is over now", 200, lambda: rows.knox(expires=seconds(0)) and log_in()),
        Case("the one token is over in a microsecond", 403, lambda: rows.knox(expires=MICROSECOND) and log_in()),
    ]
