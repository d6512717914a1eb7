"""allauth's `JWTTokenAuthentication`: access tokens of the headless API's JWT strategy."""

import uuid

from support import Case, Differential, Variant, bearer, get, head, on_every_database, post, refusal, tokens
from support.tokens import ABSENT, SECRET, access, after, now
import test_simplejwt_keys
from project.settings import INSTALLED_APPS, MIDDLEWARE

PATH = "/headless/"
ALLAUTH = {
    "INSTALLED_APPS": [*INSTALLED_APPS, "allauth", "allauth.account", "allauth.headless"],
    "MIDDLEWARE": [*MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"],
}
# Its tests are not these.
PAIR = test_simplejwt_keys.Rsa
INVALID = "Invalid token."
INACTIVE = "User inactive or deleted."


def token(key=SECRET, algorithm="HS256", **changes):
    """As `create_access_token` makes it, with these claims."""
    payload = {
        "iat": now(), "exp": now() + 300, "sid": "AAAA", "jti": str(uuid.uuid4()), "token_use": "access", "sub": "1",
        **changes,
    }  # fmt: skip
    payload = {name: value() if callable(value) else value for name, value in payload.items() if value is not ABSENT}
    return tokens.sign(payload, key=key, algorithm=algorithm)


def using(path=PATH, **changes):
    return lambda: get(path, bearer(token(**changes)))


def refused(why, detail):
    return refusal(why, 401, detail, "Bearer", allow="GET, POST, HEAD, OPTIONS", vary=["accept"])


INACTIVE_ENDS = refused("An inactive user's token ends with the account, not only with its own time", INACTIVE)
BROKEN = refused("allauth asks for the user late, and Django fails with 500", INVALID)


@on_every_database
class Users(Differential):
    variant = Variant(ALLAUTH)
    cases = [
        Case("valid", 200, using()),
        Case("another user", 200, using(sub="4")),
        Case("HEAD", 200, lambda: head(PATH, bearer(token()))),
        Case("POST", 200, lambda: post(PATH, bearer(token()), data={})),
        # Attack: an account that was switched off goes on by the tokens that it has.
        Case("inactive user", 200, using(sub="2"), INACTIVE_ENDS),
        Case("unknown user", 500, using(sub="99"), BROKEN),
        Case("no key", 500, using(sub="alice"), BROKEN),
        Case("empty key", 500, using(sub=""), BROKEN),
    ]


class Header(Differential):
    variant = Variant(ALLAUTH)
    cases = [
        Case("none", 401, get(PATH)),
        Case("keyword in lower case", 200, lambda: get(PATH, f"Authorization: bearer {token()}")),
        Case("other keyword", 401, lambda: get(PATH, f"Authorization: Token {token()}")),
        Case("keyword alone", 401, get(PATH, "Authorization: Bearer")),
        Case("three parts", 401, get(PATH, "Authorization: Bearer a b")),
        Case("bytes", 401, get(PATH, b"Authorization: Bearer \xff")),
        Case("behind a session", 200, using("/session-headless/")),
        Case("behind a session, bad", 403, using("/session-headless/", exp=after(-1))),
    ]


class Claims(Differential):
    """Attack: a token that was made for something else, or whose end has come, opens this door."""

    variant = Variant(ALLAUTH)
    cases = [
        Case("refresh token", 401, using(token_use="refresh")),
        Case("no use", 401, using(token_use=ABSENT)),
        Case("use a list", 401, using(token_use=["access"])),
        Case("simplejwt's token", 401, lambda: get(PATH, bearer(access()))),
        Case("over", 401, using(exp=after(-1))),
        Case("no end", 200, using(exp=ABSENT)),
        Case("end a text", 401, using(exp="tomorrow")),
        Case("begins later", 401, using(nbf=after(300))),
        Case("made later", 401, using(iat=after(300))),
        Case("no sid", 401, using(sid=ABSENT)),
        Case("sid a number", 401, using(sid=1)),
        Case("no jti", 401, using(jti=ABSENT)),
        Case("no sub", 401, using(sub=ABSENT)),
        Case("sub a number", 401, using(sub=1)),
        Case("for an audience", 200, using(aud="somebody")),
        Case("of an issuer", 200, using(iss="somebody")),
        Case("other key", 401, using(key="another-throwaway-key-0123456789-0123456789")),
        Case("other algorithm", 401, using(algorithm="HS512")),
        Case("no token", 401, get(PATH, bearer("x.y.z"))),
        Case("two parts", 401, get(PATH, bearer("x.y"))),
    ]


class PassesOn(Differential):
    """Two classes read `Bearer`; the first leaves to the second what is not its own."""

    variant = Variant(ALLAUTH)
    path = "/lenient-jwt/"
    cases = [
        Case("its own", 200, using(path)),
        Case("simplejwt's", 200, lambda: get("/lenient-jwt/", bearer(access()))),
        Case("over", 401, using(path, exp=after(-1))),
        Case("refresh token", 401, using(path, token_use="refresh")),
        Case("keyword alone", 401, get(path, "Authorization: Bearer")),
        Case("none", 401, get(path)),
    ]


class Rsa(Differential):
    """The gateway has the public half alone."""

    private, public = PAIR.private, PAIR.public
    variant = Variant(
        {**ALLAUTH, "HEADLESS_JWT_ALGORITHM": "RS256", "HEADLESS_JWT_PRIVATE_KEY": private},
        "headless:\n  jwt_verifying_key: |\n" + "".join(f"    {line}\n" for line in public.splitlines()),
    )

    def both(self, text):
        self.compare(lambda side: side.send(get(PATH, bearer(text))))

    def test_right(self):
        self.both(token(self.private, "RS256"))

    def test_other_key(self):
        self.both(token(PAIR.other, "RS256"))

    def test_signed_with_the_public_key_as_if_it_were_a_secret(self):
        """Attack: everybody knows the public key, and HS256 takes any bytes for its key (CVE-2015-9235)."""
        payload = token(self.private, "RS256").split(".")[1]
        self.both(tokens.confused(payload, self.public, "HS256"))
