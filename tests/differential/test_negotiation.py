"""What comes before and beside authentication: address, Accept, method. Where the gateway refuses, it has not
asked the view yet; where it lets pass, the answer is the view's."""

from support import Case, Differential, Differs, Variant, basic, delete, get, head, options, patch, post, raw, refusal
from support.differences import NOT_FOUND
from support.rows import ALICE

TOKEN, BAD = f"Authorization: Token {ALICE}", "Authorization: Token bad"
BROWSER = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NOT_AUTHENTICATED = "Authentication credentials were not provided."
DENIED = "You do not have permission to perform this action."
COMPACT = Differs("The gateway's JSON is compact", body=f'{{"detail":"{NOT_AUTHENTICATED}"}}')


def first(status=401, detail=NOT_AUTHENTICATED, challenge="Token", **parts):
    """Django finds the address and a renderer before it looks at who is asking; the gateway looks first."""
    why = "A stranger learns nothing about addresses and formats: the gateway authenticates before it asks the view"
    return refusal(why, status, detail, challenge, vary=["accept"], allow="GET, POST, HEAD, OPTIONS", **parts)


class Address(Differential):
    cases = [
        Case("unknown address", 404, get("/nowhere/"), NOT_FOUND),
        Case("unknown address below a view", 404, get("/token/nowhere/"), first()),
        Case("unknown address below a view, with a token", 404, get("/token/nowhere/", TOKEN)),
        Case("without the slash", 301, get("/token"), first(location=None)),
        Case("without the slash, with a token", 301, get("/token", TOKEN)),
        Case("POST without the slash, with a token", 301, post("/token", TOKEN, data={})),
        Case(
            "bad Host",
            400,
            get("/token/", "Host: a b", TOKEN),
            refusal(
                "The gateway's refusal, not Django's page", 400, "Exactly one valid Host is needed.", vary=["accept"]
            ),
        ),
    ]


class Accept(Differential):
    cases = [
        Case("none", 200, get("/token/", TOKEN)),
        Case("anything", 200, get("/token/", TOKEN, "Accept: */*")),
        Case("empty", 406, get("/token/", TOKEN, "Accept:")),
        Case("XML", 406, get("/token/", TOKEN, "Accept: application/xml")),
        Case("XML or anything", 200, get("/token/", TOKEN, "Accept: application/xml, */*;q=0.1")),
        Case("any application", 200, get("/token/", TOKEN, "Accept: application/*")),
        Case("quality is ignored", 200, get("/token/", TOKEN, "Accept: text/html;q=0.1, application/json")),
        Case("quality of 0", 200, get("/token/", TOKEN, "Accept: application/json;q=0, text/html;q=1")),
        Case("format of JSON, Accept of HTML", 406, get("/token/?format=json", TOKEN, "Accept: text/html")),
        Case("indented", 200, get("/token/", TOKEN, "Accept: application/json; indent=4")),
        Case("format", 200, get("/token/?format=json", TOKEN)),
        Case("unknown format", 404, get("/token/?format=zzz", TOKEN)),
        Case("XML, no token", 406, get("/token/", "Accept: application/xml"), first()),
        Case("XML, bad token", 406, get("/token/", "Accept: application/xml", BAD), first(detail="Invalid token.")),
        Case("unknown format, no token", 404, get("/token/?format=zzz"), first()),
        Case("JSON, no token", 401, get("/token/", "Accept: application/json")),
        Case("XML or anything, no token", 401, get("/token/", "Accept: application/xml, */*;q=0.1")),
    ]


def in_json(detail, **parts):
    return Differs(
        "DRF shows a browser its browsable page; the gateway has JSON only",
        content_type="application/json",
        body=f'{{"detail":"{detail}"}}',
        set_cookie=[],
        **parts,
    )


