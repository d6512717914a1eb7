"""Cross-site request forgery: a page of another site makes the browser send a request with the user's cookie.

DRF checks inside `SessionAuthentication`, once the session has given a user, for methods that change something."""

from support import (
    Case,
    Differential,
    Differs,
    Variant,
    basic,
    cookies,
    delete,
    form,
    get,
    head,
    multipart,
    options,
    patch,
    post,
    put,
    raw,
    refusal,
    rows,
)
from support.csrf import MASKED, SECRET, TOKEN
from support.rows import ALICE

PATH = "/session/"
OTHER = "b" * 32
HTTPS = "X-Forwarded-Proto: https"


def logged_in(send, path, *headers, cookie=SECRET, **more):
    """A request with a session and a CSRF cookie."""
    pairs = {"csrftoken": cookie} if cookie is not None else {}
    return lambda: send(path, cookies(sessionid=rows.session(), **pairs), *headers, **more)


def posted(*headers, cookie=SECRET, **more):
    return logged_in(post, PATH, *headers, cookie=cookie, **more)


def https(*headers, **more):
    return posted(HTTPS, TOKEN, *headers, **more)


class Cookie(Differential):
    """The secret that only pages of this site can read."""

    kept = Differs(
        "A bad CSRF cookie is replaced where a request is refused for it or a page needs one, not by whatever is asked", set_cookie=[]
    )
    cases = [
        Case("no cookie", 403, posted(cookie=None)),
        Case("bad cookie, GET", 200, logged_in(get, PATH, cookie="bad"), kept),
        Case("bad cookie, nobody", 403, get(PATH, cookies(csrftoken="bad")), kept),
        Case("bad cookie, view without Django REST framework", 200, get("/plain/me/", cookies(csrftoken="bad")), kept),
        Case(
            "bad cookie, class that reads no sessions",
            401,
            get("/token/", cookies(csrftoken="bad")),
            Differs("Where no class reads sessions the cookie is nobody's business", set_cookie=[], vary=["accept"]),
        ),
        Case("no cookie, but a token", 403, posted(TOKEN, cookie=None)),
        Case("empty cookie", 403, posted(TOKEN, cookie="")),
        Case("cookie of another length", 403, posted(TOKEN, cookie="a" * 31)),
        Case(
            "cookie of another length, the same token", 403, posted(f"X-CSRFToken: {'a' * 31}", cookie="a" * 31)
        ),
        Case("cookie with bad characters", 403, posted(TOKEN, cookie="-" * 32)),
        Case("cookie with bad characters and length", 403, posted(TOKEN, cookie="-" * 31)),
        Case("masked cookie with bad characters", 403, posted(TOKEN, cookie="a" * 63 + "-")),
        Case("masked cookie, plain token", 200, posted(TOKEN, cookie=MASKED)),
        Case("masked cookie, masked token", 200, posted(f"X-CSRFToken: {MASKED}", cookie=MASKED)),
        Case("quoted cookie", 200, posted(TOKEN, cookie=f'"{SECRET}"')),
    ]


class Header(Differential):
    cases = [
        Case("none", 403, posted()),
        Case("the secret", 200, posted(TOKEN)),
        Case("the secret masked", 200, posted(f"X-CSRFToken: {MASKED}")),
        Case("another 32 characters", 403, posted(f"X-CSRFToken: {OTHER}")),
        Case("another 64 characters", 403, posted(f"X-CSRFToken: {OTHER * 2}")),
        Case("another length", 403, posted("X-CSRFToken: abc")),
        Case("empty", 403, posted("X-CSRFToken:")),
        Case("bad characters", 403, posted(f"X-CSRFToken: {'-' * 32}")),
        Case("bad characters and length", 403, posted("X-CSRFToken: ---")),
        Case("beyond ASCII", 403, posted("X-CSRFToken: é")),
        Case("in another case", 403, posted(f"X-CSRFToken: {SECRET.swapcase()}")),
        Case("twice", 403, posted(TOKEN, TOKEN)),
        Case("name in another case", 200, posted(TOKEN.lower().replace(SECRET.lower(), SECRET))),
        Case("in the query string", 403, logged_in(post, f"{PATH}?csrfmiddlewaretoken={SECRET}")),
    ]


