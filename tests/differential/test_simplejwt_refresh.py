"""`TokenRefreshView` and `TokenBlacklistView`, with the blacklist's tables and without rotation."""

from support import (
    Case,
    Differential,
    Side,
    Variant,
    bearer,
    database,
    form,
    get,
    on_every_database,
    post,
    refusal,
    rows,
    tokens,
)
from support.tokens import ABSENT, access, after, refresh, sliding

REFRESH, BLACKLIST = "/api/token/refresh/", "/api/token/blacklist/"
CHALLENGE = 'Bearer realm="api"'
NO_ID = {"detail": "Token has no id", "code": "token_not_valid"}
INVALID = {"detail": "Token is invalid", "code": "token_not_valid"}


def renew(make=refresh, path=REFRESH, **changes):
    return lambda: token(make(**changes), path)


def token(value, path=REFRESH):
    return post(path, data={"refresh": value})


def theirs_is_500(detail):
    why = "Django fails with 500 over this token; here it is answered as one that is no good any more"
    return refusal(why, 401, detail, CHALLENGE, allow="POST, OPTIONS", vary=["accept"])


@on_every_database
class Refresh(Differential):
    cases = [
        Case("right", 200, renew()),
        Case("claims of the project's own are copied", 200, renew(name="ä", roles=["x"], aud="api", sub="s")),
        Case("id and time are new", 200, renew(jti="a" * 32, iat=after(-600))),
        Case("user id as a number", 200, renew(user_id=1)),
        Case("access token", 401, renew(access)),
        Case("sliding token", 401, renew(sliding)),
        Case("expired", 401, renew(exp=after(-1))),
        Case("no exp", 401, renew(exp=ABSENT)),
        Case("no type", 401, renew(token_type=ABSENT)),
        Case("no user", 200, renew(user_id=ABSENT)),
        Case("user null", 200, renew(user_id=None)),
        Case("inactive user", 401, renew(user_id="2")),
        Case("unknown user", 500, renew(user_id="99"), theirs_is_500(INVALID)),
        Case("user id not a number", 500, renew(user_id="abc"), theirs_is_500(INVALID)),
        Case("no jti", 500, renew(jti=ABSENT), theirs_is_500(NO_ID)),
        Case("no jti, expired", 401, renew(jti=ABSENT, exp=after(-1))),
        Case("not yet", 401, renew(nbf=after(300))),
    ]

    def test_access_token_opens_the_api(self):
        def conversation(side):
            answer = side.send(renew()())
            side.send(get("/jwt/", bearer(answer.json["access"])))

        self.compare(conversation)

    def test_twice(self):
        def conversation(side):
            one = refresh()
            side.send(token(one))
            side.send(token(one))

        self.compare(conversation)

    def test_user_deleted_after_issue(self):
        def conversation(side):
            answer = side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"}))
            rows.delete_user("alice")
            side.send(token(answer.json["refresh"]))

        self.compare(conversation, theirs_is_500(INVALID))


class RefreshBody(Differential):
    cases = [
        Case("garbage", 401, token("garbage")),
        Case("wrong signature", 401, lambda: token(tokens.token("refresh", key="x" * 48))),
        Case("other algorithm", 401, lambda: token(tokens.token("refresh", algorithm="HS512"))),
        Case("blanks around", 200, lambda: token(f"  {refresh()}  ")),
        Case("form", 200, lambda: form(REFRESH, refresh=refresh())),
        Case("number", 401, token(1)),
        Case("beyond ASCII", 401, token("é")),
        Case("missing", 400, post(REFRESH, data={})),
        Case("blank", 400, token("")),
        Case("null", 400, token(None)),
        Case("true", 400, token(True)),
        Case("a list", 400, token([])),
        Case("NUL", 400, token("a\0")),
        Case("under another name", 400, lambda: post(REFRESH, data={"token": refresh()})),
        Case("dead token beside", 200, lambda: post(REFRESH, bearer("x"), data={"refresh": refresh()})),
    ]


