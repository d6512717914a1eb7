"""Which language it is: `LocaleMiddleware` asks a cookie, then `Accept-Language`, then `LANGUAGE_CODE`. And what every
answer says of it, in `Vary` and `Content-Language`."""

from support import (
    LOGIN,
    LOGOUT,
    Browser,
    Case,
    Differential,
    Differs,
    Variant,
    cookies,
    form,
    get,
    head,
    options,
    patch,
    post,
    rows,
)
from support.differences import CAREFUL_HEADERS, NOT_FOUND, no_method
from support.rows import ALICE

PATH = "/token/"
TOKEN = f"Authorization: Token {ALICE}"
CHOOSE = {"CHOOSE_LANGUAGE": True}


def spoken(*texts, cookie=None, path=PATH):
    lines = [b"Accept-Language: " + (text if isinstance(text, bytes) else text.encode()) for text in texts]
    return get(path, *lines, *([cookies(django_language=cookie)] if cookie is not None else []))


class AcceptLanguage(Differential):
    variant = Variant(languages=CHOOSE)
    cases = [
        Case("none", 401, spoken()),
        Case("empty", 401, spoken("")),
        Case("one", 401, spoken("fr")),
        Case("several", 401, spoken("fr, de, es")),
        Case("no blanks", 401, spoken("de,fr")),
        Case("many blanks", 401, spoken("  de  ,  fr  ")),
        Case("tabs", 401, spoken("xx\t,\tde")),
        Case("English", 401, spoken("en")),
        Case("English of a country", 401, spoken("en-gb, fr")),
        Case("upper case", 401, spoken("FR")),
        Case("unknown", 401, spoken("xx")),
        Case("unknown first", 401, spoken("xx, de")),
        Case("anything", 401, spoken("*")),
        Case("anything first", 401, spoken("*, de")),
        Case("anything last", 401, spoken("xx, *")),
        Case("anything with less weight", 401, spoken("*;q=0.5, de;q=0.7")),
        # As browsers send it.
        Case("browser", 401, spoken("de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7")),
        Case("browser of a country", 401, spoken("es-419,es;q=0.9,pt;q=0.8")),
    ]


class Weight(Differential):
    variant = AcceptLanguage.variant
    cases = [
        Case("order of weights", 401, spoken("fr;q=0.5, de;q=0.9")),
        Case("same weight", 401, spoken("de;q=0.5, fr;q=0.5")),
        Case("none is 1", 401, spoken("fr;q=0.9, de")),
        Case("1", 401, spoken("fr;q=0.9, de;q=1")),
        Case("1.000", 401, spoken("fr;q=0.9, de;q=1.000")),
        Case("three digits", 401, spoken("fr;q=0.123, de;q=0.124")),
        Case("0", 401, spoken("fr;q=0")),
        Case("0 beside another", 401, spoken("fr;q=0, de;q=0.001")),
        Case("0 with a point", 401, spoken("fr;q=0.")),
        Case("blanks around the semicolon", 401, spoken("fr ; q=0.1, de ;q=0.2")),
        Case("blanks around the sign", 401, spoken("fr;q = 0.1")),
        Case("above 1", 401, spoken("fr;q=1.1")),
        Case("above 1 in a digit", 401, spoken("fr;q=1.001")),
        Case("negative", 401, spoken("fr;q=-1")),
        Case("with a sign", 401, spoken("fr;q=+1")),
        Case("no digits", 401, spoken("fr;q=")),
        Case("no sign", 401, spoken("fr;q")),
        Case("semicolon alone", 401, spoken("fr;")),
        Case("word", 401, spoken("fr;q=high")),
        Case("not a number", 401, spoken("fr;q=nan")),
        Case("infinite", 401, spoken("fr;q=inf")),
        Case("exponent", 401, spoken("fr;q=1e-1")),
        Case("four digits", 401, spoken("fr;q=0.1234")),
        Case("point first", 401, spoken("fr;q=.5")),
        Case("two zeros", 401, spoken("fr;q=00.5")),
        Case("another parameter", 401, spoken("fr;level=1")),
        Case("two parameters", 401, spoken("fr;q=0.5;level=1")),
    ]


