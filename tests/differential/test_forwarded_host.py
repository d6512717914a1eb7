"""`USE_X_FORWARDED_HOST`: the name that a proxy in front was asked for, with which `Origin` is compared."""

from support import Case, Differential, Differs, Variant, cookies, post, refusal, rows
from support.csrf import SECRET, TOKEN

FRONT = "X-Forwarded-Host: front.example"


def posted(*headers):
    return lambda: post("/session/", cookies(sessionid=rows.session(), csrftoken=SECRET), TOKEN, *headers)


class Used(Differential):
    variant = Variant({"USE_X_FORWARDED_HOST": True})
    why = "The gateway goes by Host alone: a proxy in front has to leave it as it was"
    good = Differs(why, status=200, body='{"user":"alice","id":1,"authenticated":true}')
    bad = refusal(
        why, 403, "CSRF Failed: Origin checking failed - http://front.example does not match any trusted origins."
    )
    cases = [
        Case("Origin of the proxy's name", 200, posted(FRONT, "Origin: http://front.example"), bad),
        Case("Origin of Host", 403, posted(FRONT, "Origin: http://testserver"), good),
        Case("no header, Origin of Host", 200, posted("Origin: http://testserver")),
        Case("Host as it was", 200, posted("Host: front.example", FRONT, "Origin: http://front.example")),
    ]


class NotUsed(Differential):
    """Django's default: whoever sends the header has only written it."""

    cases = [
        Case("Origin of the header's name", 403, posted(FRONT, "Origin: http://front.example")),
        Case("Origin of Host", 200, posted(FRONT, "Origin: http://testserver")),
    ]
