"""The same calls by somebody without a credential and with a wrong one: they tell which views are guarded, and
who refuses."""

import base64

HEADERS = ("authorization", "x-api-key", "auth-token")


def twins(talk, calls):
    """Adds them behind the conversation, for each guarded place once and for each kind of credential once."""
    done = set()
    for call in calls:
        if not credentials(call):
            continue
        for kind, headers in variants(call.headers):
            key = call.method, call.path.partition("?")[0], kind
            if key in done:
                continue
            done.add(key)
            client = talk.client(kind)
            talk.send(client, call.method, call.path, headers, call.body, f"{kind}: {call.method} {call.path}")


def credentials(call):
    return call.client.logged_in or any(name.lower() in HEADERS for name in call.headers)


def variants(headers):
    plain = {name: value for name, value in headers.items() if name.lower() not in (*HEADERS, "cookie")}
    yield "no credential", plain
    for name, value in headers.items():
        if name.lower() in HEADERS:
            scheme = value.split()[0] if " " in value else name
            yield f"wrong {scheme}", {**plain, name: wrong(value)}


def wrong(value):
    """Of the same form; of a user whom nobody has, so that nobody is locked out for it."""
    scheme, _, rest = value.rpartition(" ")
    if scheme.lower() == "basic":
        return "Basic " + base64.b64encode(b"nobody-here:wrong").decode()
    middle = max(len(rest) - 8, 0)
    other = "0" if rest[middle : middle + 1] != "0" else "1"
    return f"{scheme} {rest[:middle]}{other}{rest[middle + 1 :]}".strip()
