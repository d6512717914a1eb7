"""Settings that change what errors look like."""

from support import Case, Differential, Differs, Variant, basic, bearer, get, options, post
from support.differences import CAREFUL_HEADERS
from support.rows import ALICE

TOKEN, BAD = f"Authorization: Token {ALICE}", "Authorization: Token bad"
OBTAIN, JWT = "/api-token-auth/", "/api/token/"
WRONG = {"username": "alice", "password": "wrong"}
NOBODY, NO_ACCOUNT = (
    '{"detail":"Authentication credentials were not provided."}',
    '{"detail":"No active account found with the given credentials"}',
)


def framework(**settings):
    return Variant({"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": [], **settings}}, "authentication: []\n")


class Enveloped(Differential):
    """`EXCEPTION_HANDLER` of the project's own, and `errors` with the same body."""

    variant = Variant(
        {"REST_FRAMEWORK": {"EXCEPTION_HANDLER": "project.errors.enveloped"}},
        'errors: { body: \'{"error":{"status":{{ status }},"message":{{ detail | tojson }}}}\' }\n',
    )

    invalid = Differs(
        "`detail` of an invalid form is one text", body='{"error":{"status":400,"message":"Invalid input."}}'
    )
    cases = [
        Case("nobody", 401, get("/token/")),
        Case("bad token", 401, get("/token/", BAD)),
        Case("denied", 403, get("/token/staff/", TOKEN)),
        Case("nobody, no challenge", 403, get("/session/")),
        Case("bad JWT", 401, get("/jwt/", bearer("x"))),
        Case("wrong password", 401, get("/basic/", basic("alice", "wrong"))),
        Case("page, method", 405, get(JWT)),
        Case("page, wrong password", 401, post(JWT, data=WRONG)),
        Case("page, nothing", 400, post(JWT, data={}), invalid),
    ]


class NonFieldErrors(Differential):
    """`NON_FIELD_ERRORS_KEY`"""

    @staticmethod
    def usual(text):
        return Differs("There is no setting for the key non_field_errors", body=f'{{"non_field_errors":["{text}"]}}')

    variant = framework(NON_FIELD_ERRORS_KEY="all")
    cases = [
        Case("wrong password", 400, post(OBTAIN, data=WRONG), usual("Unable to log in with provided credentials.")),
        Case("list", 400, post(JWT, data=[]), usual("Invalid data. Expected a dictionary, but got list.")),
    ]


class Spaced(Differential):
    """`COMPACT_JSON` switched off."""

    variant = framework(COMPACT_JSON=False)
    why = "There is no setting for blanks in JSON, which nobody can tell who reads it as JSON"
    cases = [
        Case("nobody", 401, get("/token/"), Differs(why, body=NOBODY)),
        Case("page", 401, post(JWT, data=WRONG), Differs(why, body=NO_ACCOUNT)),
    ]


class OneRenderer(Differential):
    """JSON and no browsable pages."""

    variant = Variant(
        {"REST_FRAMEWORK": {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}},
        "browsable_api: false\n",
    )
    cases = [
        Case("nobody", 401, get("/token/")),
        Case("page", 401, post(JWT, data=WRONG)),
        Case("page, Accept of HTML", 406, post(JWT, "Accept: text/html", data=WRONG)),
        Case("page, Accept of XML", 406, post(JWT, "Accept: application/xml", data=WRONG)),
        Case("page, format of HTML", 404, post(JWT + "?format=api", data=WRONG)),
        Case("jwt, OPTIONS", 200, options(JWT)),
        Case("jwt, OPTIONS for HTML", 406, options(JWT, "Accept: text/html")),
        Case("knox, OPTIONS", 200, options("/api/auth/login/", basic("alice", "correct horse"))),
        Case("token, OPTIONS", 200, options(OBTAIN)),
    ]


class Security(Differential):
    """Headers of Django's middleware, and not its own choice of them."""

    variant = Variant({"X_FRAME_OPTIONS": "SAMEORIGIN", "SECURE_REFERRER_POLICY": "strict-origin"})
    defaults = Differs(
        "What the gateway answers itself has the headers that Django has by default", headers=CAREFUL_HEADERS
    )
    cases = [
        Case("nobody", 401, get("/token/"), defaults),
        Case("page", 405, get(JWT), defaults),
    ]


class NoHeaders(Differential):
    variant = Variant({"SECURE_CONTENT_TYPE_NOSNIFF": False, "SECURE_CROSS_ORIGIN_OPENER_POLICY": None})
    cases = [Case("nobody", 401, get("/token/")), Case("page", 405, get(JWT))]


class NoSlash(Differential):
    """`APPEND_SLASH` switched off."""

    variant = Variant({"APPEND_SLASH": False})
    to_slash = Differs(
        "A page of the gateway's own is found without its slash, as by Django's default",
        status=301,
        location="/api/token/",
        body={"forms": [], "inputs": [], "says": []},
    )
    cases = [Case("page", 404, post("/api/token", data={}), to_slash)]
