"""`JWTAuthentication`: using an access token. Claims are read as PyJWT reads them."""

import base64
import json

from support import Case, Differential, bearer, get, head, on_every_database, options, post, refusal, rows, tokens
from support.differences import TWO_AUTHORIZATIONS
from support.tokens import ABSENT, SECRET, access, after, now, refresh, sliding

PATH = "/jwt/"
CHALLENGE = 'Bearer realm="api"'
INVALID = {
    "detail": "Given token not valid for any token type",
    "code": "token_not_valid",
    "messages": [{"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid"}],
}
NO_USER = {"detail": "User not found", "code": "user_not_found"}


def using(make=access, **changes):
    """A request with a token that has these claims."""
    return lambda: get(PATH, bearer(make(**changes)))


def header(*lines):
    return lambda: get(PATH, *lines)


def stricter(why, detail):
    return refusal(why, 401, detail, CHALLENGE, allow="GET, POST, HEAD, OPTIONS", vary=["accept"])


def theirs_is_500(detail):
    return stricter("Django fails with 500 over a claim that no code of its own writes; here the token is bad", detail)


@on_every_database
class Users(Differential):
    no_number = stricter("A user id is a number or its digits, not whatever Python makes a number of", NO_USER)
    cases = [
        Case("valid", 200, using()),
        Case("another user", 200, using(user_id="4")),
        Case("user id as a number", 200, using(user_id=1)),
        Case("user id with blanks", 200, using(user_id=" 1 "), no_number),
        Case("unknown user", 401, using(user_id="99")),
        Case("user id null", 401, using(user_id=None)),
        Case("no user id", 401, using(user_id=ABSENT)),
        Case("inactive user", 401, using(user_id="2")),
        Case("user id true", 200, using(user_id=True), no_number),
        Case("user id a fraction", 200, using(user_id=1.5), no_number),
        Case("user id not a number", 500, using(user_id="abc"), theirs_is_500(NO_USER)),
        Case("user id empty", 500, using(user_id=""), theirs_is_500(NO_USER)),
        Case("user id a list", 500, using(user_id=[1]), theirs_is_500(NO_USER)),
        Case("user id an object", 500, using(user_id={"a": 1}), theirs_is_500(NO_USER)),
        Case("user id beyond the column", 401, using(user_id="99999999999999999999")),
        Case("negative user id", 401, using(user_id="-1")),
    ]


class Header(Differential):
    """The prefix is compared with its case; another one is no credential at all."""

    cases = [
        Case("none", 401, get(PATH)),
        Case("empty", 401, get(PATH, "Authorization:")),
        Case("prefix in lower case", 401, header(f"Authorization: bearer {access()}")),
        Case("prefix in upper case", 401, header(f"Authorization: BEARER {access()}")),
        Case("other prefix", 401, header(f"Authorization: JWT {access()}")),
        Case("in the query string", 401, lambda: get(f"{PATH}?token={access()}")),
        Case("prefix alone", 401, get(PATH, "Authorization: Bearer")),
        Case("three parts", 401, get(PATH, "Authorization: Bearer a b")),
        Case("several blanks", 200, lambda: get(PATH, f"Authorization: Bearer    {access()}")),
        Case("tab", 200, lambda: get(PATH, f"Authorization: Bearer\t{access()}")),
        Case("HEAD without", 401, head(PATH)),
        Case("HEAD with", 200, lambda: head(PATH, bearer(access()))),
        Case("OPTIONS without", 401, options(PATH)),
        Case("OPTIONS with", 200, lambda: options(PATH, bearer(access()))),
        Case("POST needs no CSRF token", 200, lambda: post(PATH, bearer(access()))),
        Case("anyone may, none", 200, get("/jwt/public/")),
        Case("anyone may, bad token", 401, get("/jwt/public/", bearer("x"))),
        Case("anyone may, expired", 401, lambda: get("/jwt/public/", bearer(access(exp=after(-1))))),
    ]


class TwoHeaders(Differential):
    """Attack: a second header, in the hope that the gateway judges one and the application reads the other."""

    cases = [
        Case("two users", 401, lambda: get(PATH, bearer(access()), bearer(access(user_id="3"))), TWO_AUTHORIZATIONS),
    ]


def made(**changes):
    return lambda: get(PATH, bearer(tokens.token("access", **changes)))


def edited(edit):
    return lambda: get(PATH, bearer(edit(*access().split("."))))