def last_of(first, second):
    data = f"csrfmiddlewaretoken={first}&csrfmiddlewaretoken={second}".encode()
    return posted("Content-Type: application/x-www-form-urlencoded", data=data)


class Field(Differential):
    explains = True
    """`csrfmiddlewaretoken` of a form, which wins over the header."""

    cases = [
        Case("form", 200, logged_in(form, PATH, csrfmiddlewaretoken=SECRET)),
        Case("form, masked", 200, logged_in(form, PATH, csrfmiddlewaretoken=MASKED)),
        Case("multipart", 200, logged_in(multipart, PATH, csrfmiddlewaretoken=SECRET)),
        Case("wrong, header right", 403, logged_in(form, PATH, TOKEN, csrfmiddlewaretoken=OTHER)),
        Case("wrong length, header right", 403, logged_in(form, PATH, TOKEN, csrfmiddlewaretoken="abc")),
        Case("bad characters, header right", 403, logged_in(form, PATH, TOKEN, csrfmiddlewaretoken="-" * 32)),
        Case("empty, header right", 200, logged_in(form, PATH, TOKEN, csrfmiddlewaretoken="")),
        Case("empty, no header", 403, logged_in(form, PATH, csrfmiddlewaretoken="")),
        Case("wrong in multipart, header right", 403, logged_in(multipart, PATH, TOKEN, csrfmiddlewaretoken=OTHER)),
        Case("in JSON", 403, posted(data={"csrfmiddlewaretoken": SECRET})),
        Case("in JSON, header right", 200, posted(TOKEN, data={"csrfmiddlewaretoken": OTHER})),
        Case("form with PUT", 403, logged_in(form, PATH, csrfmiddlewaretoken=SECRET, method="PUT")),
        Case("form with PATCH", 403, logged_in(form, PATH, csrfmiddlewaretoken=SECRET, method="PATCH")),
        Case("form with DELETE", 403, logged_in(form, PATH, csrfmiddlewaretoken=SECRET, method="DELETE")),
        Case("among others", 200, logged_in(form, PATH, a="1", csrfmiddlewaretoken=SECRET, b="2")),
    ]

    cases += [
        Case("twice, the last is right", 200, last_of(OTHER, SECRET)),
        Case("twice, the last is wrong", 403, last_of(SECRET, OTHER)),
    ]


class Unreadable(Differential):
    """DRF looks for the field with the view's parsers, and they fail before the check can."""

    missing = refusal(
        "DRF parses any body to look for the field; the gateway reads forms, and other types have none",
        403,
        "CSRF Failed: CSRF token missing.",
    )
    reached = Differs(
        "With the token in the header the gateway needs no body, and this view reads none",
        status=200,
        body='{"user":"alice","id":1,"authenticated":true}',
    )
    cases = [
        Case("malformed JSON", 400, posted(data=b"{"), missing),
        Case("text", 415, posted("Content-Type: text/plain", data=b"csrfmiddlewaretoken=" + SECRET.encode()), missing),
        Case("malformed multipart", 403, posted("Content-Type: multipart/form-data; boundary=B", data=b"x")),
        Case("malformed JSON, header right", 400, posted(TOKEN, data=b"{"), reached),
        Case("text, header right", 415, posted(TOKEN, "Content-Type: text/plain", data=b"x"), reached),
    ]


