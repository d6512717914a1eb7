"""Names of cookies with a space of Unicode at an edge: of HTTP's two blanks none, so it is another cookie's name.

Attack: a script on another subdomain cannot set `__Host-` cookies, nor overwrite the browser's `sessionid` of this
host. It sets a cookie whose name is that and a space of Unicode, and hopes that the server trims it away: then the
victim acts in the attacker's session, or a form of the attacker's has the right CSRF token."""

from support import Case, Differential, Differs, Variant, get, post, rows
from support.csrf import SECRET

PATH = "/session/"
# Python's `str.strip`, by which Django reads names, takes these for blanks.
SPACES = {
    "en quad": b"\xe2\x80\x80",
    "no-break space": b"\xc2\xa0",
    "ideographic space": b"\xe3\x80\x80",
    "next line": b"\xc2\x85",
    "line separator": b"\xe2\x80\xa8",
    "two of them": b"\xc2\xa0\xe2\x80\x80",
    "a blank and one": b" \xc2\xa0",
    "one and a blank": b"\xc2\xa0 ",
}
# And these not, though they look like nothing at all.
INVISIBLE = {"byte order mark": b"\xef\xbb\xbf", "zero width space": b"\xe2\x80\x8b", "lone byte": b"\xa0"}
EVERY = SPACES | INVISIBLE

OTHER = "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvu"
WHY = "A space of Unicode belongs to a cookie's name (RFC 6265, section 5.2): Django trims it, and takes another cookie"
ALICE = '{"user":"alice","id":1,"authenticated":true}'
NOBODY = '{"detail":"Authentication credentials were not provided."}'
FAILED = '{"detail":"CSRF Failed: CSRF token from the \'X-Csrftoken\' HTTP header incorrect."}'


def names(name, spaces):
    """What is called almost like the cookie."""
    for word, space in spaces.items():
        yield f"{word} before", space + name
        yield f"{word} behind", name + space


def cookie(*pairs):
    return b"Cookie: " + b"; ".join(name + b"=" + value.encode() for name, value in pairs)


def own_and(name, first):
    """The browser's own session, which is alice's, and the attacker's, which is staff's."""

    def request():
        own, other = (b"sessionid", rows.session()), (name, rows.session("staff"))
        return get(PATH, cookie(*((own, other) if first else (other, own))))

    return request


def alone(name):
    return lambda: get(PATH, cookie((name, rows.session("staff"))))


OURS = Differs(WHY, body=ALICE)
NONE = Differs(WHY, status=403, body=NOBODY)
REFUSED = Differs(WHY, status=403, body=FAILED)
PASSES = Differs(WHY, status=200, body=ALICE)
FORGET = [("sessionid", '""', ["expires=Thu, 01 Jan 1970 00:00:00 GMT", "Max-Age=0", "Path=/", "SameSite=Lax"])]
UNTRIMMED = Differs(
    "A space of Unicode is part of a cookie's value (RFC 6265, section 5.2): Django trims it",
    status=403,
    body=NOBODY,
    set_cookie=FORGET,
)


class Session(Differential):
    cases = [
        *(Case(f"own first, {word}", 200, own_and(name, True), OURS) for word, name in names(b"sessionid", SPACES)),
        *(Case(f"own first, {word}", 200, own_and(name, True)) for word, name in names(b"sessionid", INVISIBLE)),
        *(Case(f"own last, {word}", 200, own_and(name, False)) for word, name in names(b"sessionid", EVERY)),
        *(Case(f"alone, {word}", 200, alone(name), NONE) for word, name in names(b"sessionid", SPACES)),
        *(Case(f"alone, {word}", 403, alone(name)) for word, name in names(b"sessionid", INVISIBLE)),
    ]


class Host(Differential):
    """`__Host-`, which exists so that no other host can set it."""

    variant = Variant(
        {"SESSION_COOKIE_NAME": "__Host-sid", "SESSION_COOKIE_SECURE": True},
        "session: { cookie: __Host-sid, secure: true }\n",
    )
    cases = [
        Case(
            f"{word}",
            200,
            lambda name=name: get(PATH, cookie((b"__Host-sid", rows.session()), (name, rows.session("staff")))),
            Differs(WHY, body=ALICE),
        )
        for word, name in names(b"__Host-sid", {"en quad": SPACES["en quad"]})
    ]


def form(name, token, first=True):
    """With the browser's own secret, and the attacker's under a name that is almost the same."""

    def request():
        own, other = (b"csrftoken", SECRET), (name, OTHER)
        pairs = (own, other) if first else (other, own)
        return post(PATH, cookie((b"sessionid", rows.session()), *pairs), f"X-CSRFToken: {token}")

    return request


class Csrf(Differential):
    named = [*names(b"csrftoken", SPACES)]
    cases = [
        *(Case(f"attacker's token, {word}", 200, form(name, OTHER), REFUSED) for word, name in named),
        *(Case(f"own token, {word}", 403, form(name, SECRET), PASSES) for word, name in named),
        *(Case(f"attacker's token, own last, {word}", 403, form(name, OTHER, False)) for word, name in named),
        *(Case(f"attacker's token, {word}", 403, form(name, OTHER)) for word, name in names(b"csrftoken", INVISIBLE)),
        *(Case(f"own token, {word}", 200, form(name, SECRET)) for word, name in names(b"csrftoken", INVISIBLE)),
    ]


def value(space, before):
    def request():
        key = rows.session().encode()
        return get(PATH, b"Cookie: sessionid=" + (space + key if before else key + space))

    return request


class Value(Differential):
    """Neither is a value trimmed of them: it is a session that nobody has, and the browser is told to forget it."""

    cases = [
        *(Case(f"{word} before", 200, value(space, True), UNTRIMMED) for word, space in SPACES.items()),
        *(Case(f"{word} behind", 200, value(space, False), UNTRIMMED) for word, space in SPACES.items()),
    ]
