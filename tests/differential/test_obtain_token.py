"""`obtain_auth_token`: a password for a token. The project's default classes run first."""

from support import (
    Case,
    Differential,
    Differs,
    Variant,
    basic,
    cookies,
    default_classes,
    form,
    get,
    head,
    multipart,
    options,
    post,
    raw,
    rows,
)
from support.rows import ALICE

VARIES = "Refusals say that they vary with Accept; that this page has one renderer only, DRF knows"
FORM = "Content-Type: application/x-www-form-urlencoded"
PATH = "/api-token-auth/"
RIGHT = {"username": "alice", "password": "correct horse"}


def obtain(data, *headers):
    return post(PATH, *headers, data=data)


def alice(**changes):
    return obtain({**RIGHT, **changes})


class Body(Differential):
    """Three parsers, and what the serializer takes for text."""

    variant = default_classes("token", "basic")
    cases = [
        Case("JSON", 200, obtain(RIGHT)),
        Case("form", 200, form(PATH, **RIGHT)),
        Case("multipart", 200, multipart(PATH, **RIGHT)),
        Case("JSON with a charset", 200, obtain(RIGHT, "Content-Type: application/json; charset=utf-8")),
        Case("a field more", 200, alice(more=[1])),
        Case("token is made", 200, obtain({"username": "staff", "password": "correct horse"})),
        Case("beyond ASCII", 200, obtain({"username": "élise", "password": "päss wörd"})),
        Case("user name is trimmed", 200, alice(username=" alice ")),
        Case("password is not trimmed", 400, alice(password="correct horse ")),
        Case("wrong password", 400, alice(password="wrong")),
        Case("unknown user", 400, alice(username="nobody")),
        Case("inactive user", 400, alice(username="bob")),
        Case("other case", 400, alice(username="Alice")),
        Case("nothing", 400, obtain(b"")),
        Case("nothing in a form", 400, form(PATH)),
        Case("empty object", 400, obtain({})),
        Case("user name missing", 400, obtain({"password": "x"})),
        Case("password missing", 400, obtain({"username": "alice"})),
        Case("empty strings", 400, alice(username="", password="")),
        Case("blank user name", 400, alice(username="  ")),
        Case("null", 400, alice(username=None, password=None)),
        Case("true", 400, alice(username=True, password=True)),
        Case("lists", 400, alice(username=[], password=[])),
        Case("objects", 400, alice(username={}, password={})),
        Case("numbers are text", 400, alice(username=12, password=1.5)),
        Case("a list", 400, obtain([])),
        Case("a string", 400, obtain("x")),
        Case("a number", 400, obtain(1)),
        Case("null alone", 400, obtain(b"null")),
        Case("NUL in the user name", 400, alice(username="a\0")),
        Case("NUL in the password", 400, alice(password="a\0")),
        Case("lone surrogate", 400, obtain(b'{"username":"a\\ud800","password":"b"}')),
        Case("same name twice", 200, obtain(b'{"username":"x","username":"alice","password":"correct horse"}')),
        Case("form field twice", 200, post(PATH, FORM, data=b"username=x&username=alice&password=correct+horse")),
    ]


class ParseErrors(Differential):
    """Python's own messages."""

    variant = default_classes("token", "basic")
    cases = [
        Case("malformed JSON", 400, obtain(b"{")),
        Case("NaN", 400, obtain(b'{"username":NaN}')),
        Case("Infinity", 400, obtain(b'{"username":-Infinity}')),
        Case("byte that is not UTF-8", 400, obtain(b'{"username":"\xff"}')),
        Case("byte order mark", 400, obtain(b"\xef\xbb\xbf{}")),
        Case("single quotes", 400, obtain(b"{'username':1}")),
        Case("comma at the end", 400, obtain(b'{"a":1,}')),
        Case("second value", 400, obtain(b"{} {}")),
        Case("control character in a string", 400, obtain(b'{"a":"\x01"}')),
        Case("bad escape", 400, obtain(b'{"a":"\\x"}')),
        Case("colon missing", 400, obtain(b'{"a" 1}')),
        Case("string without end", 400, obtain(b'{"a":"b')),
        Case("no content type", 415, raw("POST", PATH, body=b"{}")),
        Case("text", 415, post(PATH, "Content-Type: text/plain", data=b"{}")),
        Case("unknown charset", 400, post(PATH, "Content-Type: application/json; charset=x", data=b"{}")),
        Case("multipart without a boundary", 400, post(PATH, "Content-Type: multipart/form-data", data=b"x")),
    ]


def parts(body):
    """A form in parts, as it was cut off or written wrongly."""
    return post(PATH, "Content-Type: multipart/form-data; boundary=B", data=body)


def part(name, value):
    return f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


