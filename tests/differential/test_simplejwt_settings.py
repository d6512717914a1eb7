"""`SIMPLE_JWT`: what each setting changes in the tokens that are accepted, and in those that are made."""

from support import Case, Differential, Differs, Variant, bearer, get, post, rows, tokens
from support.tokens import ABSENT, access, after, refresh, sliding

PATH = "/jwt/"
RIGHT = {"username": "alice", "password": "correct horse"}
OTHER_KEY = "another-key-for-tokens-alone-0123456789-0123456789-0123456789-01"
tokens.KEYS.append((OTHER_KEY, ["HS512"]))


def using(make=access, scheme="Bearer", **changes):
    return lambda: get(PATH, f"Authorization: {scheme} {make(**changes)}")


def obtain():
    return post("/api/token/", data=RIGHT)


class AudienceAndIssuer(Differential):
    """Attack: a token that the same key has signed for another service."""

    variant = Variant(
        {
            "SIMPLE_JWT": {
                "AUDIENCE": "api",
                "ISSUER": "https://id.example",
                "LEEWAY": 60,
                "AUTH_HEADER_TYPES": ["JWT", "Bearer"],
                "ACCESS_TOKEN_LIFETIME": 600,
                "REFRESH_TOKEN_LIFETIME": 7200,
                "SLIDING_TOKEN_LIFETIME": 1200,
                "SLIDING_TOKEN_REFRESH_LIFETIME": 3600,
            }
        },
        'jwt: { blacklist: true, audience: api, issuer: "https://id.example", leeway: 60s, keywords: [JWT, Bearer],'
        " access_lifetime: 10m, refresh_lifetime: 2h, sliding_lifetime: 20m, sliding_refresh_lifetime: 1h }\n",
    )
    good = {"aud": "api", "iss": "https://id.example"}
    cases = [
        Case("both right", 200, using(**good)),
        Case("aud a list with the value", 200, using(**good | {"aud": ["other", "api"]})),
        Case("aud a list without the value", 401, using(**good | {"aud": ["other"]})),
        Case("aud an empty list", 401, using(**good | {"aud": []})),
        Case("aud other", 401, using(**good | {"aud": "apis"})),
        Case("aud missing", 401, using(iss="https://id.example")),
        Case("aud null", 401, using(**good | {"aud": None})),
        Case("aud a number", 401, using(**good | {"aud": 1})),
        Case("iss other", 401, using(**good | {"iss": "https://evil.example"})),
        Case("iss with a slash more", 401, using(**good | {"iss": "https://id.example/"})),
        Case("iss missing", 401, using(aud="api")),
        Case("iss a list", 401, using(**good | {"iss": ["https://id.example"]})),
        Case("obtain", 200, obtain()),
        Case("sliding", 200, post("/api/sliding/", data=RIGHT)),
        Case(
            "refresh",
            200,
            lambda: post("/api/token/refresh/", data={"refresh": refresh(aud="api", iss="https://id.example")}),
        ),
        Case("refresh, aud missing", 401, lambda: post("/api/token/refresh/", data={"refresh": refresh()})),
        Case("verify, aud missing", 401, lambda: post("/api/token/verify/", data={"token": access()})),
    ]


class Leeway(Differential):
    """Clocks that are not quite the same."""

    variant = AudienceAndIssuer.variant
    good = AudienceAndIssuer.good
    cases = [
        Case("exp within", 200, using(**good, exp=after(-50))),
        Case("exp at the end", 401, using(**good, exp=after(-60))),
        Case("exp beyond", 401, using(**good, exp=after(-61))),
        Case("iat within", 200, using(**good, iat=after(50))),
        Case("iat beyond", 401, using(**good, iat=after(120))),
        Case("nbf within", 200, using(**good, nbf=after(50))),
        Case("nbf beyond", 401, using(**good, nbf=after(120))),
    ]


