"""The examples of deploy/ for other proxies that ask the gateway, attacked on the wire."""

import base64
import contextlib
import re
import sqlite3
import threading
import unittest
import unittest.mock
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import unquote

from beside import http2
from beside.support import ROOT, Deciding, Proxy, Upstream
from clients.gateway import PASSWORD

IDENTITY = ["Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups"]


def basic(user):
    return base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()


ALICE = "Authorization: Basic " + basic("alice")

NGINX = """
# Else root's own gives way to one that cannot write here.
user root;
daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    EXAMPLE
}
"""

MODULES = "mpm_event authz_core access_compat alias mime dir include filter rewrite headers lua proxy proxy_http http2"
APACHE = """
# Else root's own gives way to one that cannot write here.
User nobody
Group nogroup
PidFile apache.pid
DefaultRuntimeDir .
ErrorLog /dev/stderr
ServerName api.example
LOADED
TypesConfig /dev/null
# For the tests alone: HTTP/2, without TLS.
Protocols h2c http/1.1
H2Upgrade off
EXAMPLE
""".replace(
    "LOADED", "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES.split())
)


class Examples:
    """The same attacks on every proxy."""

    # Whether the gateway's own page reaches the client with a refusal.
    whole_refusals = True
    # Whether it speaks HTTP/2 without TLS, as the example is.
    http2 = False
    # Whether it waits half a minute for the gateway, whatever it is told.
    patient = False
    # Where it says the tests come from.
    client = "127.0.0.1"

    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.addClassCleanup(cls.upstream.stop)
        cls.gateway = Deciding(ROOT / "deploy" / cls.folder / "gateway.yaml", ["alice", "grouped"])
        cls.addClassCleanup(cls.gateway.stop)
        cls.proxy = Proxy(cls.folder, **cls.example)
        cls.proxy.start(cls.gateway.port, cls.upstream.port)
        cls.addClassCleanup(cls.proxy.stop)

    def setUp(self):
        self.upstream.taken()

    def ask(self, target, *lines, method="GET", connection="close", body=b"", source="127.0.0.1"):
        """The answer, and what came through to the upstream."""
        head = [f"{method} {target} HTTP/1.1", "Host: api.example", f"Connection: {connection}", *lines]
        answer = self.proxy.send("\r\n".join([*head, "", ""]).encode("latin-1") + body, source)
        return answer, self.upstream.taken()

    def said(self, request):
        """Who the upstream would say is asking, whatever the spelling."""
        folded = {name: request.folded(name) for name in IDENTITY}
        return {name: [value for _, value in pairs if value] for name, pairs in folded.items()}

    def nobody(self):
        return {name: [] for name in IDENTITY}

    def alice(self):
        return {**self.nobody(), "Remote-User": ["alice"]}

    # --- what is meant --------------------------------------------------------------------------

    def test_the_user_arrives(self):
        answer, [request] = self.ask("/a%3Ab/?c=%2f&d", ALICE)
        self.assertEqual((answer.status, answer.body), (200, b"upstream"))
        self.assertEqual(self.said(request), self.alice())
        self.assertEqual(request.first, "GET /a%3Ab/?c=%2f&d HTTP/1.1")

    def test_many_groups(self):
        """The longest value that the gateway writes passes whole: a proxy that refuses it would lock its user out."""
        groups = [f"\N{LATIN SMALL LETTER E WITH ACUTE}{number:04}" for number in range(530)]
        with contextlib.closing(sqlite3.connect(Path(self.gateway.folder.name, "store.db"))) as database, database:
            (user,) = database.execute("SELECT id FROM auth_user WHERE username = 'grouped'").fetchone()
            rows = [(number + 1, name) for number, name in enumerate(groups)]
            database.executemany("INSERT INTO auth_group (id, name) VALUES (?, ?)", rows)
            database.executemany(
                "INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, ?)", [(user, number) for number, _ in rows]
            )
        answer, seen = self.ask("/x", ALICE.replace(basic("alice"), basic("grouped")))
        self.assertEqual(answer.status, 200)
        (written,) = seen[0].values("Remote-Groups")
        self.assertGreater(len(written), 5800)
        self.assertEqual([unquote(group) for group in written.split(",")], groups)

    def test_nobody_arrives_where_anyone_may(self):
        answer, [request] = self.ask("/public/x")
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.said(request), self.nobody())

    def test_methods_are_decided_on_as_they_are(self):
        for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            with self.subTest(method):
                answer, got = self.ask("/", "Content-Length: 0", method=method)
                self.assertEqual((answer.status, got), (401, []))
        _, [request] = self.ask("/x", ALICE, "Content-Length: 0", method="DELETE")
        self.assertEqual(request.first, "DELETE /x HTTP/1.1")

    def test_bodies_pass_whole(self):
        body = bytes(range(256)) * 2000
        answer, [request] = self.ask("/x", ALICE, f"Content-Length: {len(body)}", method="POST", body=body)
        self.assertEqual((answer.status, request.body == body), (200, True))
        self.assertEqual(self.said(request), self.alice())
        chunks = b"".join(b"%x\r\n%s\r\n" % (64000, body[at : at + 64000]) for at in range(0, 512000, 64000))
        answer, [request] = self.ask(
            "/x", ALICE, "Transfer-Encoding: chunked", method="POST", body=chunks + b"0\r\n\r\n"
        )
        self.assertEqual((answer.status, request.body == body), (200, True))

    def test_refusals_reach_the_client(self):
        answer, got = self.ask("/x")
        self.assertEqual((answer.status, got), (401, []))
        self.assertEqual(answer.values("www-authenticate"), ["Token"])
        self.assert_page(answer, b"credentials were not provided")
        answer, got = self.ask("/staff/", ALICE)
        self.assertEqual((answer.status, got), (403, []))
        self.assert_page(answer, b"permission")
        answer, got = self.ask("/x", "Authorization: Basic " + base64.b64encode(b"alice:wrong").decode())
        self.assertEqual((answer.status, got), (401, []))

    def assert_page(self, answer, text):
        if self.whole_refusals:
            self.assertIn(text, answer.body)

    def test_people_are_led_to_the_login_page_and_stay_logged_in(self):
        answer, got = self.ask("/page?a=b", "Accept: text/html")
        self.assertEqual((answer.status, got), (302, []))
        [location] = answer.values("location")
        self.assertRegex(location, r"^(http://api\.example)?/accounts/login/\?next=%2Fpage%3Fa%3Db$")
        page, got = self.ask("/accounts/login/")
        self.assertEqual((page.status, got), (200, []))
        token = self.cookies(page)["csrftoken"]
        form = f"username=alice&password={PASSWORD.replace(' ', '+')}&csrfmiddlewaretoken={token}&next=/page"
        answer, got = self.ask(
            *("/accounts/login/", f"Cookie: csrftoken={token}", "Content-Type: application/x-www-form-urlencoded"),
            *("Origin: http://api.example", f"Content-Length: {len(form)}"),
            method="POST",
            body=form.encode(),
        )
        self.assertEqual((answer.status, got), (302, []))
        session = self.cookies(answer)["sessionid"]
        answer, [request] = self.ask("/page", f"Cookie: sessionid={session}")
        self.assertEqual(self.said(request), self.alice())
        # `save_every_request`: the gateway prolongs the session with its yes.
        self.assertEqual(self.cookies(answer).get("sessionid"), session)
        cookies = f"Cookie: sessionid={session}; csrftoken={token}"
        answer, got = self.ask("/x", cookies, "Content-Length: 0", method="POST")
        self.assertEqual((answer.status, got), (403, []))
        token = f"X-CSRFToken: {token}"
        answer, got = self.ask("/x", cookies, token, "Content-Length: 0", "Origin: https://evil.example", method="POST")
        self.assertEqual((answer.status, got), (403, []))
        _, [request] = self.ask("/x", cookies, token, "Content-Length: 0", "Origin: http://api.example", method="POST")
        self.assertEqual(self.said(request), self.alice())

    def cookies(self, answer):
        return dict(re.match("([^=]*)=([^;]*)", cookie).groups() for cookie in answer.values("set-cookie"))

    # --- who ------------------------------------------------------------------------------------

    def test_a_forged_identity(self):
        """Attack: the client says itself who it is, in every spelling that a server may fold to the same
        variable, twice, on a folded line, and as itself on a request that is somebody's."""
        marks = "-_.!#$%&'*+^`|~"
        lines = [f"{name.replace('-', mark)}: admin" for name in IDENTITY for mark in marks]
        lines += ["REMOTE_USER: admin", "remote-user: admin\r\nRemote-User: admin", "Remote-User : admin"]
        lines += ["X-A: b\r\n Remote-User: admin", "X-A: b\rRemote-User: admin", "X-A: b\nRemote-User: admin"]
        lines += ["Remote-User: admin\0", "Remote-User\t: admin", "Remote-User:", "Remote-User: alice, admin"]
        lines += [f"{name}: admin" for name in ("Remote\0User", "Remote User", "Remote\xadUser")]
        for line in lines:
            for credential, expected in (([], self.nobody()), ([ALICE], self.alice())):
                with self.subTest(line, somebody=bool(credential)):
                    _, got = self.ask("/public/", *credential, line)
                    for request in got:
                        self.assertEqual(self.said(request), expected)
                    self.assertLessEqual(len(got), 1)
        # Whole, and not only refused.
        _, [request] = self.ask("/public/", "Remote-User: admin", "Remote-Groups: admins")
        self.assertEqual(self.said(request), self.nobody())

    def test_a_connection_field_that_takes_the_decision_away(self):
        """Attack: `Connection` names what the proxy adds itself, so that it is removed on the way to the
        gateway, which then decides on another request, or on the way to the upstream (CVE-2024-45410)."""
        names = [*IDENTITY, *(f"X-Forwarded-{name}" for name in ("Method", "Uri", "Host", "Proto", "For"))]
        for name in [*names, "Authorization", "Cookie", "Host"]:
            with self.subTest(name):
                forged = "X-Forwarded-Uri: /public/"
                answer, got = self.ask("/staff/", forged, connection=f"close, {name}")
                self.assertEqual(got, [])
                answer, got = self.ask("/public/", "Remote-User: admin", connection=f"close, {name}")
                self.assertEqual([self.said(request) for request in got], [self.nobody()] * len(got))
                answer, got = self.ask("/x", ALICE, connection=f"close, {name}")
                self.assertEqual([self.said(request) for request in got], [self.alice()] * len(got))

    # --- what -----------------------------------------------------------------------------------

    def test_a_forged_description(self):
        """Attack: the client says that its request is another one (CVE-2026-40575)."""
        for line in (
            *("X-Forwarded-Uri: /public/", "X-Forwarded-Uri: /public/\r\nX-Forwarded-Uri: /public/"),
            *("X_Forwarded_Uri: /public/", "X-Original-URL: /public/", "X-Rewrite-URL: /public/"),
            *("X-Original-Uri: /public/", "X-Envoy-Original-Path: /public/", "X-Forwarded-Prefix: /public"),
            *("X-Forwarded-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS", "X-Forwarded-Host: other.example"),
            *("X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1;host=other.example", "X-Real-IP: 127.0.0.1"),
        ):
            with self.subTest(line):
                answer, got = self.ask("/staff/", line)
                self.assertEqual((answer.status, got), (401, []))
                answer, got = self.ask("/staff/", line, ALICE)
                self.assertEqual((answer.status, got), (403, []))

    def test_a_preflight(self):
        """Attack: the gateway answers a preflight without deciding, and the proxy takes that for a yes."""
        lines = ["Access-Control-Request-Method: GET", "Remote-User: admin"]
        for origin in ("https://app.example", "https://evil.example"):
            with self.subTest(origin):
                _, got = self.ask("/staff/", f"Origin: {origin}", *lines, method="OPTIONS")
                self.assertEqual(got, [])

    def test_forged_forwarding_does_not_reach_the_upstream(self):
        """Attack: what the client says of itself is taken by the application for the proxy's word."""
        forged = {"For": "203.0.113.66", "Host": "evil.example", "Proto": "https", "Uri": "/evil", "Method": "EVIL"}
        lines = [f"X-Forwarded-{name}: {value}" for name, value in forged.items()]
        for spelling in ("X_Forwarded_", "X-Forwarded_", "X_Forwarded-", "X.Forwarded.", "X-Forwarded."):
            lines += [f"{spelling}{name}: {value}" for name, value in forged.items()]
        lines += ["Forwarded: for=203.0.113.66;host=evil.example"]
        _, [request] = self.ask("/public/", *lines)
        own = {"For": [self.client], "Host": ["api.example"], "Proto": ["http"], "Uri": [], "Method": []}
        for name in forged:
            with self.subTest(name):
                values = [value for _, value in request.folded(f"X-Forwarded-{name}")]
                # Not every proxy tells the application the host twice.
                self.assertIn(values, [own[name], []] if name == "Host" else [own[name]])
        self.assertNotIn("203.0.113.66", str(request.fields))
        self.assertEqual(request.values("Host"), ["api.example"])
        self.assertEqual(request.values("Forwarded"), [])

    def test_a_limit_that_is_counted_by_a_forged_address(self):
        """Attack: another `X-Forwarded-For` with each request, so that none is the fourth of its client."""
        answers = [
            self.ask("/limited/", f"X-Forwarded-For: 192.0.2.{n}", f"Forwarded: for=192.0.2.{n}") for n in range(4)
        ]
        self.assertEqual([answer.status for answer, _ in answers], [200, 200, 200, 429])
        self.assertEqual([len(got) for _, got in answers], [1, 1, 1, 0])
        [after] = answers[3][0].values("retry-after")
        self.assertGreater(int(after), 0)
        self.assert_page(answers[3][0], b"throttled")
        if self.client == "127.0.0.1":
            self.assertEqual(self.ask("/limited/", source="127.0.0.7")[0].status, 200)

    def test_paths_that_are_read_in_two_ways(self):
        """Attack: the gateway decides on one reading of the path, and the upstream answers another.
        Whatever comes through must, read in every way, be what this client may have."""
        targets = """
            /public/../staff/ /public/%2e%2e/staff/ /public/.%2e/staff/ /public/..%2fstaff/ /public/%2e%2e%2fstaff/
            /public/..%5cstaff/ /public/..\\staff/ /public\\..\\staff/ /public/x/../../staff/ /public/./../staff/
            //staff/ ///staff/ //public/..//staff/ /public//../staff/ /public//..//staff/ /public/..;/staff/
            /public/;/../staff/ /public;/../staff/ /public/..;x=y/staff/ /staff;/ /public%2f..%2fstaff/ /public%2f
            /staff%2f /%2fstaff/ /%73taff/ /./staff/ /staff/. /staff/%2e /public/%2e%2e;/staff/ /public/%00/../staff/
            /public/%/../staff/ /public/%c0%ae%c0%ae/staff/ /public/#/../../staff/ /staff/#/public/ /public/?/../staff/
            /public#/../staff/ http://api.example/staff/ http://other.example/staff/ http://api.example
            http:///staff/ http://api.example/public/../staff/ https://api.example/staff/ * staff/ ?/public/
            /accounts/../staff/ /accounts/%2e%2e/staff/ /accounts/..%2f_decide /accounts/../_decide /accounts//../staff/
            /_decide /_decide/ /_decide/public/ /_decide?/public/ /_decide/../staff/ /accounts/..;/staff/
            //accounts/../staff/ /public/../accounts/../staff/ /_decide/public/../../staff/ /public/\u00e9/../staff/
            /public/%u002e%u002e/staff/
        """.split()
        for target in targets:
            for credential, allowed in (([], {"public"}), ([ALICE], None)):
                with self.subTest(target, somebody=bool(credential)):
                    answer, got = self.ask(target, *credential, "X-Forwarded-Uri: /public/", "X-Forwarded-Method: GET")
                    for request in got:
                        first = {reading.split("/")[0] for reading in readings(request.target)}
                        self.assertNotIn("staff", first, request.first)
                        self.assertTrue(allowed is None or first <= allowed, request.first)
                    if answer:
                        self.assertLess(answer.status, 500)

    def test_a_second_request_inside_the_first(self):
        """Attack: two lengths, so that the proxy's one request is two for the upstream, the second undecided."""
        inside = b"GET /staff/ HTTP/1.1\r\nHost: api.example\r\nX-A: "
        for lines in (
            ["Content-Length: 5", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: chunked", "Content-Length: %d" % (len(inside) + 5)],
            ["Content-Length: 0", "Content-Length: %d" % (len(inside) + 5)],
            ["Transfer-Encoding: xchunked", "Content-Length: 5"],
            ["Transfer-Encoding : chunked", "Content-Length: 5"],
            ["Transfer_Encoding: chunked", "Content-Length: 5"],
            ["Content_Length: %d" % (len(inside) + 5)],
            # Two that are meant to be two.
            ["Content-Length: 5"],
        ):
            with self.subTest(lines):
                body = b"0\r\n\r\n" + inside + b"\r\n\r\n"
                _, got = self.ask("/public/", *lines, method="POST", connection="x", body=body)
                self.assertEqual([request.target for request in got], ["/public/"] * len(got))

    def test_a_connection_that_becomes_another(self):
        """Attack: after one decision the connection is HTTP/2 to an upstream that speaks it without TLS, and
        carries requests that nobody decides on (h2c smuggling)."""
        for lines in (
            *(["Upgrade: h2c"], ["Upgrade: H2C"], ["Upgrade: h2c, websocket"], ["Upgrade: websocket, h2c"]),
            *(["Upgrade: websocket", "Upgrade: h2c"], ["Upgrade: h2c", "Upgrade: websocket"]),
        ):
            with self.subTest(lines):
                lines = [*lines, "HTTP2-Settings: AAMAAABkAAQAAP__"]
                _, got = self.ask("/public/", *lines, connection="Upgrade, HTTP2-Settings, close")
                for request in got:
                    self.assertIn(request.values("upgrade"), [[], ["websocket"]])

    def test_hosts(self):
        """Attack: the host that is decided on is another than the upstream's."""
        for line, target in (
            ("X-Forwarded-Host: other.example", "/public/"),
            ("Host: other.example", "/public/"),
            ("X-A: b", "http://other.example/public/"),
            ("X-A: b", "http://api.example/public/"),
        ):
            with self.subTest(line, target=target):
                _, got = self.ask(target, line)
                for request in got:
                    self.assertEqual(request.target, "/public/")
                    self.assertEqual(len(request.values("host")), 1)
                    said = set(request.values("host") + [value for _, value in request.folded("x-forwarded-host")])
                    self.assertEqual(len(said), 1)

    # --- a gateway that does not answer ---------------------------------------------------------

    def test_a_gateway_that_is_gone(self):
        """Attack: the gateway is brought down, and what it would have refused is let through."""
        self.assertEqual(self.ask("/public/")[0].status, 200)
        self.gateway.kill()
        try:
            asked = [("/public/",), ("/", ALICE), ("/staff/", "Remote-User: admin")]
            answers = at_once(lambda words: self.ask(*words), asked)
            self.assertEqual([(answer.status // 100, got) for answer, got in answers], [(5, [])] * 3)
        finally:
            self.gateway.start()
        self.assertEqual(self.ask("/", ALICE)[0].status, 200)

    def test_a_gateway_that_hangs(self):
        """Attack: the gateway is kept busy until the proxy waits no more, and goes on without it."""
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.ask("/public/")))
        self.gateway.pause()
        try:
            asking.start()
            asking.join(2 if self.patient else 30)
            self.assertEqual(self.upstream.got, [])
            if not self.patient:
                [(answer, got)] = answers
                self.assertEqual((answer.status // 100, got), (5, []))
        finally:
            self.gateway.resume()
            asking.join()

    # --- HTTP/2 ---------------------------------------------------------------------------------

    def test_http2(self):
        """Attack: names and paths that only HTTP/2 can say, and two hosts."""
        if not self.http2:
            self.skipTest("speaks it over TLS alone")
        credential = ("authorization", ALICE.partition(": ")[2])

        def ask(path, *fields):
            pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "api.example"), (":path", path)]
            return http2.send(self.proxy, [*pseudo, *fields])

        yes = ask("/x", credential)
        [request] = self.upstream.taken()
        self.assertEqual((yes, self.said(request)), (True, self.alice()))
        forged = (
            *[("/staff/", ("x-forwarded-uri", "/public/"), ("x-forwarded-method", "GET")), ("/x",)],
            *[("/public/../staff/",), ("/public/%2e%2e/staff/",), ("/public/..\\staff/",), ("/staff/#/public/",)],
            *[("staff/",), ("http://api.example/staff/",), ("/staff/ /public/",), ("/staff/ HTTP/1.1\r\nx: /public/",)],
            *[("/public/", ("x", "y\r\n\r\nGET /staff/ HTTP/1.1")), ("/staff/", ("transfer-encoding", "chunked"))],
            ("/staff/", ("connection", "x-forwarded-uri"), ("x-forwarded-uri", "/public/")),
        )
        # At once, since Envoy is slow to close a connection that it has refused.
        self.assertEqual(at_once(lambda words: ask(*words), forged), [False] * len(forged))
        self.assertEqual(self.upstream.taken(), [])
        names = [f"remote{mark}user" for mark in "-_.~ "] + ["remote-user ", "Remote-User"]
        at_once(lambda name: ask("/public/", (name, "admin")), names)
        got = self.upstream.taken()
        self.assertEqual([self.said(request) for request in got], [self.nobody()] * len(got))
        ask("/public/", ("host", "other.example"))
        for request in self.upstream.taken():
            self.assertEqual(len(set(request.values("host") + request.values("x-forwarded-host"))), 1)


def at_once(function, items):
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(function, items))


def readings(target):
    """The path in every way that a server may read it, without its first slash."""
    path = re.sub("^[a-z]+://[^/]*", "", target)
    before = {path, path.split("?")[0], path.split("#")[0].split("?")[0]}
    seen = set()
    for path in before:
        for decoded in (path, unquote(path, "latin-1")):
            for slashes in (decoded, decoded.replace("\\", "/")):
                for plain in (slashes, re.sub(";[^/]*", "", slashes)):
                    for merged in (plain, re.sub("/+", "/", plain)):
                        seen |= {merged.lstrip("/"), without_dots(merged).lstrip("/")}
    return {reading.split("?")[0] for reading in seen}


def without_dots(path):
    kept = []
    for segment in path.split("/"):
        if segment == "..":
            kept = kept[:-1] if len(kept) > 1 else kept
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept)