class Methods(Differential):
    """GET, HEAD, OPTIONS change nothing and are not checked; all others are, and before the view's own 405."""

    cases = [
        Case("GET", 200, logged_in(get, PATH)),
        Case("GET of another site", 200, logged_in(get, PATH, "Origin: http://evil.example")),
        Case("HEAD", 200, logged_in(head, PATH)),
        Case("OPTIONS", 200, logged_in(options, PATH)),
        Case(
            "TRACE",
            405,
            lambda: raw("TRACE", PATH, cookies(sessionid=rows.session())),
            refusal(
                "TRACE would send credentials back; it ends here, and nobody is told what the view has",
                405,
                "This method is not served here.",
                allow="GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
                vary=["accept"],
            ),
        ),
        Case("PUT", 403, logged_in(put, PATH)),
        Case("PATCH", 403, logged_in(patch, PATH)),
        Case("DELETE", 403, logged_in(delete, PATH)),
        Case("PUT with the token", 405, logged_in(put, PATH, TOKEN)),
        Case("DELETE with the token", 405, logged_in(delete, PATH, TOKEN)),
    ]


class WhoIsChecked(Differential):
    """Only whom the session has named: others bring a credential that no browser adds by itself."""

    cases = [
        Case("anonymous", 403, post(PATH)),
        Case("anonymous, anyone may", 200, post("/session/public/")),
        Case("anonymous, anyone may, of another site", 200, post("/session/public/", "Origin: http://evil.example")),
        Case("dead session, anyone may", 200, post("/session/public/", cookies(sessionid="x" * 32))),
        Case("session of an inactive user", 403, lambda: post(PATH, cookies(sessionid=rows.session("bob")))),
        Case("session, anyone may", 403, logged_in(post, "/session/public/")),
        Case("class before it", 200, logged_in(post, "/token-session/", f"Authorization: Token {ALICE}")),
        Case("class after it", 403, logged_in(post, "/session-token/", f"Authorization: Token {ALICE}")),
        Case(
            "right password for the class after it",
            403,
            logged_in(post, "/session-basic/", basic("alice", "correct horse")),
        ),
        Case("first class has a challenge", 403, logged_in(post, "/token-session/")),
        Case("token, no session", 200, post("/session-token/", f"Authorization: Token {ALICE}")),
        Case(
            "other site, token, no session",
            200,
            post("/session-token/", f"Authorization: Token {ALICE}", "Origin: http://evil.example"),
        ),
    ]


class PlainViews(Differential):
    """Django's middleware checks views without Django REST framework before it asks who it is, and answers in HTML."""

    forbidden = refusal(
        "The gateway has one rule for all views, and one shape of refusals",
        403,
        "CSRF Failed: CSRF token missing.",
        allow="GET, POST, HEAD, OPTIONS",
        vary=["accept", "cookie"],
    )
    anonymous = Differs(
        "The gateway checks who has come by a session, as DRF does; nobody's request needs no token",
        status=200,
        content_type="application/json",
        vary=["cookie"],
        body='{"user": null, "id": null, "authenticated": false}',
    )
    cases = [
        Case("GET", 200, logged_in(get, "/plain/form/")),
        Case("with the token", 200, logged_in(post, "/plain/form/", TOKEN)),
        Case("field of a form", 200, logged_in(form, "/plain/form/", csrfmiddlewaretoken=SECRET)),
        Case("without", 403, logged_in(post, "/plain/form/"), forbidden),
        Case("anonymous", 403, post("/plain/form/"), anonymous),
        Case("view that is exempt", 200, logged_in(post, "/plain/me/"), forbidden),
    ]


