"""Clients that people have already, unchanged: requests, DRF's own RequestsClient, HTTPie."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import requests
from django import conf
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from clients.gateway import PASSWORD, Gateway, Upstream

YAML = """
authentication: [basic, token, session]
permission: authenticated
auth_rate: 1000/min
routes:
  - { path: /accounts/, endpoint: session }
  - { path: /api-token-auth/, endpoint: token }
  - { path: /, upstream: "{upstream}" }
"""


def setUpModule():
    global gateway
    upstream = Upstream()
    unittest.addModuleCleanup(upstream.stop)
    gateway = Gateway(YAML, upstream.url, ["alice"])
    unittest.addModuleCleanup(gateway.stop)


class TokenAuth(AuthBase):
    """As the documentation of requests has it."""

    def __init__(self, key):
        self.key = key

    def __call__(self, request):
        request.headers["Authorization"] = f"Token {self.key}"
        return request


class Requests(unittest.TestCase):
    def setUp(self):
        self.client = requests.Session()
        self.addCleanup(self.client.close)

    def me(self, **arguments):
        return self.client.get(gateway.url + "/api/me/", **arguments)

    def log_in(self, password=PASSWORD):
        page = self.client.get(gateway.url + "/accounts/login/")
        form = {"username": "alice", "password": password, "csrfmiddlewaretoken": page.cookies["csrftoken"]}
        return self.client.post(gateway.url + "/accounts/login/", data={**form, "next": "/api/me/"})

    def test_nobody(self):
        answer = self.me()
        self.assertEqual((answer.status_code, answer.headers["WWW-Authenticate"]), (401, 'Basic realm="api"'))
        self.assertEqual(answer.json(), {"detail": "Authentication credentials were not provided."})

    def test_basic(self):
        self.assertEqual(self.me(auth=HTTPBasicAuth("alice", PASSWORD)).json()["user"], "alice")
        self.assertEqual(self.me(auth=("alice", "wrong")).status_code, 401)

    def test_token(self):
        got = self.client.post(gateway.url + "/api-token-auth/", json={"username": "alice", "password": PASSWORD})
        self.assertEqual(self.me(auth=TokenAuth(got.json()["token"])).json()["user"], "alice")
        self.assertEqual(self.me(auth=TokenAuth("0" * 40)).json(), {"detail": "Invalid token."})

    def test_session(self):
        answer = self.log_in()
        self.assertEqual([step.status_code for step in [*answer.history, answer]], [302, 200])
        self.assertEqual(answer.json(), {"user": "alice", "method": "GET"})
        self.assertEqual(self.me().json()["user"], "alice")

    def test_wrong_password(self):
        self.assertEqual(self.log_in("wrong").status_code, 200)
        self.assertNotIn("sessionid", self.client.cookies)

    def test_csrf_as_in_the_guide(self):
        """The steps of `RequestsClient` in DRF's guide: the cookie's value goes into a header."""
        self.log_in()
        url, token = gateway.url + "/api/organisations/", self.client.cookies["csrftoken"]
        refused = self.client.post(url, json={"name": "x"})
        self.assertEqual((refused.status_code, refused.json()), (403, {"detail": "CSRF Failed: CSRF token missing."}))
        allowed = self.client.post(url, json={"name": "x"}, headers={"X-CSRFToken": token})
        self.assertEqual(allowed.json(), {"user": "alice", "method": "POST"})

    def test_log_out(self):
        self.log_in()
        form = {"csrfmiddlewaretoken": self.client.cookies["csrftoken"]}
        self.assertEqual(self.client.post(gateway.url + "/accounts/logout/", data=form).status_code, 200)
        self.assertEqual(self.me().status_code, 401)

    def test_defaults_on_the_session(self):
        """`client.auth` and `client.headers`, as in the guide."""
        self.client.auth = HTTPBasicAuth("alice", PASSWORD)
        self.client.headers.update({"X-Test": "true"})
        self.assertEqual(self.client.delete(gateway.url + "/api/me/").json(), {"user": "alice", "method": "DELETE"})


class DRFsRequestsClient(Requests):
    """The class itself, given a network: it comes with an adapter that calls Django in the same process."""

    def setUp(self):
        if not conf.settings.configured:
            conf.settings.configure(ROOT_URLCONF=__name__)
        from rest_framework.test import RequestsClient

        self.client = RequestsClient()
        self.client.mount("http://", HTTPAdapter())
        self.addCleanup(self.client.close)


class HTTPie(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def http(self, *words):
        """The answer's body, or HTTPie's exit status, which is the hundreds of the answer's."""
        command = [sys.executable, "-m", "httpie", "--check-status", "--ignore-stdin", "--body", *words]
        environment = {"HTTPIE_CONFIG_DIR": str(self.folder)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else done.returncode

    def test_basic(self):
        got = self.http("--auth", f"alice:{PASSWORD}", gateway.url + "/api/me/")
        self.assertEqual(json.loads(got)["user"], "alice")
        self.assertEqual(self.http("--auth", "alice:wrong", gateway.url + "/api/me/"), 4)

    def test_token(self):
        got = self.http("POST", gateway.url + "/api-token-auth/", "username=alice", f"password={PASSWORD}")
        header = f"Authorization: Token {json.loads(got)['token']}"
        self.assertEqual(json.loads(self.http(gateway.url + "/api/me/", header))["user"], "alice")

    def test_session(self):
        named = ["--session", str(self.folder / "session.json")]
        self.http(*named, gateway.url + "/accounts/login/")
        kept = json.loads((self.folder / "session.json").read_text())["cookies"]
        token = next(cookie["value"] for cookie in kept if cookie["name"] == "csrftoken")
        form = ["username=alice", f"password={PASSWORD}", f"csrfmiddlewaretoken={token}"]
        self.http(*named, "--form", "POST", gateway.url + "/accounts/login/", *form)
        self.assertEqual(json.loads(self.http(*named, gateway.url + "/api/me/"))["user"], "alice")
