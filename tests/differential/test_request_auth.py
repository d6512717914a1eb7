"""`request.auth`: what a view reads of the credential itself."""

from support import Case, Differential, basic, get, rows, tokens
from support.rows import ALICE


def auth(chain, *fields):
    return get(f"/{chain}/public/auth/", *fields)


class RequestAuth(Differential):
    cases = [
        Case("a token", 200, auth("token", f"Authorization: Token {ALICE}")),
        Case("a JSON Web Token", 200, lambda: auth("jwt", f"Authorization: Bearer {tokens.access()}")),
        Case("knox's", 200, lambda: auth("knox", f"Authorization: Token {rows.knox()}")),
        Case("a session", 200, lambda: auth("session", f"Cookie: sessionid={rows.session()}")),
        Case("a password", 200, auth("basic", basic("alice", "correct horse"))),
        Case("a session beside a token", 200, lambda: auth(
            "session-token", f"Cookie: sessionid={rows.session()}", f"Authorization: Token {ALICE}"
        )),
        Case("a token before a session", 200, lambda: auth(
            "token-session", f"Cookie: sessionid={rows.session()}", f"Authorization: Token {ALICE}"
        )),
        Case("nobody", 200, auth("token")),
    ]