@on_every_database
class Blacklist(Differential):
    cases = [
        Case("right", 200, renew(path=BLACKLIST)),
        Case("not recorded before, user unknown", 200, renew(path=BLACKLIST, user_id="99")),
        Case("no user", 200, renew(path=BLACKLIST, user_id=ABSENT)),
        Case("inactive user", 200, renew(path=BLACKLIST, user_id="2")),
        Case("access token", 401, renew(access, path=BLACKLIST)),
        Case("expired", 401, renew(path=BLACKLIST, exp=after(-1))),
        Case("garbage", 401, token("garbage", BLACKLIST)),
        Case("missing", 400, post(BLACKLIST, data={})),
        Case("blank", 400, token("", BLACKLIST)),
        Case("null", 400, token(None, BLACKLIST)),
        Case("no jti", 500, renew(path=BLACKLIST, jti=ABSENT), theirs_is_500(NO_ID)),
    ]

    def test_user_id_not_a_number(self):
        """Django fails with 500; the gateway blacklists it, as it does the token of a user who is gone."""
        self.differences.append((self.id(), "What cannot name a user names none, and the token is dead all the same"))
        pair = self.variant.on(self.database)
        database.use(self.database)
        for side, status in [(Side("Django", pair.native.port), 500), (Side("gateway", pair.gateway.port), 200)]:
            database.reset()
            self.assertEqual(side.send(renew(path=BLACKLIST, user_id="abc")()).status, status, side.name)
            self.assertEqual(len(database.footprint()["blacklisted"]), 1 if side.is_gateway else 0, side.name)

    def test_again(self):
        def conversation(side):
            one = refresh()
            for _ in range(2):
                side.send(token(one, BLACKLIST))

        self.compare(conversation)

    def test_refresh_of_a_blacklisted_token(self):
        """Attack: a stolen refresh token, after its owner has logged out."""

        def conversation(side):
            answer = side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"}))
            side.send(token(answer.json["refresh"], BLACKLIST))
            side.send(token(answer.json["refresh"]))
            side.send(get("/jwt/", bearer(answer.json["access"])))

        self.compare(conversation)

    def test_expired_and_blacklisted(self):
        def conversation(side):
            rows.blacklist(refresh(jti="a" * 32))
            side.send(token(refresh(jti="a" * 32, exp=after(-1))))
            side.send(token(refresh(jti="a" * 32, token_type="access")))

        self.compare(conversation)


class WithoutTheBlacklist(Differential):
    """The application is not installed: nothing is recorded, and its page does nothing."""

    variant = Variant({"WITHOUT_APPS": ["rest_framework_simplejwt.token_blacklist"]}, "jwt: { blacklist: false }\n")
    cases = [
        Case("obtain", 200, post("/api/token/", data={"username": "alice", "password": "correct horse"})),
        Case("refresh", 200, renew()),
        Case("refresh, no jti", 401, renew(jti=ABSENT)),
        Case("blacklist", 200, renew(path=BLACKLIST)),
        Case("blacklist, garbage", 401, token("garbage", BLACKLIST)),
        Case("blacklist, no jti", 401, renew(path=BLACKLIST, jti=ABSENT)),
        Case("sliding", 200, post("/api/sliding/", data={"username": "alice", "password": "correct horse"})),
    ]

    def test_refresh_after_blacklist(self):
        def conversation(side):
            one = refresh()
            side.send(token(one, BLACKLIST))
            side.send(token(one))

        self.compare(conversation)


ROTATING = {"ROTATE_REFRESH_TOKENS": True}


class Rotation(Differential):
    variant = Variant({"SIMPLE_JWT": ROTATING}, "jwt: { blacklist: true, rotate_refresh_tokens: true }\n")
    cases = [
        Case("right", 200, renew()),
        Case("claims of the project's own stay", 200, renew(name="ä", aud="api")),
        Case("id, time and expiry are new in both", 200, renew(jti="a" * 32, iat=after(-600), exp=after(3600))),
        Case("no user", 200, renew(user_id=ABSENT)),
        Case("inactive user", 401, renew(user_id="2")),
    ]

    def test_the_old_one_stays_good(self):
        def conversation(side):
            one = refresh()
            answer = side.send(token(one))
            side.send(token(one))
            side.send(token(answer.json["refresh"]))

        self.compare(conversation)


@on_every_database
class BlacklistAfterRotation(Differential):
    variant = Variant(
        {"SIMPLE_JWT": {**ROTATING, "BLACKLIST_AFTER_ROTATION": True, "UPDATE_LAST_LOGIN": True}},
        "jwt: { blacklist: true, rotate_refresh_tokens: true, blacklist_after_rotation: true,"
        " update_last_login: true }\n",
    )
    cases = [
        Case("right", 200, renew()),
        Case("no user", 200, renew(user_id=ABSENT)),
        Case(
            "obtain sets last_login", 200, post("/api/token/", data={"username": "alice", "password": "correct horse"})
        ),
        Case(
            "sliding sets last_login",
            200,
            post("/api/sliding/", data={"username": "alice", "password": "correct horse"}),
        ),
        Case("verify", 200, lambda: post("/api/token/verify/", data={"token": refresh()})),
        Case("verify, no jti", 401, lambda: post("/api/token/verify/", data={"token": refresh(jti=ABSENT)})),
    ]

    def test_a_stolen_token_used_a_second_time(self):
        """Attack: the thief and the owner each use the same refresh token."""

        def conversation(side):
            answer = side.send(post("/api/token/", data={"username": "alice", "password": "correct horse"}))
            first = answer.json["refresh"]
            second = side.send(token(first)).json["refresh"]
            side.send(token(first))
            side.send(token(second))
            side.send(post("/api/token/verify/", data={"token": first}))
            side.send(post("/api/token/verify/", data={"token": second}))

        self.compare(conversation)