class Origin(Differential):
    explains = True
    """Attack: the page of another site has somehow got the token. `Origin` says where it is from."""

    cases = [
        Case("this one", 200, posted(TOKEN, "Origin: http://testserver")),
        Case("another", 403, posted(TOKEN, "Origin: http://evil.example")),
        Case("another, and no cookie", 403, posted("Origin: http://evil.example", cookie=None)),
        Case("null", 403, posted(TOKEN, "Origin: null")),
        Case("empty", 403, posted(TOKEN, "Origin:")),
        Case("other scheme", 403, posted(TOKEN, "Origin: https://testserver")),
        Case("port written out", 403, posted(TOKEN, "Origin: http://testserver:80")),
        Case("other port", 403, posted(TOKEN, "Origin: http://testserver:8080")),
        Case("other letter case", 403, posted(TOKEN, "Origin: http://TestServer")),
        Case("slash at the end", 403, posted(TOKEN, "Origin: http://testserver/")),
        Case("name that begins like this one", 403, posted(TOKEN, "Origin: http://testserver.evil.example")),
        Case("name that ends like this one", 403, posted(TOKEN, "Origin: http://eviltestserver")),
        Case("not an address", 403, posted(TOKEN, "Origin: foo")),
        Case("broken address", 403, posted(TOKEN, "Origin: http://[::1")),
        Case("not UTF-8", 403, posted(TOKEN, b"Origin: http://\xe9")),
        Case("twice", 403, posted(TOKEN, "Origin: http://testserver", "Origin: http://testserver")),
        Case("Host with a port", 200, posted(TOKEN, "Host: testserver:8000", "Origin: http://testserver:8000")),
        Case(
            "Host with a port, origin without", 403, posted(TOKEN, "Host: testserver:8000", "Origin: http://testserver")
        ),
        Case("Host in upper case", 403, posted(TOKEN, "Host: TESTSERVER", "Origin: http://testserver")),
        Case("http, Referer of another site", 200, posted(TOKEN, "Referer: http://evil.example/")),
    ]


class Referer(Differential):
    """Attack: over HTTPS, somebody on the way puts a page of his own under http:// and lets it post."""

    cases = [
        Case("Origin right, no Referer", 200, https("Origin: https://testserver")),
        Case("Origin of http", 403, https("Origin: http://testserver")),
        Case("neither", 403, https()),
        Case("neither, and no cookie", 403, posted(HTTPS, cookie=None)),
        Case("empty", 403, https("Referer:")),
        Case("not an address", 403, https("Referer: foo")),
        Case("no host", 403, https("Referer: https:///path")),
        Case("no scheme", 403, https("Referer: //testserver/")),
        Case("broken address", 403, https("Referer: https://[::1")),
        Case("over http", 403, https("Referer: http://testserver/")),
        Case("other host", 403, https("Referer: https://evil.example/a?b=c#d")),
        Case("port written out", 403, https("Referer: https://testserver:443/")),
        Case("user before the host", 403, https("Referer: https://testserver@evil.example/")),
        Case("same host", 200, https("Referer: https://testserver/")),
        Case("same host, a path", 200, https("Referer: https://testserver/a?b=c#d")),
        Case("same host, no path", 200, https("Referer: https://testserver")),
        Case("same host in upper case", 403, https("Referer: https://TESTSERVER/")),
        Case("same host and port", 200, https("Host: testserver:8443", "Referer: https://testserver:8443/")),
        Case("Host with its usual port", 403, https("Host: testserver:443", "Referer: https://testserver/")),
        Case("right, and a wrong token", 403, posted(HTTPS, f"X-CSRFToken: {OTHER}", "Referer: https://testserver/")),
        Case("GET without", 200, logged_in(get, PATH, HTTPS)),
    ]


class TrustedOrigins(Differential):
    """`CSRF_TRUSTED_ORIGINS`: whole origins, or all names below one."""

    origins = ["https://front.example", "http://plain.example:8080", "https://*.wild.example"]
    variant = Variant({"CSRF_TRUSTED_ORIGINS": origins}, f"csrf: {{ trusted_origins: {origins} }}\n")
    cases = [
        Case("exact", 200, posted(TOKEN, "Origin: https://front.example")),
        Case("exact with a port", 200, posted(TOKEN, "Origin: http://plain.example:8080")),
        Case("without its port", 403, posted(TOKEN, "Origin: http://plain.example")),
        Case("other scheme", 403, posted(TOKEN, "Origin: http://front.example")),
        Case("name below an exact one", 403, posted(TOKEN, "Origin: https://a.front.example")),
        Case("below the wildcard", 200, posted(TOKEN, "Origin: https://a.wild.example")),
        Case("two below the wildcard", 200, posted(TOKEN, "Origin: https://a.b.wild.example")),
        Case("the wildcard's own name", 200, posted(TOKEN, "Origin: https://wild.example")),
        Case("ends like the wildcard", 403, posted(TOKEN, "Origin: https://evilwild.example")),
        Case("wildcard, other scheme", 403, posted(TOKEN, "Origin: http://a.wild.example")),
        Case("wildcard with a port", 403, posted(TOKEN, "Origin: https://a.wild.example:8443")),
        Case("Referer, exact", 200, https("Referer: https://front.example/page")),
        Case("Referer below the wildcard", 200, https("Referer: https://a.wild.example/page")),
        Case("Referer, the wildcard's own name", 200, https("Referer: https://wild.example/")),
        Case("Referer over http of an origin with http", 403, https("Referer: http://plain.example:8080/")),
        Case("Referer ends like the wildcard", 403, https("Referer: https://evilwild.example/")),
        Case("Referer with another port", 403, https("Referer: https://front.example:8443/")),
    ]


