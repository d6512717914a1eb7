"""What clients do, and what they see: each call leaves one answer under a name of its own."""

import base64
import json
import re
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from urllib.parse import urlencode

PATIENCE = 60
# The same in front and behind, so that addresses in answers are.
HOST = "localhost"
TOKEN_FIELD = re.compile(r'name="(csrfmiddlewaretoken|csrf_token)"[^>]*?value="([^"]+)"')


@dataclass
class Answer:
    status: int
    headers: list
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name):
        return ", ".join(self.all(name)) or None

    @property
    def json(self):
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")


@dataclass
class Call:
    """One of the conversation, with what is needed to repeat it in another's name."""

    name: str
    client: "Client"
    method: str
    path: str
    headers: dict
    body: bytes
    answer: Answer = None
    # Whether the application got it, and the gateway's word for who called and by which scheme.
    arrived: bool = None
    user: str = None
    scheme: str = None


class Talk:
    """A conversation with whatever listens on a port; `watch` is told of each call, before and after."""

    def __init__(self, place, port, watch=None):
        self.place, self.port = place, port
        self.calls = {}
        self.watch = watch or (lambda call: call.answer)

    def client(self, name, user=None, **headers):
        return Client(self, name, user, {key.replace("_", "-"): value for key, value in headers.items()})

    def basic(self, name, user, password):
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.client(name, user, Authorization=f"Basic {pair}")

    def send(self, client, method, path, headers, body, name=None):
        name = name or f"{client.name}: {method} {path}"
        number = sum(known == name or known.startswith(name + " (") for known in self.calls)
        name = f"{name} ({number + 1})" if number else name
        call = Call(name, client, method, path, headers, body)
        self.calls[name] = call
        call.answer = exchange(self.port, method, path, headers, body)
        self.watch(call)
        return call.answer


class Client:
    """Somebody with headers and a jar of cookies."""

    def __init__(self, talk, name, user, headers):
        self.talk, self.name, self.user, self.headers = talk, name, user, headers
        self.cookies = {}
        self.logged_in = False

    def get(self, path, **headers):
        return self.request("GET", path, **headers)

    def post(self, path, data=None, method="POST", **headers):
        """JSON."""
        body = b"" if data is None else json.dumps(data).encode()
        return self.request(method, path, body, Content_Type="application/json", **headers)

    def form(self, path, method="POST", **fields):
        body = urlencode(fields).encode()
        return self.request(method, path, body, Content_Type="application/x-www-form-urlencoded")

    def request(self, method, path, body=b"", **headers):
        given = {**self.headers, **{key.replace("_", "-"): value for key, value in headers.items()}}
        if self.cookies:
            given["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.talk.send(self, method, path, given, body)
        for line in answer.all("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    del self.cookies[name]
        return answer

    def log_in(self, path, csrf="csrfmiddlewaretoken", **fields):
        """Through a page with a form, as a browser does."""
        page = self.get(path)
        found = TOKEN_FIELD.search(page.text)
        token = {csrf: found[2]} if found else {}
        self.headers["Referer"] = f"http://{HOST}{path}"
        self.logged_in = True
        return self.form(path, **token, **fields)

    def write(self, method, path, data=None, cookie="csrftoken"):
        """A session's, with the CSRF token that a script reads from the cookie."""
        return self.post(path, data, method, X_CSRFToken=self.cookies.get(cookie, ""))


def exchange(port, method, path, headers, body):
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", HOST)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body or method in ("POST", "PUT", "PATCH"):
            connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Connection", "close")
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()
