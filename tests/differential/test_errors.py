"""Errors that a view answers with by itself: through the gateway they come as they are."""

from support import Case, Differential, Differs, Variant, cookies, get, head, post, rows
from test_permissions import BAD, NO_CHALLENGE, TOKEN

PATH = "/token/public/"


def raised(what, *headers, send=get, path=PATH):
    return send(f"{path}raises/{what}/", *headers)


class Raised(Differential):
    cases = [
        Case("not found", 404, raised("not-found", TOKEN)),
        Case("no such user", 404, raised("no-user", TOKEN)),
        Case("denied", 403, raised("denied", TOKEN)),
        Case("throttled", 429, raised("throttled", TOKEN)),
        Case("a field is not valid", 400, raised("invalid", TOKEN)),
        Case("the whole is not valid", 400, raised("invalid-as-a-whole", TOKEN)),
        Case("suspicious", 400, raised("suspicious", TOKEN)),
        Case("error", 500, raised("error", TOKEN)),
        Case("error, HEAD", 500, raised("error", TOKEN, send=head)),
        Case("error, POST", 500, raised("error", TOKEN, send=post)),
        Case("error, nobody", 500, raised("error")),
        Case("error, bad token", 401, raised("error", BAD)),
        Case("not authenticated after all, no challenge", 403, raised("not-authenticated", path="/session/public/")),
        Case("not authenticated after all", 401, raised("not-authenticated", TOKEN), NO_CHALLENGE),
        Case("failed after all", 401, raised("failed", TOKEN), NO_CHALLENGE),
    ]


def read(*headers, data, who=TOKEN):
    return post(f"{PATH}reads/", who, *headers, data=data)


class Body(Differential):
    """It is parsed when the view asks for it, which is after authentication."""

    text = "Content-Type: text/plain"
    cases = [
        Case("JSON", 200, read(data={"a": "ä"})),
        Case("malformed JSON", 400, read(data=b"{")),
        Case("malformed JSON, bad token", 401, read(data=b"{", who=BAD)),
        Case("NaN", 400, read(data=b'{"a":NaN}')),
        Case("no UTF-8", 400, read(data=b'{"a":"\xff"}')),
        Case("text", 415, read(text, data=b"x")),
        Case("text, bad token", 401, read(text, data=b"x", who=BAD)),
        Case("unknown charset", 200, read("Content-Type: application/json; charset=x", data=b'{"a":1}')),
        Case("charset of bytes", 400, read("Content-Type: application/json; charset=base64", data=b"{}")),
        Case("Latin-1", 200, read("Content-Type: application/json; charset=latin-1", data=b'{"a":"\xe4"}')),
        Case("multipart without a boundary", 400, read("Content-Type: multipart/form-data", data=b"x")),
    ]


OTHER_PATH = "/session/public/"


def in_session(what, key):
    return raised(what, cookies(sessionid=key), path=OTHER_PATH)


class ServerError(Differential):
    """Where a view fails, no session is prolonged; one that is over is forgotten all the same."""

    variant = Variant({"SESSION_SAVE_EVERY_REQUEST": True}, "session: { save_every_request: true }\n")
    kept = (
        "sessionid",
        "<as sent>",
        ["expires=<now + Max-Age>", "HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=Lax"],
    )
    data = [("_auth_user_backend", rows.MODEL_BACKEND), ("_auth_user_hash", True), ("_auth_user_id", "1")]
    prolonged = Differs(
        "A session is prolonged when it lets somebody in, and not when the view has gone well",
        set_cookie=[kept],
        database={"sessions": [{"key": 32, "expires": 20160, "data": data}]},
    )
    cases = [
        Case("session", 500, lambda: in_session("error", rows.session(age=600)), prolonged),
        Case("refused", 404, lambda: in_session("not-found", rows.session(age=600))),
        Case("dead session", 500, in_session("error", "x" * 32)),
    ]


class OldKey(Differential):
    """A session that the old key has signed gets a new name."""

    old = "the-key-before-this-one-0123456789-0123456789"
    variant = Variant({"SECRET_KEY_FALLBACKS": [old]}, f"secret_key_fallbacks: [{old}]\n")
    named = ("sessionid", "<32 of a-z 0-9>", ServerError.kept[2])
    told = Differs(
        "Where a view fails, Django does not tell the client its session's new name: the user is logged out",
        set_cookie=[named],
        database={"sessions": [{"key": 32, "expires": 20160, "data": ServerError.data}]},
    )
    cases = [Case("error", 500, lambda: in_session("error", rows.of_old_key(OldKey.old)), told)]