class Browser(Differential):
    """Status and headers are the same, and the page is not."""

    forms = [("get", "/token/"), ("get", "/token/"), ("post", "/token/")]
    without = Differs(
        "The project behind the gateway has neither a log-out page nor CSRF secrets, and its pages no form for them",
        vary=["accept"],
        set_cookie=[],
        body={"forms": forms, "inputs": [], "says": []},
    )
    wait = "Request was throttled. Expected available in <60 s> seconds."
    variant = Variant(
        {
            "REST_FRAMEWORK": {
                "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.ScopedRateThrottle"],
                "DEFAULT_THROTTLE_RATES": {"0-m": "0/m"},
            }
        },
        public={"/scoped/0-m/": "throttle: [{ scope: { name: 0-m, rate: 0/m } }]"},
    )
    cases = [
        Case("token", 200, get("/token/", BROWSER, TOKEN), without),
        Case("no token", 401, get("/token/", BROWSER), in_json(NOT_AUTHENTICATED, vary=["accept"])),
        Case("bad token", 401, get("/token/", BROWSER, BAD), in_json("Invalid token.", vary=["accept"])),
        Case("denied", 403, get("/api/staff/", BROWSER, TOKEN), in_json(DENIED)),
        Case("throttled", 429, get("/scoped/0-m/", BROWSER), in_json(wait)),
    ]


def accepting(text):
    return post("/api-token-auth/", f"Accept: {text}", data={"username": "alice", "password": "correct horse"})


class LongAccept(Differential):
    """Attack: a header that takes long to read. DRF reads 64 entries, and none of more than 256 characters."""

    variant = Variant({"REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": []}}, "authentication: []\n")
    read = Differs(
        "Accept is read to its end: the limit for a request's head is limit enough",
        status=200,
        body=f'{{"token":"{ALICE}"}}',
    )
    cases = [
        Case("64th entry", 200, accepting("a/b, " * 63 + "application/json")),
        Case("65th entry", 406, accepting("a/b, " * 64 + "application/json"), read),
        Case("entry of 256 characters", 200, accepting("application/json; x=" + "a" * 236)),
        Case("entry of 257 characters", 406, accepting("application/json; x=" + "a" * 237), read),
        Case("long entry before a short one", 200, accepting("a/" + "b" * 300 + ", application/json")),
    ]


def indented(number, *headers):
    return get("/token/", f"Accept: application/json; indent={number}", *headers)


class Indent(Differential):
    """At most 8 blanks; 0, or what is no number, is none."""

    cases = [
        *(Case(f"{number}, with a token", 200, indented(number, TOKEN)) for number in (1, 8, 9, 100)),
        *(Case(f"{number}, no token", 401, indented(number)) for number in (0, "x", "")),
        *(Case(f"{number}, no token", 401, indented(number), COMPACT) for number in (1, 4, 8, 9, 100)),
    ]


class Methods(Differential):
    cases = [
        Case("missing", 405, patch("/token/", TOKEN)),
        Case("unknown", 405, raw("BREW", "/token/", TOKEN)),
        Case("missing, no token", 401, patch("/token/")),
        Case("unknown, no token", 401, raw("BREW", "/token/")),
        Case("missing, bad token", 401, patch("/token/", BAD)),
        Case("DELETE with a body", 405, delete("/token/", TOKEN, data=b"{}")),
        Case("POST", 200, post("/token/", TOKEN, data={})),
        Case("malformed JSON that nobody reads", 200, post("/token/", TOKEN, data=b"{")),
        Case("malformed JSON, no token", 401, post("/token/", data=b"{")),
        Case("HEAD, wrong password", 401, head("/basic/", basic("alice", "wrong"))),
        Case(
            "OPTIONS of a browser that asks first (CORS)",
            401,
            options("/token/", "Origin: http://other.example", "Access-Control-Request-Method: GET"),
        ),
        Case(
            "TRACE",
            405,
            raw("TRACE", "/token/", TOKEN),
            refusal(
                "TRACE would send credentials back; it ends here, and nobody is told what the view has",
                405,
                "This method is not served here.",
                allow="GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
            ),
        ),
    ]
