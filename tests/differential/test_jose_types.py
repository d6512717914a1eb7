"""Header parameters (RFC 7515, section 4.1) and registered claims (RFC 7519, section 4.1) of every JSON type.

Attack: a parameter that is read as absent because its type is wrong. A `kid` that is no text then chooses no key, so
that any will do; an `exp` that is no number never comes; an `aud` that is no text is for everybody."""

import base64
import hashlib
import hmac
import json
import uuid

import jwt
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support import Case, Differential, Variant, bearer, get, post
from support.http import exchange
from support.tokens import SECRET, now
from test_simplejwt import INVALID, stricter, theirs_is_500

PATH = "/jwt/"
# As they stand in a token: Python writes and reads some that are not JSON.
VALUES = {
    "null": "null",
    "true": "true",
    "false": "false",
    "zero": "0",
    "one": "1",
    "a fraction": "1.5",
    "a negative number": "-1",
    "a huge number": "1" + "0" * 400,
    "beyond every double": "1e400",
    "not a number": "NaN",
    "infinity": "Infinity",
    "an empty text": '""',
    "a number as text": '"4102444800"',
    "a text": '"x"',
    "half a surrogate": '"\\ud800"',
    "an empty list": "[]",
    "a list of a text": '["x"]',
    "a list of a number": "[1]",
    "a list of both": '["x",1]',
    "a list of null": "[null]",
    "a list of a list": '[["x"]]',
    "an empty object": "{}",
    "an object": '{"x":1}',
}
TEXTS = {'""', '"4102444800"', '"x"'}
LISTS = {"[]", '["x"]'}
NUMBERS = {"0", "1", "1.5", "-1"}
# Python reads these; no other reader of JSON has to.
NO_JSON = {"NaN", "Infinity", "1e400", '"\\ud800"'}

HEADERS = {name: TEXTS for name in ["typ", "cty", "jku", "x5u", "x5t", "x5t#S256", "kid", "alg"]}
HEADERS |= {"jwk": {"{}", '{"x":1}'}, "x5c": LISTS}
CLAIMS = {
    "iss": TEXTS, "sub": TEXTS, "jti": TEXTS, "aud": TEXTS | LISTS, "exp": NUMBERS, "nbf": NUMBERS, "iat": NUMBERS,
}  # fmt: skip

OF_HEADER = stricter(
    "A header parameter of a wrong type makes a token malformed (RFC 7515, section 4.1), though PyJWT reads it nowhere",
    INVALID,
)
OF_CLAIM = stricter(
    "A registered claim of a wrong type makes a token malformed (RFC 7519, section 4.1), though nothing is configured"
    " for it and simplejwt does not ask PyJWT to look",
    INVALID,
)
OF_TIME = stricter("A moment is a JSON number (RFC 7519, section 2), not whatever Python makes a number of", INVALID)
OF_JSON = stricter("Half a surrogate, NaN and numbers beyond every double are not read as JSON (RFC 8259)", INVALID)


def part(members):
    """Of names and the texts of their values, one of each."""
    text = ",".join(f"{json.dumps(name)}:{value}" for name, value in members.items())
    return base64.urlsafe_b64encode(f"{{{text}}}".encode()).rstrip(b"=").decode()


def token(header=None, claims=None, key=SECRET):
    """alice's, signed with the project's key whatever it says."""
    moment = now()
    header = {"alg": '"HS256"', "typ": '"JWT"', **(header or {})}
    own = {
        "token_type": '"access"', "exp": f"{moment + 300}", "iat": f"{moment}", "jti": f'"{uuid.uuid4().hex}"',
        "user_id": '"1"',
    }  # fmt: skip
    signed = f"{part(header)}.{part(own | (claims or {}))}"
    signature = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def using(**parts):
    return lambda: get(PATH, bearer(token(**parts)))


def reference_of_header(name, value):
    """Status of the project itself: PyJWT reads two."""
    if name == "alg":
        return 401
    return 401 if name == "kid" and not value.startswith('"') else 200


class Control(Differential):
    cases = [
        Case("nothing changed", 200, using()),
        Case("nothing changed, another key", 401, lambda: get(PATH, bearer(token(key="x" * 48)))),
    ]


def of_header(name, types):
    for word, value in VALUES.items():
        status = reference_of_header(name, value)
        differs = None
        if status == 200 and value not in types:
            differs = OF_JSON if value in NO_JSON else OF_HEADER
        yield Case(f"{name}, {word}", status, using(header={name: value}), differs)


class Headers(Differential):
    cases = [case for name, types in HEADERS.items() for case in of_header(name, types)]


def reference_of_claim(name, value, known):
    """Status of the project itself. `known` are values that settings ask for: without them PyJWT does not look."""
    if name in ("iss", "aud"):
        return 200 if known is None or value in known else 401
    if name in ("sub", "jti"):
        return 200 if value.startswith('"') else 401
    if name == "exp":
        return 500 if value in (VALUES["a number as text"], VALUES["a huge number"]) else 401
    return 200 if value in NUMBERS | {"true", "false"} else 401


def of_claim(name, types, others, known):
    for word, value in VALUES.items():
        status = reference_of_claim(name, value, known)
        differs = None
        if status == 500:
            differs = theirs_is_500(INVALID)
        elif status == 200 and value not in types:
            of_type = OF_TIME if name in ("nbf", "iat") else OF_CLAIM
            differs = OF_JSON if value in NO_JSON else of_type
        yield Case(f"{name}, {word}", status, using(claims=others | {name: value}), differs)


class Claims(Differential):
    """Neither audience nor issuer is configured."""

    cases = [case for name, types in CLAIMS.items() for case in of_claim(name, types, {}, None)]