class Nginx(Examples, unittest.TestCase):
    folder = "nginx"
    whole_refusals = False
    example = {
        "files": ["nginx.conf"],
        "command": ["nginx", "-p", "{folder}", "-e", "stderr", "-c", "nginx.conf"],
        "listens": ("listen 80;", "listen 127.0.0.1:{};"),
        "patience": ("read_timeout 10s", "read_timeout 1s"),
        "wrapper": NGINX,
    }


class Apache(Examples, unittest.TestCase):
    folder = "apache"
    http2 = True
    example = {
        "files": ["decide.conf", "decide.lua"],
        # For its children, if root starts it.
        "command": ["sh", "-c", "chmod 755 . && exec apache2 -d {folder} -f decide.conf -D FOREGROUND"],
        "listens": ("<VirtualHost *:80>", "Listen 127.0.0.1:{0}\n<VirtualHost 127.0.0.1:{0}>"),
        "patience": ("patience = 10", "patience = 1"),
        "wrapper": APACHE,
    }


class Caddy(Examples, unittest.TestCase):
    folder = "caddy"
    example = {
        "files": ["Caddyfile"],
        "command": ["caddy", "run", "--config", "Caddyfile"],
        "listens": ("\n:80 {", "\n{{\n\tadmin off\n}}\n\nhttp://:{} {{\n\tbind 127.0.0.1"),
        "patience": ("header_timeout 10s", "header_timeout 1s"),
    }


