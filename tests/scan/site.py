"""A gateway with each of its pages, on HTTPS, and a service behind it."""

import html
import re
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import requests
from clients.gateway import Upstream
from faults.support import PASSWORD, Gateway, free_port
from scan import certificates

LISTEN = """
listen:
  - "127.0.0.1:PORT"
  - { address: "127.0.0.1:HTTPS", tls: { certificate: site.pem, key: site.key, hsts: 365d } }
  - { address: "127.0.0.1:PLAIN", redirect: https }
"""

YAML = """
authentication: [session, token, knox, jwt, basic]
permission: authenticated
session: { secure: true, login_url: /accounts/login/ }
csrf: { secure: true }
knox: { keyword: Knox }
jwt: { blacklist: true, token_types: [access, sliding] }
identity: { assertion: application }
decisions: { path: /decide, proxies: [127.0.0.1], request_in: path }
routes:
  - { path: =/, permission: anyone, upstream: "UPSTREAM" }
  - { path: /public/, permission: anyone, upstream: "UPSTREAM" }
  - { path: /application/, upstream: "UPSTREAM" }
  - { path: /staff/, permission: staff, upstream: "UPSTREAM" }
  - { path: /down/, permission: anyone, upstream: "http://127.0.0.1:1" }
  - { path: /elsewhere/, permission: anyone, redirect: /accounts/login/ }
  - { path: /accounts/, endpoint: session }
  - { path: /csrf/, endpoint: csrf }
  - { path: /token/, endpoint: token }
  - { path: /jwt/, endpoint: jwt }
  - { path: /sliding/, endpoint: jwt_sliding }
  - { path: /knox/, endpoint: knox }
  - { path: /whoami/, endpoint: whoami }
  - { path: /.well-known/jwks.json, endpoint: jwks }
"""

# The gateway's pages that are asked, among them each kind of refusal.
ASKED = [
    "/accounts/login/?next=/application/",
    "/csrf/?query=1",
    "/whoami/?query=1",
    "/.well-known/jwks.json?query=1",
    "/decide/application/?query=1",
    "/staff/?query=1",
    "/down/?query=1",
    "/elsewhere/?query=1",
    "/nothing/?query=1",
    "/nothing/%252f?query=1",
]
# Those that take a form, and its fields. The one for log-ins is on its own page.
FORMS = {
    "/accounts/logout/": ["next"],
    "/token/": ["username", "password"],
    "/jwt/": ["username", "password"],
    "/jwt/refresh/": ["refresh"],
    "/jwt/verify/": ["token"],
    "/jwt/blacklist/": ["refresh"],
    "/sliding/": ["username", "password"],
    "/sliding/refresh/": ["token"],
    "/knox/login/": ["query"],
    "/knox/logout/": ["query"],
    "/knox/logoutall/": ["query"],
}
# Flaws of the service, which a scan has to find: else it has not come so far, and what it says is worth nothing.
FLAW, HIDDEN_FLAW = "/public/flaw/", "/application/flaw/"
LINKS = [*ASKED, f"{FLAW}?text=1", f"{HIDDEN_FLAW}?text=1"]


class Service(BaseHTTPRequestHandler):
    """A page that leads to all others and, where it is flawed, says what it is told as it is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = urlsplit(self.path)
        text = parse_qs(target.query).get("text", [""])[0] if target.path in (FLAW, HIDDEN_FLAW) else ""
        page = f"<!doctype html><title>Application</title><p>{text}</p>{self.links()}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    do_POST = do_PUT = do_GET

    def links(self):
        # It may be something else than cookies.
        cookies = dict(re.findall(r"(csrftoken|sessionid)=(\w+)", self.headers.get("Cookie", "")))
        token = cookies.get("csrftoken", "")
        parts = [f'<a href="{html.escape(link)}">.</a>' for link in LINKS]
        for path, fields in FORMS.items():
            if path == "/accounts/logout/" and "sessionid" in cookies:
                # It would be the end of the scan with a session.
                continue
            parts += [f'<form method="post" action="{path}">']
            parts += [f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">']
            parts += [f'<input name="{field}">' for field in fields]
            parts += ["<button>.</button></form>"]
        return "".join(parts)

    def log_message(self, *_):
        pass


class Outside(BaseHTTPRequestHandler):
    """A server of the attacker's, to which the gateway may not be led."""

    visits = []

    def do_GET(self):
        # With these the scanner itself asks who has come.
        if not self.path.startswith(("/get_ssrf.php", "/get_xxe.php")):
            self.visits.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Site:
    def __init__(self):
        self.upstream = Upstream(Service)
        https, plain = free_port(), free_port()
        certificate, key = certificates.server("rsa")
        files = {"ca.pem": certificates.authority(), "site.pem": certificate, "site.key": key}
        listen = LISTEN.replace("HTTPS", str(https)).replace("PLAIN", str(plain))
        self.gateway = Gateway(YAML.replace("UPSTREAM", self.upstream.url), files=files, listen=listen)
        self.url = f"https://127.0.0.1:{https}"
        self.plain = f"http://127.0.0.1:{plain}"
        self.admin = f"http://127.0.0.1:{self.gateway.admin}"

    def stop(self):
        self.gateway.stop()
        self.upstream.stop()

    def client(self):
        """One that trusts the site's certificate, whatever the environment says."""
        client = requests.Session()
        client.trust_env, client.verify = False, f"{self.gateway.folder.name}/ca.pem"
        return client

    def log_in(self):
        """A client with alice's session."""
        client = self.client()
        headers = {"Accept": "application/json", "Referer": self.url}
        page = f"{self.url}/accounts/login/"
        headers["X-CSRFToken"] = client.get(page, headers=headers).json()["csrf_token"]
        client.post(page, {"username": "alice", "password": PASSWORD}, headers=headers).raise_for_status()
        return client
