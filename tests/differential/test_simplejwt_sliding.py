"""`TokenObtainSlidingView` and `TokenRefreshSlidingView`: one token that is renewed while it lives."""

from support import Case, Differential, Variant, bearer, get, on_every_database, options, post, refusal, rows
from support.tokens import ABSENT, access, after, refresh, sliding

OBTAIN, REFRESH = "/api/sliding/", "/api/sliding/refresh/"
RIGHT = {"username": "alice", "password": "correct horse"}


def renew(make=sliding, **changes):
    return lambda: token(make(**changes))


def token(value):
    return post(REFRESH, data={"token": value})


@on_every_database
class Sliding(Differential):
    variant = Variant(
        {"SIMPLE_JWT": {"AUTH_TOKEN_CLASSES": ["rest_framework_simplejwt.tokens.SlidingToken"]}},
        "jwt: { blacklist: true, token_types: [sliding] }\n",
    )
    no_id = refusal(
        "Django fails with 500 over a token without an id; here it is answered as one that is no good",
        401,
        {"detail": "Token has no id", "code": "token_not_valid"},
        'Bearer realm="api"',
        allow="POST, OPTIONS",
        vary=["accept"],
    )
    cases = [
        Case("obtain", 200, post(OBTAIN, data=RIGHT)),
        Case("obtain, wrong password", 401, post(OBTAIN, data={**RIGHT, "password": "wrong"})),
        Case("obtain, nothing", 400, post(OBTAIN, data={})),
        Case("obtain, GET", 405, get(OBTAIN)),
        Case("obtain, OPTIONS", 200, options(OBTAIN)),
        Case("refresh, OPTIONS", 200, options(REFRESH)),
        Case("refresh", 200, renew()),
        Case("refresh keeps id and limit", 200, renew(jti="a" * 32, iat=after(-600), refresh_exp=after(7200))),
        Case("refresh keeps claims", 200, renew(name="ä", roles=["x"])),
        Case("refresh, expired", 401, renew(exp=after(-1))),
        Case("refresh, limit passed", 401, renew(refresh_exp=after(-1))),
        Case("refresh, no limit", 401, renew(refresh_exp=ABSENT)),
        Case("refresh, both passed", 401, renew(exp=after(-1), refresh_exp=after(-1))),
        Case("refresh, access token", 401, renew(access)),
        Case("refresh, refresh token", 401, renew(refresh)),
        Case("refresh, inactive user", 200, renew(user_id="2")),
        Case("refresh, unknown user", 200, renew(user_id="99")),
        Case("refresh, no user", 200, renew(user_id=ABSENT)),
        Case("refresh, no jti", 500, renew(jti=ABSENT), no_id),
        Case("refresh, missing", 400, post(REFRESH, data={})),
        Case("refresh, blank", 400, token("")),
        Case("refresh, null", 400, token(None)),
        Case("refresh, garbage", 401, token("x")),
        Case("use", 200, lambda: get("/jwt/", bearer(sliding()))),
        Case("use, access token", 401, lambda: get("/jwt/", bearer(access()))),
        Case("use, limit passed", 200, lambda: get("/jwt/", bearer(sliding(refresh_exp=after(-1))))),
    ]

    def test_blacklisted(self):
        """Attack: a stolen token, after its owner has had it blacklisted."""

        def conversation(side):
            one = sliding()
            rows.blacklist(one)
            side.send(get("/jwt/", bearer(one)))
            side.send(token(one))
            side.send(post("/api/token/verify/", data={"token": one}))

        self.compare(conversation)

    def test_obtained_used_renewed(self):
        def conversation(side):
            answer = side.send(post(OBTAIN, data=RIGHT))
            side.send(get("/jwt/", bearer(answer.json["token"])))
            answer = side.send(token(answer.json["token"]))
            side.send(get("/jwt/", bearer(answer.json["token"])))

        self.compare(conversation)
