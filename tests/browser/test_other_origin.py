"""Pages of another origin that ask the API: the gateway lets the browser's question through, the upstream answers it.

The browser asks with OPTIONS, and without credentials, before it sends what a form could not."""

import unittest
from base64 import b64encode
from http.server import BaseHTTPRequestHandler

from browser.support import Browser
from clients.gateway import PASSWORD, Gateway, Upstream

YAML = """
authentication: [basic, session]
permission: authenticated
routes:
  - { path: /accounts/, endpoint: session }
  - { path: /api/, method: [OPTIONS], authentication: [], permission: anyone, upstream: "{upstream}" }
  - { path: /api/, upstream: "{upstream}" }
  - { path: /, upstream: "{upstream}" }
"""
BASIC = "Basic " + b64encode(f"alice:{PASSWORD}".encode()).decode()
FETCH = """async ([url, options]) => {
    const answer = await fetch(url, options).catch(error => error)
    return answer instanceof Error ? String(answer) : [answer.status, await answer.json()]
}"""


class Blank(BaseHTTPRequestHandler):
    """A site with one empty page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_):
        pass


def setUpModule():
    global gateway, site
    upstream, site = Upstream(), Upstream(Blank)
    gateway = Gateway(YAML, upstream.url, ["alice"])
    for started in (upstream, site, gateway):
        unittest.addModuleCleanup(started.stop)


class OtherOrigin(Browser):
    def ask(self, path="/api/me/", host="localhost", **options):
        """What a page gets for a fetch: from another site, or with `127.0.0.1` from another port of this one."""
        self.page.goto(site.url.replace("127.0.0.1", host))
        return self.page.evaluate(FETCH, [gateway.url + path, options])

    def log_in(self):
        self.page.goto(gateway.url + "/accounts/login/?next=/")
        self.page.get_by_label("Username").fill("alice")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(gateway.url + "/")

    def test_with_authorization(self):
        answer = self.ask(method="PUT", headers={"Authorization": BASIC})
        self.assertEqual(answer, [200, {"user": "alice", "method": "PUT"}])

    def test_question_that_is_not_let_through(self):
        self.assertIn("Failed to fetch", self.ask("/closed/", headers={"Authorization": BASIC}))
        self.complaints.clear()

    def test_cookie_stays_on_its_site(self):
        """Attack: a page of another site reads with the visitor's session."""
        self.log_in()
        self.assertIn("Failed to fetch", self.ask(credentials="include"))
        self.complaints.clear()

    def test_cookie_from_another_port(self):
        """The same site, so the cookie comes along; reading is what CORS decides."""
        self.log_in()
        self.assertEqual(self.ask(host="127.0.0.1", credentials="include"), [200, {"user": "alice", "method": "GET"}])

    def test_changing_something_from_another_port(self):
        """Attack: what has been put on another port of the same host changes something with the visitor's session."""
        self.log_in()
        token = next(it["value"] for it in self.page.context.cookies() if it["name"] == "csrftoken")
        headers = {"X-CSRFToken": token}
        self.assertIn(
            "Failed to fetch", self.ask(host="127.0.0.1", method="POST", headers=headers, credentials="include")
        )
        self.complaints.clear()