class Signature(Differential):
    """Attack: a token that nobody who has the key has signed."""

    cases = [
        Case("garbage", 401, get(PATH, bearer("garbage"))),
        Case("two dots", 401, get(PATH, bearer(".."))),
        Case("four parts", 401, edited(lambda h, p, s: f"{h}.{p}.{s}.x")),
        Case("no signature", 401, edited(lambda h, p, s: f"{h}.{p}.")),
        Case("signature cut", 401, edited(lambda h, p, s: f"{h}.{p}.{s[:-4]}")),
        Case("payload of another user", 401, edited(lambda h, p, s: f"{h}.{access(user_id='3').split('.')[1]}.{s}")),
        Case(
            "padding written out",
            200,
            edited(lambda h, p, s: f"{h}.{p}.{s}="),
            stricter("A JWS has no padding (RFC 7515, section 2)", INVALID),
        ),
        Case("other key", 401, made(key="x" * 48)),
        Case("alg none", 401, edited(lambda h, p, s: f"{part(alg='none', typ='JWT')}.{p}.")),
        Case("alg None", 401, edited(lambda h, p, s: f"{part(alg='None', typ='JWT')}.{p}.")),
        Case("alg of no name", 401, edited(lambda h, p, s: f"{part(typ='JWT')}.{p}.{s}")),
        Case("HS384 with the right key", 401, made(algorithm="HS384")),
        Case("HS512 with the right key", 401, made(algorithm="HS512")),
        Case("says RS256", 401, edited(lambda h, p, s: f"{part(alg='RS256', typ='JWT')}.{p}.{s}")),
        Case("beyond ASCII", 401, get(PATH, "Authorization: Bearer é")),
        Case("not UTF-8", 401, get(PATH, b"Authorization: Bearer \xe9")),
        Case("kid in the header", 200, made(header={"kid": "../../etc/passwd"})),
        Case("typ of RFC 9068", 200, made(header={"typ": "at+jwt"})),
        Case("jwk in the header", 200, made(header={"jwk": {"kty": "oct", "k": "eA"}})),
        Case("crit in the header", 401, made(header={"crit": ["exp"]})),
        Case("crit empty", 401, made(header={"crit": []})),
        Case("b64 false", 401, made(header={"b64": False, "crit": ["b64"]})),
        Case("payload is a list", 401, lambda: get(PATH, bearer(tokens.sign([1])))),
        Case("payload is not JSON", 401, lambda: get(PATH, bearer(tokens.sign_bytes(b"x")))),
        Case("header is a list", 401, edited(lambda h, p, s: f"{encoded([1])}.{p}.{s}")),
        Case("very long", 401, get(PATH, bearer("a" * 7000))),
    ]


class Claims(Differential):
    cases = [
        Case("exp now", 401, using(exp=after(0))),
        Case("exp passed", 401, using(exp=after(-1))),
        Case("exp missing", 401, using(exp=ABSENT)),
        Case("exp null", 401, using(exp=None)),
        Case("exp a fraction", 200, using(exp=after(300.5))),
        Case("exp true", 401, using(exp=True)),
        Case("exp text that is a number", 500, using(exp=lambda: str(now() + 300)), theirs_is_500(INVALID)),
        Case("exp text", 401, using(exp="tomorrow")),
        Case("exp a list", 401, using(exp=[])),
        Case("exp beyond every calendar", 500, using(exp=10**20), theirs_is_500(INVALID)),
        Case("exp negative", 401, using(exp=-1)),
        Case("iat in the future", 401, using(iat=after(300))),
        Case("iat missing", 200, using(iat=ABSENT)),
        Case("iat text", 401, using(iat="yesterday")),
        Case("iat a fraction", 200, using(iat=after(-0.5))),
        Case("nbf in the future", 401, using(nbf=after(300))),
        Case("nbf passed", 200, using(nbf=after(-1))),
        Case("nbf text", 401, using(nbf="tomorrow")),
        Case("jti missing", 401, using(jti=ABSENT)),
        Case("jti empty", 200, using(jti="")),
        Case("jti a number", 401, using(jti=1)),
        Case("sub a number", 401, using(sub=1)),
        Case("sub text", 200, using(sub="somebody")),
        Case("type missing", 401, using(token_type=ABSENT)),
        Case("type null", 401, using(token_type=None)),
        Case("type in another case", 401, using(token_type="Access")),
        Case("refresh token", 401, using(refresh)),
        Case("sliding token", 401, using(sliding)),
        Case("expired refresh token", 401, using(refresh, exp=after(-1))),
        Case("neither jti nor type", 401, using(jti=ABSENT, token_type=ABSENT)),
        Case("aud while not configured", 200, using(aud="somebody")),
        Case("aud list while not configured", 200, using(aud=["a", "b"])),
        Case("iss while not configured", 200, using(iss="somebody")),
        Case("claims of the project's own", 200, using(name="ä", roles=["x"])),
        Case(
            "claim twice, the last counts",
            200,
            lambda: get(PATH, bearer(twice("user_id", '"3"'))),
            stricter("A claim that is there twice is refused, as RFC 7519, section 4 would have it", INVALID),
        ),
    ]

    def test_user_deleted_after_issue(self):
        def conversation(side):
            token = access(user_id="5")
            side.send(get(PATH, bearer(token)))
            rows.delete_user("nopass")
            side.send(get(PATH, bearer(token)))

        self.compare(conversation)

    def test_password_changed_after_issue(self):
        """No claim says which password it was: the token goes on."""

        def conversation(side):
            token = access()
            rows.set_password("alice", "another")
            side.send(get(PATH, bearer(token)))

        self.compare(conversation)


class Vectors(Differential):
    """Fixed bytes, of a token for the year 2100."""

    payload = (
        "eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6IjAxMjM0NTY3ODlhYmNkZWYw"
        "MTIzNDU2Nzg5YWJjZGVmIiwidXNlcl9pZCI6IjEifQ"
    )
    signature = "uG0480n_VTL_CkvKJZWsq_EIiN9PnHNLuRqsRmbiIIM"
    cases = [
        Case("HS256", 200, get(PATH, bearer(f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{payload}.{signature}"))),
    ]


def part(**members):
    return encoded(members)


def encoded(value):
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()


def twice(name, value):
    """A token whose payload has a member a second time at its end."""
    payload = base64.urlsafe_b64decode(access().split(".")[1] + "==")
    return tokens.sign_bytes(payload[:-1] + f',"{name}":{value}}}'.encode(), key=SECRET)