class Syntax(Differential):
    """One odd part, and Django reads none of it."""

    variant = AcceptLanguage.variant
    cases = [
        Case("bad character", 401, spoken("fr, b@d")),
        Case("bad character first", 401, spoken("b@d, fr")),
        Case("underscore", 401, spoken("fr_CA, fr")),
        Case("blank inside", 401, spoken("fr de")),
        Case("empty part", 401, spoken("fr,,de")),
        Case("comma first", 401, spoken(",fr")),
        Case("comma alone", 401, spoken(",")),
        Case("dash last", 401, spoken("fr-")),
        Case("dash first", 401, spoken("-fr")),
        Case("two dashes", 401, spoken("fr--ca")),
        Case("digit first", 401, spoken("1f, fr")),
        Case("quotes", 401, spoken('"fr"')),
        Case("nine letters", 401, spoken("abcdefghi, fr")),
        Case("eight letters", 401, spoken("abcdefgh, fr")),
        Case("nine letters in the second part", 401, spoken("fr-abcdefghi")),
        Case("star with a country", 401, spoken("*-fr, de")),
        Case("country of a star", 401, spoken("fr-*, de")),
        Case("beyond ASCII", 401, spoken("fr, é")),
        Case("bytes that are no UTF-8", 401, spoken(b"fr, \xff")),
        Case("beyond ASCII in digits", 401, spoken("fr;q=0.٥")),
        Case("two fields", 401, spoken("xx", "de")),
        Case("two fields, the second odd", 401, spoken("fr", "b@d")),
    ]


class Length(Differential):
    """Attack: a header that takes long to read or fills what remembers it. Django cuts it after 500 characters."""

    variant = AcceptLanguage.variant
    cases = [
        Case("fits", 401, spoken("xx," * 166 + "fr")),
        Case("cut in the last part", 401, spoken("xx," * 166 + "fr-ca")),
        Case("cut behind the last part", 401, spoken("xx," * 165 + "de," + "fr-ca")),
        Case("beyond", 401, spoken("xx," * 200 + "fr")),
        Case("before what is cut", 401, spoken("fr," + "xx," * 2000)),
        Case("odd behind the cut", 401, spoken("fr," + "xx," * 200 + "b@d")),
        Case("no comma", 401, spoken("fr" + "-abcdefgh" * 100)),
        Case("comma first", 401, spoken("," + "fr-" * 200)),
        Case("long code", 401, spoken("fr" + "-abcdefgh" * 50)),
    ]


class Code(Differential):
    """A region is served by its language, and the other way round."""

    variant = AcceptLanguage.variant
    cases = [
        Case(code, 401, spoken(code))
        for code in [
            *("fr-ca", "fr-ca-x-y", "de-at", "es-mx", "es-419", "pt", "pt-pt", "pt-ao", "en-us", "en-au", "en-gb-x"),
            *("zh", "zh-cn", "zh-CN", "zh-hk", "zh-tw", "zh-mo", "zh-sg", "zh-hans", "zh-hant", "zh-Hant-TW", "zh-xx"),
            *("zh-hans-cn", "sr", "sr-latn", "sr-rs", "no", "nb", "nn", "nb-no", "be-tarask", "he", "iw", "fy", "x"),
        ]
    ]


class Cookie(Differential):
    """It comes before the header."""

    variant = AcceptLanguage.variant
    cases = [
        Case("known", 401, spoken(cookie="fr")),
        Case("before the header", 401, spoken("de", cookie="fr")),
        Case("English", 401, spoken("de", cookie="en")),
        Case("unknown", 401, spoken("de", cookie="xx")),
        Case("empty", 401, spoken("de", cookie="")),
        Case("upper case", 401, spoken("de", cookie="FR")),
        Case("of a country", 401, spoken("de", cookie="fr-ca")),
        Case("generic", 401, spoken("de", cookie="pt")),
        Case("alias", 401, spoken("de", cookie="zh-cn")),
        Case("star", 401, spoken("de", cookie="*")),
        Case("weight", 401, spoken("de", cookie="fr;q=0.5")),
        Case("list", 401, spoken("de", cookie="fr, es")),
        Case("quoted", 401, spoken("de", cookie='"fr"')),
        Case("path of a file", 401, spoken("de", cookie="../fr")),
        Case("underscore", 401, spoken("de", cookie="fr_CA")),
        Case("dash last", 401, spoken("de", cookie="fr-")),
        Case("two", 401, get(PATH, "Cookie: django_language=fr; django_language=es")),
        Case("another name", 401, get(PATH, cookies(language="fr"))),
        Case("long", 401, spoken("de", cookie="fr" * 2000)),
        Case("long, with a dash", 401, spoken("de", cookie="fr-" + "a" * 2000)),
        Case("many dashes", 401, spoken("de", cookie="fr" + "-a" * 1000)),
    ]


class OwnCookie(Differential):
    variant = Variant(languages={**CHOOSE, "LANGUAGE_COOKIE_NAME": "tongue"})
    cases = [
        Case("its name", 401, get(PATH, cookies(tongue="fr"))),
        Case("Django's name", 401, get(PATH, cookies(django_language="fr"))),
    ]


class German(Differential):
    """A project that speaks German where nobody wants anything else."""

    variant = Variant(languages={**CHOOSE, "LANGUAGE_CODE": "de"})
    cases = [
        Case("none", 401, spoken()),
        Case("unknown", 401, spoken("xx")),
        Case("odd", 401, spoken("fr, b@d")),
        Case("anything", 401, spoken("*")),
        Case("English", 401, spoken("en")),
        Case("English of the United States", 401, spoken("en-us")),
        Case("French", 401, spoken("fr")),
        Case("cookie", 401, spoken("fr", cookie="en")),
        Case("view", 200, get(PATH, TOKEN)),
    ]


