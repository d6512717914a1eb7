"""`Authorization: Token` as `TokenAuthentication` reads it."""

from support import Case, Differential, Differs, get, head, options, rows
from support.differences import TWO_AUTHORIZATIONS
from support.rows import ALICE, BOB


def token(value, scheme="Token"):
    return get("/token/", f"Authorization: {scheme} {value}")


class Header(Differential):
    cases = [
        Case("valid", 200, token(ALICE)),
        Case("no header", 401, get("/token/")),
        Case("empty header", 401, get("/token/", "Authorization:")),
        Case("other keyword", 401, token(ALICE, "Bearer")),
        Case("colon after the keyword", 401, token(ALICE, "Token:")),
        Case("key in the query string", 401, get(f"/token/?token={ALICE}")),
        Case("keyword alone", 401, get("/token/", "Authorization: Token")),
        Case("three parts", 401, token("a b")),
        Case("lower case keyword", 200, token(ALICE, "token")),
        Case("upper case keyword", 200, token(ALICE, "TOKEN")),
        Case("several blanks", 200, token(ALICE, "Token   ")),
        Case("tab", 200, get("/token/", f"Authorization: tOkEn\t{ALICE}")),
    ]


class Key(Differential):
    explains = True
    cases = [
        Case("bytes that are not UTF-8", 401, get("/token/", b"Authorization: Token \xe9")),
        Case("UTF-8 beyond ASCII", 401, get("/token/", "Authorization: Token é")),
        Case("unknown", 401, token("f" * 40)),
        Case("upper case", 401, token(ALICE.upper())),
        Case("in quotes", 401, token(f'"{ALICE}"')),
        Case("as a parameter", 401, token(f"token={ALICE}")),
        Case("5000 characters", 401, token("a" * 5000)),
        Case("inactive user", 401, token(BOB)),
        Case("first half", 401, token(ALICE[:20])),
        Case("with one character more", 401, token(ALICE + "0")),
    ]

    def test_deleted(self):
        def conversation(side):
            side.send(token(ALICE))
            rows.delete_tokens("alice")
            side.send(token(ALICE))

        self.compare(conversation)


def by_hand(key):
    """A row that no code of DRF's has made: the column takes any text."""

    def request():
        rows.give_token("staff", key)
        return token(key)

    return request


class MadeByHand(Differential):
    cases = [
        Case("short", 200, by_hand("x")),
        Case("40 characters beyond ASCII", 200, by_hand("ä" * 40)),
        Case("upper case", 200, by_hand("ABCDEF")),
        Case("quotes", 200, by_hand("a'b\"c")),
        Case("percent signs", 200, by_hand("%s%41")),
        Case("comma and equals sign", 200, by_hand("a=b,c")),
    ]


class Keyword(Differential):
    """A subclass with `keyword = "Bearer"`: the challenge says it too."""

    path = "/keyword/"
    cases = [
        Case("none", 401, get(path)),
        Case("right", 200, get(path, f"Authorization: Bearer {ALICE}")),
        Case("lower case", 200, get(path, f"Authorization: bearer {ALICE}")),
        Case("usual keyword", 401, get(path, f"Authorization: Token {ALICE}")),
        Case("alone", 401, get(path, "Authorization: Bearer")),
        Case("unknown", 401, get(path, "Authorization: Bearer x")),
    ]


class NulByte(Differential):
    """Attack: a control byte, at which one side ends the value and the other does not."""

    cases = [
        Case(
            "NUL in the key",
            400,
            get("/token/", b"Authorization: Token \0" + ALICE.encode()),
            Differs(
                "Either server refuses it before there is a request, in its own words",
                content_type="application/json",
                vary=["accept"],
                body='{"detail":"The request is not valid HTTP/1.1. Percent-encode characters such as \\" and < in the target,'
                " and give the body's length once.\"}",
            ),
        ),
    ]


class TwoHeaders(Differential):
    """Attack: a second header, in the hope that the gateway judges one and the application reads the other."""

    first = f"Authorization: Token {ALICE}"
    cases = [
        Case("two users", 401, get("/token/", first, f"Authorization: Token {BOB}"), TWO_AUTHORIZATIONS),
        Case("the same twice", 401, get("/token/", first, first), TWO_AUTHORIZATIONS),
    ]


class Methods(Differential):
    cases = [
        Case("HEAD without token", 401, head("/token/")),
        Case("HEAD with token", 200, head("/token/", f"Authorization: Token {ALICE}")),
        Case("OPTIONS without token", 401, options("/token/")),
        Case("OPTIONS with token", 200, options("/token/", f"Authorization: Token {ALICE}")),
        Case("bad token where anyone may", 401, get("/token/public/", "Authorization: Token bad")),
        Case("no token where anyone may", 200, get("/token/public/")),
    ]