class AskedFor(Differential):
    variant = Variant(
        {"SIMPLE_JWT": {"AUDIENCE": "x", "ISSUER": "x"}}, "jwt: { blacklist: true, audience: x, issuer: x }\n"
    )
    good = {"iss": '"x"', "aud": '"x"'}
    cases = [
        Case("both right", 200, using(claims=good)),
        *of_claim("iss", {'"x"'}, good, {'"x"'}),
        *of_claim("aud", {'"x"', '["x"]'}, good, {'"x"', '["x"]'}),
    ]


class Kinds(Differential):
    """Tokens that are there for others."""

    def test_exp(self):
        for kind, path in [("refresh", "/api/token/refresh/"), ("sliding", "/api/sliding/refresh/")]:
            for value in ["null", "true", "[]", "{}", '""', '"x"']:
                with self.subTest(kind=kind, value=value):
                    text = token(claims={"token_type": f'"{kind}"', "refresh_exp": f"{now() + 300}", "exp": value})
                    name = "refresh" if kind == "refresh" else "token"
                    self.compare(lambda side: side.send(post(path, data={name: text})))


# --- any of them, several at a time ----------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
).map(json.dumps)
SOMETHING = st.sampled_from(sorted(VALUES.values())) | ANYTHING
# The same ones each time; where one fails, it is made smaller.
PROPERTY = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def some(names):
    return st.dictionaries(st.sampled_from(sorted(names)), SOMETHING, max_size=2)


class Property(Differential):
    """What the reference refuses, the gateway refuses."""

    def never_looser(self, header, claims):
        pair = self.variant.on(self.database)
        request = get(PATH, bearer(token(header, claims)))
        ours = exchange(pair.gateway.port, request).status
        self.assertIn(ours, (200, 401))
        if ours == 200:
            self.assertEqual(exchange(pair.native.port, request).status, 200, (header, claims))

    def test_simplejwt(self):
        self.tables.use(self.database)
        self.tables.reset()
        PROPERTY(given(some(HEADERS), some(CLAIMS))(self.never_looser))()


class PropertyAskedFor(Property):
    variant = AskedFor.variant

    def never_looser(self, header, claims):
        super().never_looser(header, AskedFor.good | claims)


# --- tokens of another issuer ----------------------------------------------------------------------

NAMED = {"sub": '"of alice"', "preferred_username": '"alice"'}
STRICTER = {
    "header": "An issuer's token with a header parameter of a wrong type is refused (RFC 7515, section 4.1)",
    "exp": "An issuer's token without an end is never good, and its moments are JSON numbers (RFC 7519, section 2)",
    "time": "An issuer's moments are JSON numbers (RFC 7519, section 2) after 1970",
    "json": OF_JSON.why,
}


class Issuer(Differential):
    """The scheme `jwt` with an issuer, beside PyJWT itself under the same settings."""

    secret = "throwaway-secret-of-an-issuer-0123456789-0123456789"
    variant = Variant(
        {},
        "authentication: [{ jwt: { issuer: x, audience: x, leeway: 0s, secret: %s, user: store,"
        " claims: { username: preferred_username } } }]\n" % secret,
    )
    good = NAMED | AskedFor.good

    def reference(self, text):
        try:
            jwt.decode(text, self.secret, algorithms=["HS256"], audience="x", issuer="x", options={"require": ["exp"]})
        except Exception:  # Whatever it is, it lets nobody in.
            return False
        return True

    def judge(self, header=None, claims=None, stricter=None):
        """`stricter` says why the gateway refuses what PyJWT takes."""
        text = token(header, self.good | (claims or {}), self.secret)
        pair = self.variant.on(self.database)
        answer = exchange(pair.gateway.port, get("/api/me/", bearer(text)))
        self.assertIn(answer.status, (200, 401))
        theirs, ours = self.reference(text), answer.status == 200
        if ours:
            self.assertEqual(answer.json["user"], "alice")
        if stricter:
            self.assertFalse(ours, (header, claims))
            if theirs:
                self.differences.append((self.id(), stricter))
            return
        self.assertEqual(ours, theirs, (header, claims))

    def test_right(self):
        self.judge()
        self.judge(header={"kid": '"any"', "x5c": '["MIIB"]', "jwk": "{}"}, claims={"aud": '["y","x"]'})

    def test_header(self):
        for name, types in HEADERS.items():
            for word, value in VALUES.items():
                with self.subTest(name, value=word):
                    wrong = "json" if value in NO_JSON else "header"
                    self.judge({name: value}, stricter=None if value in types else STRICTER[wrong])

    def test_claims(self):
        for name, types in CLAIMS.items():
            for word, value in VALUES.items():
                with self.subTest(name, value=word):
                    wrong = "json" if value in NO_JSON else {"exp": "exp", "nbf": "time", "iat": "time"}.get(name)
                    fits = value in types and value != "-1"
                    self.judge(claims={name: value}, stricter=None if fits else STRICTER.get(wrong))

    def test_name_of_a_wrong_type(self):
        """Attack: the claim that says who it is, of a type that a careless reader makes a text of."""
        for word, value in VALUES.items():
            for value in [value, f"[{value}]", '["alice"]', '{"x":"alice"}']:
                with self.subTest(word, value=value):
                    text = token(claims=self.good | {"preferred_username": value}, key=self.secret)
                    pair = self.variant.on(self.database)
                    self.assertEqual(exchange(pair.gateway.port, get("/api/me/", bearer(text))).status, 401)

    def test_property(self):
        def never_looser(header, claims):
            text = token(header, self.good | claims, self.secret)
            answer = exchange(self.variant.on(self.database).gateway.port, get("/api/me/", bearer(text)))
            if answer.status == 200:
                self.assertTrue(self.reference(text), (header, claims))

        PROPERTY(given(some(HEADERS), some(CLAIMS))(never_looser))()