class French(Differential):
    """`LANGUAGE_CODE` alone: what a client wants is not asked, and no answer says anything of languages."""

    variant = Variant(languages={"LANGUAGE_CODE": "fr"})
    cases = [
        Case("none", 401, spoken()),
        Case("German", 401, spoken("de")),
        Case("cookie", 401, spoken(cookie="de")),
        Case("view", 200, get(PATH, TOKEN, "Accept-Language: de")),
        Case("method", 405, patch(PATH, TOKEN)),
        Case("page", 400, post("/api-token-auth/", "Accept-Language: de", data={})),
        Case("metadata", 200, options("/api-token-auth/")),
    ]


class Country(Differential):
    """The code of a country without a catalogue of its own."""

    variant = Variant(languages={"LANGUAGE_CODE": "de-at"})
    cases = [Case("none", 401, spoken()), Case("French", 401, spoken("fr"))]


class CountryOrAnother(Differential):
    variant = Variant(languages={"LANGUAGE_CODE": "de-at", **CHOOSE})
    cases = [Case("none", 401, spoken()), Case("French", 401, spoken("fr"))]


class Few(Differential):
    """`LANGUAGES` says which ones there are."""

    variant = Variant(languages={**CHOOSE, "LANGUAGES": [["en", "English"], ["de", "German"], ["fr-ca", "French"]]})
    cases = [
        Case("one of them", 401, spoken("de")),
        Case("another", 401, spoken("es")),
        Case("of a country", 401, spoken("de-at")),
        Case("generic", 401, spoken("fr")),
        Case("of another country", 401, spoken("fr-fr")),
        Case("alias of another", 401, spoken("zh-cn, de;q=0.5")),
        Case("cookie of another", 401, spoken("de", cookie="es")),
    ]


# --- headers ----------------------------------------------------------------------------------------


FR = "Accept-Language: fr"
RIGHT = {"username": "alice", "password": "correct horse"}


def in_french(differs, **parts):
    """The same in French."""
    return Differs(differs.why, **differs.parts | parts)


class Headers(Differential):
    """`Vary` and `Content-Language` of what the gateway says and of what the project says behind it."""

    variant = AcceptLanguage.variant
    cases = [
        Case("view", 200, get(PATH, TOKEN, FR)),
        Case("view in English", 200, get(PATH, TOKEN)),
        Case("view that reads sessions", 200, get("/api/public/", FR)),
        Case("view without Django REST framework", 200, get("/plain/me/", FR)),
        Case("asynchronous view", 200, get("/plain/async/", FR)),
        Case("HEAD of a view", 200, head(PATH, TOKEN, FR)),
        Case("OPTIONS of a view", 200, options(PATH, TOKEN, FR)),
        Case("method of a view", 405, patch(PATH, TOKEN, FR)),
        Case("media type of a view", 200, post(PATH, TOKEN, FR, "Content-Type: text/plain", data=b"x")),
        Case("slash missing at a view", 301, get("/token", TOKEN, FR)),
        Case("address below a view", 404, get("/token/nowhere/", TOKEN, FR)),
        Case("refusal", 401, get(PATH, FR)),
        Case("refusal after a session was read", 403, get("/session/", FR)),
        Case("HEAD of a refusal", 401, head(PATH, FR)),
        Case("denied", 403, get("/api/staff/", TOKEN, FR)),
        Case("page", 400, post("/api/token/", FR, data={})),
        Case("page that succeeds", 200, post("/api/token/", FR, data=RIGHT)),
        Case("page without a body", 204, lambda: post("/api/auth/logout/", f"Authorization: Token {rows.knox()}", FR)),
        Case("slash missing at a page", 301, post("/api/token", FR, data={})),
        Case(
            "no address",
            404,
            get("/nowhere/", FR),
            in_french(NOT_FOUND, vary=["accept", "accept-language"], body='{"detail":"Non trouvé."}'),
        ),
        Case("slash missing at the log-in page", 301, get("/api-auth/login", FR)),
        Case("log-in page", 200, get(LOGIN, FR)),
        Case("log-in page in English", 200, get(LOGIN)),
        Case("log-in without a CSRF token", 403, form(LOGIN, FR, username="alice", password="correct horse")),
        Case(
            "log-out page",
            405,
            get(LOGOUT, FR),
            in_french(
                no_method("GET"),
                vary=["accept-language"],
                headers={**CAREFUL_HEADERS, "content-language": "fr"},
                body='{"detail":"Méthode «\xa0GET\xa0» non autorisée."}',
            ),
        ),
    ]

    def test_log_in_and_out(self):
        def conversation(side):
            browser = Browser(side, FR)
            browser.log_in()
            browser.get(LOGIN)
            browser.log_out()

        self.compare(conversation)
