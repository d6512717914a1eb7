"""`charset` of what is posted: Django decodes by it, if Python knows it."""

from support import Case, Differential, Differs, default_classes, post, refusal

PATH = "/api-token-auth/"
FORM = "application/x-www-form-urlencoded"
WHY = "Forms are in UTF-8, as browsers send them and Django 5 demands; a codec that reads bytes is none of JSON"
OLD, NEW = {"tokens": [(1, 40), (2, 40)]}, {"tokens": [(1, 40), (2, 40), (4, 40)]}


def in_charset(charset, data, kind="application/json"):
    return post(PATH, f"Content-Type: {kind}; charset={charset}", data=data)


unreadable = refusal(
    "What is wrong with bytes in another charset is said in fewer words",
    400,
    "JSON parse error - 'utf-16' codec can't decode the body",
)


def wrong(**fields):
    return refusal(WHY, 400, fields, database=OLD)


class Charset(Differential):
    variant = default_classes("token", "basic")
    text = '{"username":"élise","password":"päss wörd"}'
    latin1, form = text.encode("latin-1"), b"username=%E9lise&password=p%E4ss+w%F6rd"
    required = ["This field is required."]
    cases = [
        Case("unknown", 200, in_charset("x", text.encode())),
        Case("in quotes", 200, in_charset('"utf-8"', text.encode())),
        Case("UTF-8, body in Latin-1", 400, in_charset("utf-8", latin1)),
        Case("Latin-1", 200, in_charset("latin-1", latin1)),
        Case("Latin-1 by its other name", 200, in_charset("ISO-8859-1", latin1)),
        Case("Latin-1, body in UTF-8", 400, in_charset("latin-1", text.encode())),
        Case("UTF-16", 200, in_charset("utf-16", text.encode("utf-16"))),
        Case("UTF-16, cut", 400, in_charset("utf-16", text.encode("utf-16")[:-1]), unreadable),
        Case("UTF-16, big end first", 200, in_charset("utf-16-be", text.encode("utf-16-be"))),
        Case("windows-1252", 200, in_charset("cp1252", latin1)),
        Case("ASCII, body in Latin-1", 400, in_charset("us-ascii", latin1)),
        Case("of bytes", 400, in_charset("base64", b"{}"), wrong(username=required, password=required)),
        Case(
            "form",
            200,
            in_charset("latin-1", form, FORM),
            wrong(non_field_errors=["Unable to log in with provided credentials."]),
        ),
        Case("form, of bytes", 400, in_charset("base64", b"username=a", FORM), wrong(password=required)),
    ]
