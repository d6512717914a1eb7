"""`RemoteUserMiddleware`, which ends its sessions where the header does not come along. The gateway has no session for
such a user, and asks the header each time."""

from support import Browser, Differential, Differs, Variant, cookies, database, get, post, rows
from test_remote_user import MODEL_BACKEND, with_middleware

BACKEND = "project.remote.KnownUserBackend"


class Middleware(Differential):
    variant = Variant(
        {
            "AUTHENTICATION_BACKENDS": [BACKEND, MODEL_BACKEND],
            "MIDDLEWARE": with_middleware("project.remote.RemoteUserHeaderMiddleware"),
        },
    )
    path = "/remote-session/"
    why = "The gateway has no session for whom a proxy names: the header counts each time, and then alone"
    no_session = Differs(why, vary=["accept"], set_cookie=[], database=lambda: database.untouched() | {"sessions": []})
    no_cookie = Differs(why, set_cookie=[])

    def test_header(self):
        self.compare(lambda side: side.send(get(self.path, "Remote-User: alice")), self.no_session)

    def test_post(self):
        self.compare(lambda side: side.send(post(self.path, "Remote-User: alice")), self.no_session)

    def test_header_then_nothing(self):
        def conversation(side):
            browser = Browser(side)
            statuses = [browser.get(self.path, *header).status for header in (["Remote-User: alice"], [])]
            self.assertEqual(statuses, [200, 403], side.name)

        self.compare(conversation, {0: self.no_session, 1: self.no_cookie})

    def test_session_of_the_middleware_without_the_header(self):
        """Its backend is none that the gateway has been told of (`init` leaves it out), and so nobody's."""

        def conversation(side):
            answer = side.send(get(self.path, cookies(sessionid=rows.session(backend=BACKEND))))
            self.assertEqual(answer.status, 403, side.name)

        kept = {"key": 32, "expires": 20160, "data": data("1", BACKEND)}
        self.compare(conversation, Differs(self.why, set_cookie=[], database={"sessions": [kept]}))

    def test_session_of_a_password_without_the_header(self):
        self.compare(lambda side: side.send(get(self.path, cookies(sessionid=rows.session()))))

    def test_another_user_than_the_session_s(self):
        kept = {"key": 32, "expires": 20160, "data": data("1", MODEL_BACKEND)}
        differs = Differs(
            self.why,
            vary=["accept"],
            set_cookie=[],
            database=lambda: database.untouched() | {"sessions": [kept]},
        )
        request = "Remote-User: staff"
        self.compare(lambda side: side.send(get(self.path, cookies(sessionid=rows.session()), request)), differs)

    def test_empty(self):
        self.compare(lambda side: side.send(get(self.path, "Remote-User:")))

    def test_unknown(self):
        self.compare(lambda side: side.send(get(self.path, "Remote-User: mallory")))


def data(user, backend):
    return [("_auth_user_backend", backend), ("_auth_user_hash", True), ("_auth_user_id", user)]
