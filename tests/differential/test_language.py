"""What refusals and pages say in the client's language. The gateway's words are in the file that `portcullis init`
writes for the same project."""

from support import (
    Differential,
    Variant,
    basic,
    bearer,
    cookies,
    default_classes,
    form,
    get,
    head,
    options,
    patch,
    post,
    raw,
    rows,
    tokens,
)
from support.rows import BOB
from support.tokens import ABSENT, access, after, refresh

OBTAIN, JWT, SLIDING, KNOX = "/api-token-auth/", "/api/token/", "/api/sliding/", "/api/auth/"
REFRESH, VERIFY, BLACKLIST = JWT + "refresh/", JWT + "verify/", JWT + "blacklist/"
RIGHT = {"username": "alice", "password": "correct horse"}
WRONG = {"username": "alice", "password": "wrong"}
BASIC = basic("alice", "correct horse")
CHOOSE = {"CHOOSE_LANGUAGE": True}
FRENCH = {"LANGUAGE_CODE": "fr"}
# Other letters, plurals of their own, a region, a script, and catalogues that only one of the packages has.
LANGUAGES = ["fr", "de", "es", "pl", "ru", "ar", "fa", "ja", "pt-br", "zh-hans", "es-ar", "he"]


def token(text):
    return f"Authorization: Token {text}"


# --- requests as functions of a header line ---------------------------------------------------------


def ask(send, *words, **more):
    return lambda line: send(*words, line, **more)


def using(make=access, path="/jwt/", **changes):
    return lambda line: get(path, bearer(make(**changes)), line)


def sent(path, make, name, **changes):
    return lambda line: post(path, line, data={name: make(**changes)})


def in_session(send, path, *headers, **more):
    return lambda line: send(path, cookies(sessionid=rows.session()), *headers, line, **more)


def said(**given):
    """A test of each refusal: Django's status, and the request."""

    def decorate(cls):
        for name, (status, request) in given.items():
            setattr(cls, f"test_{name}", test_of(status, request))
        return cls

    return decorate


def test_of(status, request):
    return lambda self: self.in_each_language(status, request)


class Said(Differential):
    """One request, in one language after the other."""

    variant = Variant(languages=CHOOSE)
    # Whether Django has anything to translate in it.
    translated = True

    def in_each_language(self, status, request):
        lengths = set()

        def conversation(side):
            for code in LANGUAGES:
                answer = side.send(request(f"Accept-Language: {code}"))
                self.assertEqual(answer.status, status, f"{side.name}: {answer.body[:400]!r}")
                if not side.is_gateway:
                    lengths.add(answer.header("content-length"))

        self.compare(conversation)
        self.assertEqual(len(lengths) > 1, self.translated, f"Django's answers are {lengths} bytes long")


@said(
    nobody_basic=(401, ask(get, "/basic/")),
    nobody_session=(403, ask(get, "/session/")),
    nobody_knox=(401, ask(get, "/knox/")),
    nobody_jwt=(401, ask(get, "/jwt/")),
    nobody_posts=(401, ask(post, "/token/", data={})),
    nobody_asks_for_a_head=(401, ask(head, "/token/")),
    nobody_where_no_class_is=(403, ask(get, "/no-class/")),
    bad_token=(401, ask(get, "/token/", token("bad"))),
    bad_token_after_a_session=(403, ask(get, "/session-token/", token("bad"))),
    token_alone=(401, ask(get, "/token/", "Authorization: Token")),
    token_with_spaces=(401, ask(get, "/token/", token("a b"))),
    token_beyond_ascii=(401, ask(get, "/token/", b"Authorization: Token \xff")),
    token_of_an_inactive_user=(401, ask(get, "/token/", token(BOB))),
    knox_token=(401, ask(get, "/knox/", token("bad"))),
    basic_alone=(401, ask(get, "/basic/", "Authorization: Basic")),
    basic_with_spaces=(401, ask(get, "/basic/", "Authorization: Basic a b")),
    basic_that_is_no_base64=(401, ask(get, "/basic/", "Authorization: Basic abc")),
    wrong_password=(401, ask(get, "/basic/", basic("alice", "wrong"))),
    dead_session=(403, ask(get, "/session/", cookies(sessionid="x" * 32))),
    denied=(403, ask(get, "/api/staff/", BASIC)),
    method_of_a_view=(405, ask(patch, "/basic/", BASIC)),
    format_of_a_view=(404, ask(get, "/basic/?format=zzz", BASIC)),
    accept_of_a_view=(406, ask(get, "/basic/", BASIC, "Accept: application/xml")),
)
class Views(Said):
    """Who is asking, and what that one may."""