def with_other_names(*headers):
    return lambda: post(PATH, f"Cookie: sessionid={rows.session()}; XSRF-TOKEN={SECRET}", *headers)


class OtherNames(Differential):
    """`CSRF_COOKIE_NAME`, `CSRF_HEADER_NAME`; the message names the header."""

    variant = Variant(
        {"CSRF_COOKIE_NAME": "XSRF-TOKEN", "CSRF_HEADER_NAME": "HTTP_X_XSRF_TOKEN"},
        "csrf: { cookie: XSRF-TOKEN, header: X-XSRF-TOKEN }\n",
    )

    cases = [
        Case("right", 200, with_other_names(f"X-XSRF-TOKEN: {SECRET}")),
        Case("usual header", 403, with_other_names(TOKEN)),
        Case("usual cookie", 403, posted(f"X-XSRF-TOKEN: {SECRET}")),
        Case("wrong", 403, with_other_names(f"X-XSRF-TOKEN: {OTHER}")),
        Case("wrong length", 403, with_other_names("X-XSRF-TOKEN: abc")),
        Case("bad characters", 403, with_other_names(f"X-XSRF-TOKEN: {'-' * 32}")),
    ]


def seen_at(host, port, *headers):
    # Django's port is that of its own socket, unless it is told; the gateway's is Host's.
    return https(f"Host: {host}", f"X-Forwarded-Port: {port}", *headers)


class CookieDomain(Differential):
    """`CSRF_COOKIE_DOMAIN`: the Referer is compared with it and not with Host."""

    variant = Variant(
        {"CSRF_COOKIE_DOMAIN": ".example.com", "USE_X_FORWARDED_PORT": True}, "csrf: { domain: .example.com }\n"
    )

    cases = [
        Case("name below the domain", 200, seen_at("www.example.com", 443, "Referer: https://other.example.com/")),
        Case("the domain itself", 200, seen_at("www.example.com", 443, "Referer: https://example.com/")),
        Case("other domain", 403, seen_at("www.example.com", 443, "Referer: https://evil.example/")),
        Case("other domain, Host's", 403, seen_at("testserver", 443, "Referer: https://testserver/")),
        Case("with Host's port", 200, seen_at("www.example.com:8443", 8443, "Referer: https://a.example.com:8443/")),
        Case("without Host's port", 403, seen_at("www.example.com:8443", 8443, "Referer: https://a.example.com/")),
        Case("Origin is compared with Host", 403, seen_at("www.example.com", 443, "Origin: https://other.example.com")),
    ]


def with_kept_secret(*headers, secret=SECRET):
    return lambda: post(PATH, cookies(sessionid=rows.session(_csrftoken=secret)), *headers)


class SecretInSession(Differential):
    """`CSRF_USE_SESSIONS`: the secret is in the session and no cookie counts."""

    variant = Variant({"CSRF_USE_SESSIONS": True}, "csrf: { use_sessions: true }\n")

    cases = [
        Case("right", 200, with_kept_secret(TOKEN)),
        Case("right, masked", 200, with_kept_secret(f"X-CSRFToken: {MASKED}")),
        Case("wrong", 403, with_kept_secret(f"X-CSRFToken: {OTHER}")),
        Case("none in the session", 403, posted(TOKEN, cookie=None)),
        Case("none in the session, but a cookie", 403, posted(TOKEN)),
    ]
