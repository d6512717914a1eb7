"""gateway.yaml: what every gateway here has, over it the lines of one case, and a route for each view."""

import re

from project.class_lists import CLASS_LISTS, HEADLESS_LISTS, words

from . import tokens

# Where a word of a class list is not the gateway's. That tokens are `stateless` is a setting of the whole file.
SCHEMES = {
    "realm": "{ basic: { realm: Staff only } }",
    "keyword": "{ token: { keyword: Bearer } }",
    "stateless": "jwt",
    "remote": "{ remote_user: { from: [127.0.0.0/8]%s } }",
    "forwarded": "{ remote_user: { header: X-Forwarded-User, from: [127.0.0.0/8] } }",
    "headless": "headless_jwt",
    "lenient": "{ headless_jwt: { passes_on: true } }",
    "hawk": "{ hawk: { keys: [%s] } }"
    % ", ".join(
        f"{{ id: {name}, key: {name}-throwaway-key, algorithm: {algorithm}, service: alice }}"
        for name, algorithm in [("hawk-id", "sha256"), ("hawk-512", "sha512"), ("hawk-sha1", "sha1")]
    ),
    "custom": "{ callout: { url: http://127.0.0.1:NATIVE/custom-service/, headers: [X-Custom] } }",
    "challenged": "{ callout: { url: http://127.0.0.1:NATIVE/custom-service/, headers: [X-Custom],"
    " challenge: 'Custom realm=\"x\"' } }",
    "other": "{ callout: { name: other, url: http://127.0.0.1:NATIVE/other-service/, headers: [X-Other],"
    " challenge: 'Other realm=\"y\"' } }",
}
# Of the views of each list.
PERMISSIONS = {"": "authenticated", "public/": "anyone", "read/": "authenticated_or_read_only", "staff/": "staff"}
PAGES = {
    "/api-token-auth/": "token",
    "/api-auth/": "session",
    "/api/token/": "jwt",
    "/api/sliding/": "jwt_sliding",
    "/api/auth/": "knox",
    "/.well-known/jwks.json": "jwks",
}
BASE = f"""\
secret_key: {tokens.SECRET}
authentication: [session, token, basic]
permission: authenticated
identity: {{ assertion: {{ audience: django }} }}
# Rows change under the gateway's hands: it looks at them each time.
cache: {{ ttl: 0s, negative_ttl: 0s, grace: 0s }}
passwords: {{ iterations: 1000 }}
lockout: false
auth_rate: 1000000/min
trusted_proxies: [127.0.0.1/32]
jwt: {{ blacklist: true }}
headless: {{ jwt_algorithm: HS256 }}
"""


def document(port, admin, store, native, upstream, lines, remote_user, public):
    given = set(re.findall(r"^(\w+):", lines, re.MULTILINE))
    base = "".join(line for line in BASE.splitlines(keepends=True) if line.partition(":")[0] not in given)
    head = f"listen: 127.0.0.1:{port}\nadmin: 127.0.0.1:{admin}\nstore: {{ {store} }}\n"
    views = "".join(routes(f"http://127.0.0.1:{upstream}", remote_user, public)).replace("NATIVE", str(native))
    return head + base + lines + "routes:\n" + views


def routes(upstream, remote_user, public):
    for path, endpoint in PAGES.items():
        yield f"- {{ path: {path}, endpoint: {endpoint} }}\n"
    for path, permission in [
        ("/api/me/", "authenticated"),
        ("/api/public/", "anyone"),
        ("/api/staff/", "staff"),
        ("/api/echo/", "anyone"),
        ("/plain/", "anyone"),
    ]:
        yield view(path, permission, upstream)
    for name in CLASS_LISTS + HEADLESS_LISTS:
        chain = ", ".join(scheme(word, remote_user) for word in words(name))
        for place, permission in PERMISSIONS.items():
            yield view(f"/{name}/{place}", permission, upstream, f"authentication: [{chain}], ")
    for path, more in public.items():
        yield view(path, "anyone", upstream, more and f"{more}, ")


def scheme(word, remote_user):
    return SCHEMES.get(word, word).replace("%s", remote_user and f", {remote_user}")


def view(path, permission, upstream, more=""):
    allow = "allow: [GET, POST, HEAD, OPTIONS]"
    return f'- {{ path: {path}, {more}permission: {permission}, {allow}, upstream: "{upstream}" }}\n'
