"""One side of a conversation, held by a browser: it keeps cookies and sends forms."""

from . import http, seen

LOGIN = "/api-auth/login/"
LOGOUT = "/api-auth/logout/"


class Browser:
    def __init__(self, side, *headers):
        self.side = side
        self.headers = headers
        self.token = ""
        self.cookies = {}
        # What it had at the start.
        self.first = {}

    def keep(self, **cookies):
        """From before the conversation."""
        self.first = dict(cookies)
        self.cookies.update(cookies)
        return self

    def get(self, path, *headers):
        answer = self._send(http.get(path, *self._lines(), *headers))
        self.token = seen.csrf_token(answer) if answer.header("content-type") != "application/json" else self.token
        return answer

    def submit(self, path, *headers, **fields):
        fields = {"csrfmiddlewaretoken": self.token, **fields}
        return self._send(http.form(path, *self._lines(), *headers, **fields))

    def log_in(self, username="alice", password="correct horse", path=LOGIN, **fields):
        """The page, then its form."""
        self.get(path)
        return self.submit(path, username=username, password=password, **fields)

    def log_out(self, path=LOGOUT, **fields):
        return self.submit(path, **fields)

    def _send(self, request):
        answer = self.side.send(request)
        self.cookies.update(answer.cookies)
        return answer

    def _lines(self):
        pairs = {name: value for name, value in self.cookies.items() if value != '""'}
        return [http.cookies(**pairs)] * bool(pairs) + list(self.headers)


def use_after_log_out(side):
    """A session cookie that was copied before the log-out."""
    browser = Browser(side)
    browser.log_in()
    copied = http.cookies(sessionid=browser.cookies["sessionid"])
    browser.get(LOGIN)
    browser.log_out()
    side.send(http.get("/session/", copied))