class HeaderTypes(Differential):
    """The challenge names the first."""

    variant = AudienceAndIssuer.variant
    good = AudienceAndIssuer.good
    cases = [
        Case("none", 401, get(PATH)),
        Case("first", 200, using(scheme="JWT", **good)),
        Case("second", 200, using(scheme="Bearer", **good)),
        Case("other", 401, using(scheme="Token", **good)),
        Case("bad token with the second", 401, get(PATH, bearer("x"))),
    ]


def sent(make=access, name="X-Access-Token", path=PATH, user="alice", **changes):
    def request():
        given = {"sub": user, "hash_password": rows.revoke_claim("alice"), "user_id": ABSENT, **changes}
        return get(path, f"{name}: Bearer {make(**given)}")

    return request


class HeaderName(Differential):
    """`AUTH_HEADER_NAME`, and a user found by another field through another claim."""

    variant = Variant(
        {
            "SIMPLE_JWT": {
                "AUTH_HEADER_NAME": "HTTP_X_ACCESS_TOKEN",
                "USER_ID_FIELD": "username",
                "USER_ID_CLAIM": "sub",
                "CHECK_USER_IS_ACTIVE": False,
                "CHECK_REVOKE_TOKEN": True,
                "AUTH_TOKEN_CLASSES": [
                    "rest_framework_simplejwt.tokens.AccessToken",
                    "rest_framework_simplejwt.tokens.SlidingToken",
                ],
            }
        },
        "jwt: { blacklist: true, header: X-Access-Token, user_id_field: username, user_id_claim: sub,"
        " check_user_is_active: false, check_revoke_token: true, token_types: [access, sliding] }\n",
    )

    no_inactive = Differs(
        "The gateway lets the token pass; portcullis_django takes no user who is inactive",
        status=403,
        body='{"detail":"Authentication credentials were not provided."}',
    )
    cases = [
        Case("right", 200, sent()),
        Case("in Authorization", 401, sent(name="Authorization")),
        Case("none", 401, get(PATH)),
        Case("other claim", 401, sent(sub=ABSENT, user_id="alice")),
        Case("unknown name", 401, sent(user="nobody")),
        Case("id where a name is", 401, sent(user="1")),
        Case("name in another case", 401, sent(user="Alice")),
        Case("beyond ASCII", 401, sent(user="élise")),
        Case("no revoke claim", 401, sent(hash_password=ABSENT)),
        Case("stale revoke claim", 401, sent(hash_password="0" * 32)),
        Case("revoke claim in lower case", 401, sent(hash_password=lambda: rows.revoke_claim("alice").lower())),
        Case("inactive user", 200, sent(user="bob", hash_password=lambda: rows.revoke_claim("bob")), no_inactive),
        Case("sliding token", 200, sent(sliding)),
        Case("refresh token fits neither", 401, sent(refresh)),
        Case("garbage fits neither", 401, get(PATH, "X-Access-Token: Bearer x")),
        Case("obtain", 200, obtain()),
        Case("obtain, inactive user", 401, post("/api/token/", data={**RIGHT, "username": "bob"})),
        Case("refresh, inactive user", 200, lambda: renew(sub="bob")),
        Case("refresh, no revoke claim", 200, lambda: renew(sub="alice")),
    ]

    def test_password_change(self):
        """Attack: a token that was stolen before the password was changed."""

        def conversation(side):
            answer = side.send(obtain())
            rows.set_password("alice", "another")
            side.send(get(PATH, f"X-Access-Token: Bearer {answer.json['access']}"))
            answer = side.send(post("/api/token/refresh/", data={"refresh": answer.json["refresh"]}))
            side.send(get(PATH, f"X-Access-Token: Bearer {answer.json['access']}"))

        self.compare(conversation)


def renew(**changes):
    return post("/api/token/refresh/", data={"refresh": refresh(user_id=ABSENT, **changes)})


