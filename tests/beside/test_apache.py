"""The examples of deploy/apache: what only Apache has when it asks the gateway, Apache with TLS in front of the
gateway, and mod_wsgi behind it. The attacks on every proxy are in test_examples."""

import json
import re
import ssl
import tempfile
import unittest
from pathlib import Path

import httpx
import jwt

from beside import test_examples
from beside.pebble import write_certificates
from beside.support import ROOT, Deciding, Proxy, Upstream, read_message, replaced
from beside.test_examples import ALICE, APACHE
from clients.gateway import Gateway
from clients.servers import portcullis

EXAMPLE = test_examples.Apache.example

# Files of Apache's own. EXAMPLE's virtual host inherits this.
FILES = """
<Location "/files/">
    ProxyPass "!"
</Location>
<Location "/staff/files/">
    ProxyPass "!"
</Location>
Alias "/files/" "FOLDER/"
Alias "/staff/files/" "FOLDER/"
<Directory "FOLDER">
    AllowOverride All
    Options +Includes
</Directory>
AddOutputFilter INCLUDES .shtml
ErrorDocument 400 /staff/bad
ErrorDocument 404 /staff/missing
"""
OPEN = """
LuaInherit none
Satisfy Any
Require all granted
"""
REWRITE = """
RewriteEngine On
RewriteRule ^moved$ /staff/moved
RewriteRule ^moved-file$ /staff/files/page.txt
RewriteRule ^decoded(.*)$ /staff/$1
"""


def apache(*modules, more="", **example):
    loaded = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules)
    wrapper = loaded + APACHE.replace("EXAMPLE", f"{more}EXAMPLE")
    return Proxy("apache", **{**EXAMPLE, "wrapper": wrapper, **example})


def folder(case):
    """One that Apache's children can read."""
    made = tempfile.TemporaryDirectory(prefix="portcullis-beside.")
    case.addClassCleanup(made.cleanup)
    Path(made.name).chmod(0o755)
    return Path(made.name)


def head(target, *lines):
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: api.example", *lines, "", ""]).encode("latin-1")