class Parts(Differential):
    """What Django makes of the end of a body that does not end the form."""

    variant = default_classes("token", "basic")
    both = part("username", "alice") + b"\r\n" + part("password", "correct horse")
    cases = [
        Case("whole", 200, parts(both + b"\r\n--B--\r\n")),
        Case("no line end behind the end", 200, parts(both + b"\r\n--B--")),
        Case("no end", 200, parts(both)),
        Case("no end, but a line end", 400, parts(both + b"\r\n")),
        Case("a boundary in place of the end", 200, parts(both + b"\r\n--B\r\n")),
        Case("half of the end", 400, parts(both + b"\r\n--")),
        Case("cut in the value", 400, parts(both[:-3])),
        Case("cut in front of the value", 400, parts(part("username", "alice") + b"\r\n" + part("password", ""))),
        Case("cut in the header", 400, parts(part("username", "alice") + b"\r\n--B\r\nContent-Disp")),
        Case("text before", 200, parts(b"hello\r\n" + both + b"\r\n--B--\r\n")),
        Case("text behind", 200, parts(both + b"\r\n--B--\r\nhello")),
        Case("no boundary in it", 400, parts(b"x")),
        Case("only a boundary", 400, parts(b"--B")),
        Case("only an end", 400, parts(b"--B--\r\n")),
    ]


class Around(Differential):
    """Methods, negotiation, and the address."""

    variant = default_classes("token", "basic")
    cases = [
        Case("GET", 405, get(PATH)),
        Case("HEAD", 405, head(PATH)),
        Case("PUT", 405, raw("PUT", PATH)),
        Case("OPTIONS", 200, options(PATH)),
        Case("unknown format, Accept of XML", 404, post(PATH + "?format=zzz", "Accept: application/xml", data=RIGHT)),
        Case("Accept of HTML", 406, obtain(RIGHT, "Accept: text/html")),
        Case("Accept of XML", 406, obtain(RIGHT, "Accept: application/xml")),
        Case("empty Accept", 406, obtain(RIGHT, "Accept:")),
        Case("quality is ignored", 200, obtain(RIGHT, "Accept: text/html;q=0.1, application/json")),
        Case("quality of 0", 200, obtain(RIGHT, "Accept: application/json;q=0, text/html;q=1")),
        Case("format of JSON, Accept of HTML", 406, post(PATH + "?format=json", "Accept: text/html", data=RIGHT)),
        Case("Accept of anything", 200, obtain(RIGHT, "Accept: */*")),
        Case("Accept of a browser", 200, obtain(RIGHT, "Accept: text/html,application/xhtml+xml,*/*;q=0.8")),
        Case("format", 200, post(PATH + "?format=json", data=RIGHT)),
        Case("unknown format", 404, post(PATH + "?format=zzz", data=RIGHT)),
        Case("without the slash", 301, post("/api-token-auth", data=RIGHT)),
        Case("GET without the slash", 301, get("/api-token-auth")),
        Case("OPTIONS without the slash", 301, options("/api-token-auth")),
    ]


class DefaultClasses(Differential):
    """Credentials that come along are judged first, whatever the body says."""

    variant = default_classes("token", "basic")
    varies = Differs(VARIES, vary=["accept"])
    cases = [
        Case("stale token", 401, obtain(RIGHT, "Authorization: Token stale"), varies),
        Case("good token", 200, obtain(RIGHT, f"Authorization: Token {ALICE}")),
        Case("good Basic header of another", 200, obtain(RIGHT, basic("staff", "correct horse"))),
        Case("malformed JSON with a stale token", 401, obtain(b"{", "Authorization: Token stale"), varies),
        Case("GET with a stale token", 401, get(PATH, "Authorization: Token stale"), varies),
    ]


class SessionFirst(Differential):
    """With sessions the answer depends on the cookie, and there is no challenge."""

    variant = default_classes("session", "basic")
    varies = Differs(VARIES, vary=["accept", "cookie"])
    cases = [
        Case("right", 200, obtain(RIGHT)),
        Case("broken Basic header", 403, obtain(RIGHT, "Authorization: Basic !!!"), varies),
        Case("wrong password", 400, alice(password="wrong")),
        Case("session without a CSRF token", 403, lambda: obtain(RIGHT, cookies(sessionid=rows.session())), varies),
    ]


class More(Differential):
    """The page of DRF's documentation, which says more of the user."""

    variant = Variant(
        {"SAYS_MORE": True},
        "token:\n  fields:\n    user_id: '{user.id}'\n    email: '{user.email}'\n    name: '{user.name}'\n"
        "    staff: '{user.is_staff}'\n",
    )
    cases = [
        Case("all there", 200, obtain({"username": "staff", "password": "correct horse"})),
        Case("some empty", 200, obtain({"username": "élise", "password": "päss wörd"})),
        Case("wrong password", 400, alice(password="wrong")),
    ]