class ViewsInFrench(Views):
    """`LANGUAGE_CODE` alone: nobody is asked."""

    variant = Variant(languages=FRENCH)
    translated = False


@said(
    garbage=(401, ask(get, "/jwt/", bearer("x"))),
    expired=(401, using(exp=after(-1))),
    other_key=(401, lambda line: get("/jwt/", bearer(tokens.token("access", key="x" * 48)), line)),
    refresh_token=(401, using(refresh)),
    no_type=(401, using(token_type=ABSENT)),
    no_jti=(401, using(jti=ABSENT)),
    no_user=(401, using(user_id=ABSENT)),
    unknown_user=(401, using(user_id="99")),
    inactive_user=(401, using(user_id="2")),
    three_parts=(401, ask(get, "/jwt/", "Authorization: Bearer a b")),
)
class Tokens(Said):
    """simplejwt's: the outer text has translations in most languages, the inner one in few."""


@said(stale=(401, using(hash_password="0" * 32)))
class RevokeClaim(Said):
    variant = Variant(
        {"SIMPLE_JWT": {"CHECK_REVOKE_TOKEN": True}},
        "jwt: { blacklist: true, check_revoke_token: true }\n",
        languages=CHOOSE,
    )


@said(
    required=(400, ask(post, OBTAIN, data={})),
    nothing_in_a_form=(400, ask(form, OBTAIN)),
    blank=(400, ask(post, OBTAIN, data={"username": "", "password": ""})),
    null=(400, ask(post, OBTAIN, data={"username": None, "password": None})),
    no_text=(400, ask(post, OBTAIN, data={"username": [], "password": True})),
    nul=(400, ask(post, OBTAIN, data={"username": "a\0", "password": "a"})),
    a_list=(400, ask(post, OBTAIN, data=[])),
    wrong_password=(400, ask(post, OBTAIN, data=WRONG)),
    method=(405, ask(get, OBTAIN)),
    media_type=(415, ask(post, OBTAIN, "Content-Type: text/plain", data=b"{}")),
    no_media_type=(415, lambda line: raw("POST", OBTAIN, line, body=b"{}")),
    accept=(406, ask(post, OBTAIN, "Accept: text/html", data=RIGHT)),
    unknown_format=(404, ask(post, OBTAIN + "?format=zzz", data=RIGHT)),
    metadata=(200, ask(options, OBTAIN)),
)
class ObtainToken(Said):
    variant = default_classes("token", "basic", languages=CHOOSE)


class ObtainTokenInFrench(ObtainToken):
    variant = default_classes("token", "basic", languages=FRENCH)
    translated = False


@said(
    malformed=(400, ask(post, OBTAIN, data=b"{")),
    null_alone=(400, ask(post, OBTAIN, data=b"null")),
    boundary=(400, ask(post, OBTAIN, "Content-Type: multipart/form-data", data=b"x")),
    right=(200, ask(post, OBTAIN, data=RIGHT)),
    without_the_slash=(301, ask(post, OBTAIN[:-1], data=RIGHT)),
)
class ObtainTokenUntranslated(Said):
    """What Python says of a body is in no catalogue."""

    variant = ObtainToken.variant
    translated = False


@said(
    refresh_metadata=(200, ask(options, REFRESH)),
    blacklist_metadata=(200, ask(options, BLACKLIST)),
    tokens=(200, ask(post, JWT, data=RIGHT)),
    without_the_slash=(301, ask(post, JWT[:-1], data=RIGHT)),
)
class JwtPagesUntranslated(Said):
    """Fields without a label of their own are called what they are called in Python."""

    translated = False