class Asking(unittest.TestCase):
    """Apache asks the gateway."""

    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.addClassCleanup(cls.upstream.stop)
        cls.gateway = Deciding(ROOT / "deploy/apache/gateway.yaml", ["alice"])
        cls.addClassCleanup(cls.gateway.stop)
        cls.folder = folder(cls)

    def start(self, gateway=None, more="", **example):
        proxy = apache(more=more, **example)
        proxy.start((gateway or self.gateway).port, self.upstream.port)
        self.addCleanup(proxy.stop)
        self.upstream.taken()
        return proxy

    def ask(self, proxy, target, *lines):
        answer = proxy.send(head(target, "Connection: close", *lines))
        return answer, self.upstream.taken()

    def with_files(self, files, more="", gateway=None):
        for name, text in files.items():
            (self.folder / name).write_text(text)
        return self.start(gateway, FILES.replace("FOLDER", str(self.folder)) + more)

    def test_a_context_that_drops_the_decision(self):
        """Attack: an author who may write a .htaccess, or a <Location> that was meant for something else, lets
        clients in that the gateway refuses."""
        files = {"page.txt": "a page", ".htaccess": OPEN}
        proxy = self.with_files(files, f'<Location "/">{OPEN}</Location>\n')
        for target in ("/x", "/files/page.txt"):
            answer, got = self.ask(proxy, target)
            self.assertEqual((answer.status, got), (401, []))
        answer, _ = self.ask(proxy, "/files/page.txt", ALICE)
        self.assertEqual((answer.status, answer.body), (200, b"a page"))

    def test_requests_that_apache_makes_itself(self):
        """Attack: a client provokes an error document, an include or an internal redirect to what it may not have
        itself, with an identity of its own."""
        targets = {"proxied": "/staff/x", "file": "/staff/files/page.txt", "own": "/x"}
        files = {f"{name}.shtml": f'<!--#include virtual="{target}" -->' for name, target in targets.items()}
        proxy = self.with_files({**files, ".htaccess": OPEN + REWRITE, "page.txt": "a page"})
        for target in ("none", "proxied.shtml", "file.shtml", "moved", "moved-file", "../%", "%00"):
            with self.subTest(target):
                answer, got = self.ask(proxy, f"/files/{target}", ALICE, "Remote-User: admin")
                self.assertEqual(got, [])
                self.assertNotIn(b"a page", answer.body)
        answer, [request] = self.ask(proxy, "/files/own.shtml", ALICE, "Remote-User: admin")
        self.assertEqual((answer.status, answer.body), (200, b"upstream"))
        self.assertEqual((request.target, request.values("remote-user")), ("/x", ["alice"]))

    def test_a_rewritten_target_with_line_ends(self):
        """Attack: a `RewriteRule` of a .htaccess decodes line ends, and what follows them is a header of what Apache
        asks the gateway."""
        asked = Upstream()
        self.addCleanup(asked.stop)
        proxy = self.with_files({".htaccess": REWRITE}, gateway=asked)
        asked.taken()
        self.ask(proxy, "/files/decoded%20HTTP/1.1%0d%0aX-Forwarded-For:%20203.0.113.66")
        self.assertNotIn("203.0.113.66", [value for request in asked.taken() for _, value in request.fields])

    def test_another_target_than_the_one_decided_on(self):
        """Attack: Apache decodes, merges or resolves the path after the decision. This gateway says yes to
        everything, as one with `allow_paths` may."""
        decided = Upstream()
        self.addCleanup(decided.stop)
        proxy = self.start(decided)
        for target in """
            /public/../staff/ /public/%2e%2e/staff/ /public/..%2fstaff/ /public//../staff/ //staff/ ///staff/ /a//b
            /./staff/ /%73taff/ /%2fstaff/ /staff%2f /a%3Fb /a%3Bb /a;b/../c /a%5Cb /a\\b /a%20b?c=%2f&d= /a? /a+b
            /a%25b http://api.example/a http://api.example//a/%2e%2e/b /accounts/../staff/ /accounts/..;/staff/
            /accounts/%2e%2e/staff/ /accounts%2f..%2fstaff/ /accounts/..%2fstaff/
        """.split():
            with self.subTest(target):
                decided.taken()
                _, got = self.ask(proxy, target)
                asked = [request.values("x-forwarded-uri")[0] for request in decided.taken() if "_d" in request.target]
                self.assertIn([request.target for request in got], ([], asked))
        # Whole, and not only refused.
        _, [request] = self.ask(proxy, "/a%2Fb//c/../%64?e=%2f")
        self.assertEqual(request.target, "/a%2Fb//c/../%64?e=%2f")

    def test_a_request_without_a_host(self):
        """Attack: without a host of the client's the gateway decides on its own, and Apache serves another."""
        answer = self.start().send(b"GET /public/ HTTP/1.0\r\n\r\n")
        self.assertEqual((answer.status, self.upstream.taken()), (400, []))

    def test_cookies_of_a_yes(self):
        """`Set-Cookie` cannot be joined, and Lua cannot add to a table of Apache's."""

        class Yes(Upstream):
            def serve(self, connection):
                with connection, connection.makefile("rb") as stream:
                    read_message(stream)
                    cookies = "Set-Cookie: a=b; Path=/\r\nSet-Cookie: c=d; Secure\r\n"
                    connection.sendall(f"HTTP/1.1 200 OK\r\n{cookies}Content-Length: 0\r\n\r\n".encode())

        gateway = Yes()
        self.addCleanup(gateway.stop)
        answer, _ = self.ask(self.start(gateway), "/")
        self.assertEqual((answer.status, answer.body), (200, b"upstream"))
        self.assertEqual(sorted(answer.values("set-cookie")), ["a=b; Path=/", "c=d; Secure"])

    def test_answers_that_are_no_decision(self):
        """Attack: something else answers in the gateway's place, and Apache goes on."""
        for said in (
            *(b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
            *(b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"),
            *(b"HTTP/1.1 200 OK\r\nremote-user\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"),
        ):

            class Other(Upstream):
                def serve(self, connection, said=said):
                    with connection, connection.makefile("rb") as stream:
                        read_message(stream)
                        connection.sendall(said)

            with self.subTest(said):
                gateway = Other()
                self.addCleanup(gateway.stop)
                answer, got = self.ask(self.start(gateway), "/public/")
                self.assertEqual((answer.status, got), (503, []))

    def test_a_script_that_fails(self):
        """Attack: something that the script was not written for ends it, and Apache goes on without it, or shows
        the client what the script says."""
        proxy = self.start(patience=("target = r.unparsed_uri", "target = unforeseen.uri"))
        answer, got = self.ask(proxy, "/public/", ALICE)
        self.assertEqual((answer.status, got), (503, []))
        self.assertNotIn(b"unforeseen", answer.body)

    def test_websockets(self):
        lines = [ALICE, "Connection: Upgrade", "Upgrade: websocket"]
        self.start().send(head("/", *lines))
        [request] = self.upstream.taken()
        self.assertEqual((request.values("upgrade"), request.values("remote-user")), (["websocket"], ["alice"]))


def behind(upstream_port):
    """The gateway of proxy.yaml. The tests' own are the database and cheap passwords."""
    text = re.sub(r"(?m)^(listen|store|secret_key):.*\n", "", (ROOT / "deploy/apache/proxy.yaml").read_text())
    return Gateway(replaced(text, "127.0.0.1:8000", f"127.0.0.1:{upstream_port}"), "", ["alice"])


class InFront(unittest.TestCase):
    """Apache ends TLS, and the gateway proxies."""

    @classmethod
    def setUpClass(cls):
        cls.upstream = Upstream()
        cls.addClassCleanup(cls.upstream.stop)
        cls.gateway = behind(cls.upstream.port)
        cls.addClassCleanup(cls.gateway.stop)
        files = folder(cls)
        ca, certificate, key = files / "ca", files / "certificate", files / "key"
        write_certificates(ca, certificate, key)
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
        cls.context = ssl.create_default_context(cafile=ca)
        cls.proxy = apache(
            "ssl",
            files=["tls.conf"],
            command=[word.replace("decide.conf", "tls.conf") for word in EXAMPLE["command"]],
            listens=("<VirtualHost *:443>", "Listen 127.0.0.1:{0}\n<VirtualHost 127.0.0.1:{0}>"),
            patience=("/etc/apache2/tls.pem", str(certificate)),
        )
        cls.proxy.start(cls.gateway.port, cls.upstream.port)
        cls.addClassCleanup(cls.proxy.stop)

    def ask(self, target, *lines, connection="close", source="127.0.0.7"):
        with (
            self.proxy.connect(source) as plain,
            self.context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
            secure.makefile("rb") as stream,
        ):
            secure.sendall(head(target, f"Connection: {connection}", *lines))
            return read_message(stream), self.upstream.taken()

    def test_the_user_and_the_client_arrive(self):
        answer, [request] = self.ask("/x", ALICE, "Remote-User: admin")
        self.assertEqual(answer.status, 200)
        self.assertEqual(request.values("remote-user"), ["alice"])
        self.assert_described(request)

    def test_forged_forwarding(self):
        """Attack: the client says itself, or has Apache leave out, from where and how it came."""
        forged = {"For": "203.0.113.66", "Host": "evil.example", "Proto": "http"}
        lines = [f"X-Forwarded-{name}: {value}" for name, value in forged.items()]
        for name in ("x", *(f"X-Forwarded-{name}" for name in forged)):
            with self.subTest(name):
                _, [request] = self.ask("/hooks/", *lines, "Forwarded: for=203.0.113.66", connection=f"close, {name}")
                self.assert_described(request)
        # From an address that is among `trusted_proxies`.
        _, [request] = self.ask("/hooks/", *lines, source="127.0.0.1")
        self.assert_described(request, "127.0.0.1")

    def assert_described(self, request, client="127.0.0.7"):
        described = [request.values(f"x-forwarded-{name}") for name in ("for", "proto", "host")]
        self.assertEqual(described, [[client], ["https"], ["api.example"]])
        self.assertNotIn("203.0.113.66", str(request.fields))

    def test_the_gateway_judges_the_target_as_it_was_written(self):
        """Attack: Apache makes a good path of one that the gateway refuses."""
        for target in ("/hooks/../x", "/hooks/%2e%2e/x", "/x%2fy", "/hook%73/"):
            with self.subTest(target):
                answer, got = self.ask(target, ALICE)
                self.assertIn((answer.status, got), [(400, []), (404, [])])


APPLICATION = """
import json

def application(environ, start_response):
    if environ["PATH_INFO"] == "/hooks/judged/":
        start_response("401 Unauthorized", [("WWW-Authenticate", "Token")])
        return [b"wrong" if "HTTP_AUTHORIZATION" in environ else b"none"]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]
"""


class Behind(unittest.TestCase):
    """The gateway proxies to Apache with mod_wsgi."""

    @classmethod
    def setUpClass(cls):
        cls.folder = folder(cls)
        (cls.folder / "wsgi.py").write_text(APPLICATION)
        cls.gateway = cls.serve("WSGIPassAuthorization On", "WSGIPassAuthorization On")

    @classmethod
    def serve(cls, old, new):
        """A gateway, and the example behind it with this replaced."""
        application = apache(
            "wsgi",
            files=["wsgi.conf"],
            command=[word.replace("decide.conf", "wsgi.conf") for word in EXAMPLE["command"]],
            listens=(old, new),
            patience=("/srv/application", str(cls.folder)),
            more="WSGISocketPrefix wsgi\n",
        )
        application.start(0, application.port)
        cls.addClassCleanup(application.stop)
        gateway = behind(application.port)
        cls.addClassCleanup(gateway.stop)
        return gateway

    def environ(self, path, headers, gateway=None):
        answer = httpx.get((gateway or self.gateway).url + path, headers=headers)
        self.assertEqual(answer.status_code, 200)
        return answer.json()

    def test_the_identity_arrives(self):
        credential = dict([ALICE.split(": ")])
        environ = self.environ("/x", credential)
        self.assertEqual(environ["HTTP_REMOTE_USER"], "alice")
        # What RemoteUserMiddleware reads unless it is told otherwise.
        self.assertNotIn("REMOTE_USER", environ)
        assertion = environ["HTTP_PORTCULLIS_ASSERTION"]
        key = jwt.PyJWKClient(self.gateway.url + "/.well-known/jwks.json").get_signing_key_from_jwt(assertion)
        claims = jwt.decode(assertion, key, ["EdDSA"], audience="django", issuer="portcullis")
        self.assertEqual(claims["preferred_username"], "alice")

    def test_a_forged_identity(self):
        """Attack: the client says itself who it is, in spellings that become the same variable."""
        forged = [(name, "admin") for name in ("Remote-User", "Remote_User", "Remote.User", "HTTP_REMOTE_USER")]
        forged += [("Portcullis-Assertion", "admin"), ("Portcullis_Assertion", "admin")]
        self.assertNotIn("admin", self.environ("/hooks/", forged).values())

    def test_a_body_without_a_length(self):
        answer = httpx.post(self.gateway.url + "/hooks/", content=iter([b"abc", b"def"]))
        self.assertEqual((answer.status_code, answer.json()["CONTENT_LENGTH"]), (200, "6"))

    def test_credentials_that_the_project_judges(self):
        without = self.serve("    WSGIPassAuthorization On\n", "")
        for path, credential in (("/hooks/", "Bearer abc"), ("/hooks/", "Basic abc"), ("/x", "Partner abc")):
            with self.subTest(credential, path=path):
                headers = {"Authorization": credential}
                self.assertEqual(self.environ(path, headers).get("HTTP_AUTHORIZATION"), credential)
                self.assertNotIn("HTTP_AUTHORIZATION", self.environ(path, headers, without))
        self.assertIn("WSGIPassAuthorization On", self.doctor(without))
        said = self.doctor(self.gateway)
        self.assertNotIn("LOST", said)
        self.assertIn("2 answers are those that the project gave natively", said)

    def doctor(self, gateway):
        """What it says, if natively the project tells a wrong token from none."""
        folder = Path(gateway.folder.name)
        rows = [{"path": "/hooks/judged/", "credential": "no credential", "status": 401}]
        rows.append({**rows[0], "credential": "a wrong token", "told_apart": True})
        (folder / "gateway.natively.yaml").write_text("".join(f"- {json.dumps(row)}\n" for row in rows))
        return portcullis(folder, "doctor", "--path", "/x").stdout


if __name__ == "__main__":
    unittest.main()
