"""`charset` of what is posted: Django decodes by it, if Python knows it."""

from support import Case, Differential, Differs, default_classes, post, refusal

PATH = "/api-token-auth/"
FORM = "application/x-www-form-urlencoded"
WHY = "What is posted is UTF-8, as RFC 8259 has it for JSON, and browsers for forms: `charset` is not looked at"
OLD, NEW = {"tokens": [(1, 40), (2, 40)]}, {"tokens": [(1, 40), (2, 40), (4, 40)]}


def in_charset(charset, data, kind="application/json"):
    return post(PATH, f"Content-Type: {kind}; charset={charset}", data=data)


def unreadable(what):
    return refusal(WHY, 400, f"JSON parse error - 'utf-8' codec can't decode byte {what}", database=OLD)


def wrong(**fields):
    return refusal(WHY, 400, fields, database=OLD)


class Charset(Differential):
    variant = default_classes("token", "basic")
    text = '{"username":"élise","password":"päss wörd"}'
    latin1, form = text.encode("latin-1"), b"username=%E9lise&password=p%E4ss+w%F6rd"
    e_acute = unreadable("0xe9 in position 13: invalid continuation byte")
    required = ["This field is required."]
    found = Differs(WHY, status=200, body='{"token":"<40 hexadecimal digits>"}', database=NEW)
    cases = [
        Case("unknown", 200, in_charset("x", text.encode())),
        Case("in quotes", 200, in_charset('"utf-8"', text.encode())),
        Case("UTF-8, body in Latin-1", 400, in_charset("utf-8", latin1)),
        Case("Latin-1", 200, in_charset("latin-1", latin1), e_acute),
        Case("Latin-1 by its other name", 200, in_charset("ISO-8859-1", latin1), e_acute),
        Case("Latin-1, body in UTF-8", 400, in_charset("latin-1", text.encode()), found),
        Case(
            "UTF-16",
            200,
            in_charset("utf-16", text.encode("utf-16")),
            unreadable("0xff in position 0: invalid start byte"),
        ),
        Case("of bytes", 400, in_charset("base64", b"{}"), wrong(username=required, password=required)),
        Case(
            "form",
            200,
            in_charset("latin-1", form, FORM),
            wrong(non_field_errors=["Unable to log in with provided credentials."]),
        ),
        Case("form, of bytes", 400, in_charset("base64", b"username=a", FORM), wrong(password=required)),
    ]