@said(
    required=(400, ask(post, JWT, data={})),
    blank=(400, ask(post, JWT, data={"username": "", "password": " "})),
    no_text=(400, ask(post, JWT, data={"username": {}, "password": True})),
    wrong_password=(401, ask(post, JWT, data=WRONG)),
    method=(405, ask(get, JWT)),
    head=(405, ask(head, JWT)),
    media_type=(415, ask(post, JWT, "Content-Type: text/plain", data=b"{}")),
    accept=(406, ask(post, JWT, "Accept: application/xml", data=RIGHT)),
    sliding_required=(400, ask(post, SLIDING, data={})),
    sliding_refresh_access=(401, sent(SLIDING + "refresh/", access, "token")),
    refresh_required=(400, ask(post, REFRESH, data={})),
    refresh_garbage=(401, ask(post, REFRESH, data={"refresh": "x"})),
    refresh_expired=(401, sent(REFRESH, refresh, "refresh", exp=after(-1))),
    refresh_access=(401, sent(REFRESH, access, "refresh")),
    refresh_no_type=(401, sent(REFRESH, refresh, "refresh", token_type=ABSENT)),
    refresh_inactive=(401, sent(REFRESH, refresh, "refresh", user_id="2")),
    verify_garbage=(401, ask(post, VERIFY, data={"token": "x"})),
    verify_no_jti=(401, sent(VERIFY, access, "token", jti=ABSENT)),
    blacklist_access=(401, sent(BLACKLIST, access, "refresh")),
)
class JwtPages(Said):
    def test_blacklisted(self):
        def request(line):
            one = refresh()
            rows.blacklist(one)
            return post(REFRESH, line, data={"refresh": one})

        self.in_each_language(401, request)


@said(
    nobody=(401, ask(post, KNOX + "login/")),
    wrong_password=(401, ask(post, KNOX + "login/", basic("alice", "wrong"))),
    method=(405, ask(get, KNOX + "login/", BASIC)),
    log_out=(401, ask(post, KNOX + "logout/")),
    log_out_bad_token=(401, ask(post, KNOX + "logoutall/", token("bad"))),
)
class KnoxPages(Said):
    variant = default_classes(
        "basic",
        django={"REST_KNOX": {"TOKEN_LIMIT_PER_USER": 1, "USER_SERIALIZER": "knox.serializers.UserSerializer"}},
        gateway="knox: { limit_per_user: 1, user_fields: [username] }\n",
        languages=CHOOSE,
    )


@said(metadata=(200, ask(options, KNOX + "login/", BASIC)))
class KnoxPagesUntranslated(Said):
    variant = KnoxPages.variant
    translated = False

    def test_limit(self):
        def conversation(side):
            rows.knox()
            for code in LANGUAGES:
                side.send(post(KNOX + "login/", BASIC, f"Accept-Language: {code}"))

        self.compare(conversation)

    def test_user_called_like_a_message(self):
        """Attack: a user takes a name that has translations, and is somebody else in another language."""
        for name in ("Password", "Username", "Token", "Not found."):
            with self.subTest(name):
                self.compare(self.named(name))

    def named(self, name):
        def conversation(side):
            rows.rename("alice", name)
            answer = side.send(post(KNOX + "login/", basic(name, "correct horse"), "Accept-Language: fr"))
            self.assertEqual(answer.json.get("user"), {"username": name}, f"{side.name} {answer}")

        return conversation


@said(
    token_missing=(403, in_session(post, "/session/")),
    other_origin=(403, in_session(post, "/session/", "Origin: http://evil.example")),
    referer_missing=(403, in_session(post, "/session/", "X-Forwarded-Proto: https")),
)
class Csrf(Said):
    """Its reasons are for developers, and in English."""

    translated = False


# --- waits ------------------------------------------------------------------------------------------

SCOPES = {"0-s": "0/s", "0-m": "0/m"}


def limited(languages):
    """A limit of 0 makes everybody wait for one second or for sixty."""
    throttles = ["rest_framework.throttling.ScopedRateThrottle"]
    return Variant(
        {"REST_FRAMEWORK": {"DEFAULT_THROTTLE_CLASSES": throttles, "DEFAULT_THROTTLE_RATES": SCOPES}},
        public={
            f"/scoped/{name}/": f"throttle: [{{ scope: {{ name: {name}, rate: {rate} }} }}]"
            for name, rate in SCOPES.items()
        },
        languages=languages,
    )


@said(sixty_seconds=(429, ask(get, "/scoped/0-m/")))
class Throttled(Said):
    variant = limited(CHOOSE)
