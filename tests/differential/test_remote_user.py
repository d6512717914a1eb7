"""A user name from a proxy in front, in a request header: `RemoteUserAuthentication`, `RemoteUserBackend` and
`PersistentRemoteUserMiddleware`."""

from support import Browser, Case, Differential, Differs, Variant, basic, cookies, database, get, post, rows

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
REMOTE_BACKEND = "django.contrib.auth.backends.RemoteUserBackend"


def named(*names, path="/remote/"):
    return get(path, *(b"Remote-User: " + (name if isinstance(name, bytes) else name.encode()) for name in names))


def with_middleware(name):
    """`startproject`'s, and one that sets the user from a header where Django says it belongs."""
    return [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        name,
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]


class Known(Differential):
    """`create_unknown_user` False: a typing error in front is nobody. The class never fails."""

    variant = Variant({"AUTHENTICATION_BACKENDS": ["project.remote.KnownUserBackend", MODEL_BACKEND]})
    utf8 = Differs(
        "The gateway reads a name as UTF-8 where it is; WSGI servers read Latin-1",
        status=200,
        body='{"user":"élise","id":4,"authenticated":true}',
    )
    cases = [
        Case("known", 200, named("alice")),
        Case("header in upper case", 200, get("/remote/", "REMOTE-USER: alice")),
        Case("header in lower case", 200, get("/remote/", "remote-user: alice")),
        Case("header of another name", 200, get("/forwarded/", "X-Forwarded-User: alice")),
        Case("usual header where it has another name", 403, named("alice", path="/forwarded/")),
        Case("POST: no session, no cookie, no CSRF check", 200, post("/remote/", "Remote-User: alice")),
        Case("blanks around", 200, named("  alice  ")),
        Case("unusable password", 200, named("nopass")),
        Case("header missing", 403, get("/remote/")),
        Case("header empty", 403, named("")),
        Case("unknown", 403, named("mallory")),
        Case("other letter case", 403, named("ALICE")),
        Case("inactive", 403, named("bob")),
        Case("inactive where anyone may", 200, named("bob", path="/remote/public/")),
        Case("unknown where anyone may", 200, named("mallory", path="/remote/public/")),
        Case("missing where anyone may", 200, get("/remote/public/")),
        Case("Latin-1", 200, named("élise".encode("latin-1"))),
        Case("UTF-8", 403, named("élise"), utf8),
        Case("before Basic, missing", 403, get("/remote-basic/")),
        Case("before Basic, missing, right password", 200, get("/remote-basic/", basic("alice", "correct horse"))),
        Case("before Basic, wrong password", 403, get("/remote-basic/", basic("alice", "wrong"))),
        Case(
            "before Basic, unknown, right password",
            200,
            get("/remote-basic/", "Remote-User: mallory", basic("alice", "correct horse")),
        ),
    ]


class TwoNames(Differential):
    """Attack: a second field beside the proxy's own, in the hope that the application reads that one."""

    variant = Known.variant
    one = Differs(
        "WSGI servers make one name of two, with a comma; the gateway refuses them",
        body='{"detail":"Only one user may be named."}',
    )
    cases = [
        Case("two users", 403, named("alice", "staff"), one),
        Case("the same twice", 403, named("alice", "alice"), one),
        Case("underscore instead of the dash", 403, get("/remote/", "Remote_User: alice")),
        Case("both spellings", 200, get("/remote/", "Remote-User: alice", "Remote_User: staff")),
    ]