class HAProxy(Examples, unittest.TestCase):
    folder = "haproxy"
    http2 = True
    example = {
        "files": ["haproxy.cfg", "decide.lua"],
        "command": ["haproxy", "-f", "haproxy.cfg"],
        "listens": ("bind :80", "bind 127.0.0.1:{}"),
        "patience": ("patience = 2500", "patience = 250"),
    }

    def test_a_script_that_fails(self):
        """Attack: something that the script was not written for ends it, and HAProxy goes on without it."""
        proxy = Proxy(self.folder, **{**self.example, "patience": ("local headers = {}", "error('unforeseen')")})
        proxy.start(self.gateway.port, self.upstream.port)
        self.addCleanup(proxy.stop)
        answer = proxy.send(b"GET /public/ HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n")
        self.assertEqual((answer.status, self.upstream.taken()), (503, []))


class Envoy(Examples, unittest.TestCase):
    folder = "envoy"
    http2 = True
    # It has an address of the machine's for the machine's own clients.
    client = unittest.mock.ANY
    example = {
        "files": ["envoy.yaml"],
        "command": ["envoy", "--config-path", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"],
        "listens": ("address: 0.0.0.0, port_value: 80 ", "address: 127.0.0.1, port_value: {} "),
        "patience": ("timeout: 10s", "timeout: 1s"),
    }


class EnvoyOverGrpc(Envoy):
    folder = "envoy-grpc"


class Traefik(Examples, unittest.TestCase):
    folder = "traefik"
    http2 = True
    patient = True
    example = {
        "files": ["traefik.yaml", "routes.yaml"],
        "command": ["traefik", "--configFile=traefik.yaml"],
        "listens": ('":80"', '"127.0.0.1:{}"'),
    }


if __name__ == "__main__":
    unittest.main()