def renamed(key=OTHER_KEY, algorithm="HS512", kind="access", **changes):
    def request():
        given = {
            "token_type": ABSENT,
            "jti": ABSENT,
            "kind": kind,
            "tid": "a" * 32,
            "pw": rows.revoke_claim("alice"),
        }
        return get(PATH, bearer(tokens.token("access", {**given, **changes}, key=key, algorithm=algorithm)))

    return request


class ClaimNames(Differential):
    """Other names for type, id and revoke claim; another key and algorithm."""

    variant = Variant(
        {
            "SIMPLE_JWT": {
                "TOKEN_TYPE_CLAIM": "kind",
                "JTI_CLAIM": "tid",
                "REVOKE_TOKEN_CLAIM": "pw",
                "CHECK_REVOKE_TOKEN": True,
                "ALGORITHM": "HS512",
                "SIGNING_KEY": OTHER_KEY,
            }
        },
        "jwt: { blacklist: true, token_type_claim: kind, jti_claim: tid, revoke_token_claim: pw,"
        f" check_revoke_token: true, algorithm: HS512, signing_key: {OTHER_KEY} }}\n",
    )

    cases = [
        Case("right", 200, renamed()),
        Case("usual names", 401, renamed(kind=ABSENT, tid=ABSENT, token_type="access", jti="a" * 32)),
        Case("usual name of the id", 401, renamed(tid=ABSENT, jti="a" * 32)),
        Case("usual name of the type", 401, renamed(kind=ABSENT, token_type="access")),
        Case("usual name of the revoke claim", 401, renamed(pw=ABSENT, hash_password="0")),
        Case("other algorithm of the same key", 401, renamed(algorithm="HS256")),
        Case("the project's SECRET_KEY", 401, renamed(key=tokens.SECRET)),
        Case("obtain", 200, obtain()),
        Case("sliding", 200, post("/api/sliding/", data=RIGHT)),
    ]

    def test_obtain_use_refresh_use(self):
        def conversation(side):
            answer = side.send(obtain())
            side.send(get(PATH, bearer(answer.json["access"])))
            answer = side.send(post("/api/token/refresh/", data={"refresh": answer.json["refresh"]}))
            side.send(get(PATH, bearer(answer.json["access"])))

        self.compare(conversation)


def stateless(path="/stateless/public/", **changes):
    return lambda: get(path, bearer(access(**changes)))


class Stateless(Differential):
    """`JWTStatelessUserAuthentication`: the claims are the user, and nobody asks the database."""

    variant = Variant(gateway="jwt: { blacklist: true, stateless: true }\n")

    why = "Such a token names nobody whom portcullis_django could look up: it takes users who have a row"
    no_row = Differs(why, status=403, body='{"detail":"Authentication credentials were not provided."}')
    nobody = Differs(why, body='{"user":null,"id":null,"authenticated":false}')
    cases = [
        Case("none", 401, get("/stateless/")),
        Case("known user", 200, stateless("/stateless/"), no_row),
        Case("no user id", 401, stateless(user_id=ABSENT)),
        Case("expired", 401, stateless(exp=after(-1))),
        Case("refresh token", 401, lambda: get("/stateless/", bearer(refresh()))),
        Case("bad signature", 401, lambda: get("/stateless/", bearer(tokens.token("access", key="x" * 48)))),
        Case("user id not a number", 200, stateless(user_id="abc"), nobody),
        Case("unknown user", 200, stateless(user_id="99"), nobody),
        Case("inactive user", 200, stateless(user_id="2"), nobody),
    ]


class OldKey(Differential):
    """`SECRET_KEY_FALLBACKS` is for sessions: tokens of the old key are no good."""

    old = "the-key-before-this-one-0123456789-0123456789"
    variant = Variant({"SECRET_KEY_FALLBACKS": [old]}, f"secret_key_fallbacks: [{old}]\njwt: {{ blacklist: true }}\n")
    cases = [
        Case("old key", 401, lambda: get(PATH, bearer(tokens.token("access", key=OldKey.old)))),
        Case("current key", 200, using()),
    ]