class Created(Differential):
    """Django's default: a name that is seen for the first time becomes a user, without a password that fits."""

    variant = Variant(
        {"AUTHENTICATION_BACKENDS": [REMOTE_BACKEND, MODEL_BACKEND]}, remote_user="create_unknown_user: true"
    )
    nobody = Differs(
        "Django fails with 500 over a name that is longer than its column; here it is nobody's",
        status=403,
        content_type="application/json",
        allow="GET, POST, HEAD, OPTIONS",
        vary=["accept"],
        body='{"detail":"Authentication credentials were not provided."}',
    )
    utf8 = Differs(
        "The gateway reads a name as UTF-8 where it is; WSGI servers read Latin-1, and Django makes a user of that",
        body='{"user":"élise","id":4,"authenticated":true}',
        database=database.untouched,
    )
    two = Differs(
        "WSGI servers make one name of two, with a comma, and Django a user of it; the gateway refuses them",
        status=403,
        body='{"detail":"Only one user may be named."}',
        database=database.untouched,
    )
    cases = [
        Case("unknown", 200, named("mallory")),
        Case("other letter case", 200, named("ALICE")),
        Case("beyond ASCII in Latin-1", 200, named("ärmel".encode("latin-1"))),
        Case("150 characters", 200, named("a" * 150)),
        Case("151 characters", 500, named("a" * 151), nobody),
        Case("known", 200, named("alice")),
        Case("inactive", 403, named("bob")),
        Case("empty", 403, named("")),
        Case("UTF-8", 200, named("élise"), utf8),
        Case("two users", 200, named("alice", "bob"), two),
    ]

    def test_twice(self):
        def conversation(side):
            side.send(named("mallory"))
            side.send(named("mallory"))

        self.compare(conversation)


class InactiveUsers(Differential):
    """`AllowAllUsersRemoteUserBackend`: the class looks itself."""

    backend = "django.contrib.auth.backends.AllowAllUsersRemoteUserBackend"
    variant = Variant({"AUTHENTICATION_BACKENDS": [backend]}, remote_user="create_unknown_user: true")
    cases = [Case("inactive", 403, named("bob")), Case("known", 200, named("alice"))]


class NoBackend(Differential):
    """`ModelBackend` alone, which finds no password in the call: everybody is nobody."""

    meant = Differs(
        "The scheme needs no backend beside it: who lists it means it",
        status=200,
        body='{"user":"alice","id":1,"authenticated":true}',
    )
    cases = [Case("known", 403, named("alice"), meant), Case("unknown", 403, named("mallory"))]


class Persistent(Differential):
    """The header comes along once, at the log-in; then the session says who it is."""

    variant = Variant(
        {
            "AUTHENTICATION_BACKENDS": ["project.remote.KnownUserBackend", MODEL_BACKEND],
            "MIDDLEWARE": with_middleware("project.remote.PersistentRemoteUserHeaderMiddleware"),
        },
        f"session: {{ backends: [project.remote.KnownUserBackend, {MODEL_BACKEND}] }}\n",
        remote_user="persistent: true",
    )
    path = "/remote-session/"
    backend = "project.remote.KnownUserBackend"

    def test_header_then_session(self):
        def conversation(side):
            browser = Browser(side)
            browser.get(self.path, "Remote-User: alice")
            browser.get(self.path)
            browser.get(self.path, "Remote-User: alice")

        self.compare(conversation)

    def test_session_alone_needs_a_csrf_token(self):
        def conversation(side):
            browser = Browser(side)
            browser.get(self.path, "Remote-User: alice")
            side.send(post(self.path, cookies(sessionid=browser.cookies["sessionid"])))
            pair = {name: browser.cookies[name] for name in ("sessionid", "csrftoken")}
            side.send(post(self.path, cookies(**pair), f"X-CSRFToken: {pair['csrftoken']}"))

        self.compare(conversation)

    def test_another_user_than_the_session_s(self):
        def conversation(side):
            browser = Browser(side).keep(sessionid=rows.session(backend=self.backend))
            browser.get(self.path, "Remote-User: staff")
            browser.get(self.path)

        self.compare(conversation)

    def test_session_of_a_password(self):
        def conversation(side):
            browser = Browser(side).keep(sessionid=rows.session())
            browser.get(self.path, "Remote-User: alice")
            browser.get(self.path)

        self.compare(conversation)

    def test_unknown_user_over_a_session(self):
        """Attack on the last user of a shared browser: the proxy says somebody whom the application does not know."""

        def conversation(side):
            browser = Browser(side).keep(sessionid=rows.session(backend=self.backend))
            browser.get(self.path, "Remote-User: mallory")
            browser.get(self.path)

        self.compare(conversation)

    def test_empty(self):
        self.compare(lambda side: side.send(named("", path=self.path)))

    def test_nobody(self):
        self.compare(lambda side: [side.send(named("mallory", path=self.path)), side.send(get(self.path))])
