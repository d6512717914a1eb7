"""`portcullis doctor` against upstreams that are wrong in one way each, and against one that is right."""

import json
import re
import subprocess
import sys
import tempfile
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import jwt

from clients.gateway import BINARY, COMMON, Gateway, free_port
from clients.servers import ENVIRONMENT, Server, gunicorn, portcullis, uvicorn, with_package
from clients.test_django_settings import project

YAML = """
identity: { assertion: django }
routes:
  - { path: /.well-known/jwks.json, endpoint: jwks }
  - { path: /, upstream: "{upstream}" }
"""

# MODE is what is wrong.
SETTINGS = """
    import os
    from pathlib import Path

    MODE = os.environ["MODE"]
    SECRET_KEY = "throwaway"
    ALLOWED_HOSTS = ["shop.test"] if MODE == "other_host" else ["127.0.0.1"]
    ROOT_URLCONF = "believer.urls"
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent.parent / "db.sqlite3",
    }}
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    if MODE.startswith("package"):
        INSTALLED_APPS.insert(0, "portcullis_django")
        MIDDLEWARE.append("portcullis_django.middleware.PortcullisMiddleware")
        PORTCULLIS = {
            "JWKS_URL": os.environ["JWKS_URL"], "ISSUER": "portcullis", "AUDIENCE": "django",
            "REQUIRE_ASSERTION": MODE != "package_without_proof",
        }
    else:
        believes = "django.contrib.auth.middleware.RemoteUserMiddleware"
        MIDDLEWARE.append(believes if MODE == "stock" else "believer.middleware.FromHeader")
        AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
"""

# As every tutorial has it.
MIDDLEWARE = """
    from django.contrib.auth.middleware import RemoteUserMiddleware

    class FromHeader(RemoteUserMiddleware):
        header = "HTTP_REMOTE_USER"
"""

URLS = """
    from django.http import JsonResponse
    from django.urls import path

    def me(request):
        user = request.user.get_username()
        return JsonResponse({"user": user}, status=200 if user else 403)

    urlpatterns = [path("me/", me)]
"""

GATES = {
    "wsgi": "from django.core.wsgi import get_wsgi_application as make",
    "asgi": "from django.core.asgi import get_asgi_application as make",
}

BELIEVER = {
    "manage.py": """
        import os, sys
        from django.core.management import execute_from_command_line

        os.environ["DJANGO_SETTINGS_MODULE"] = "believer.settings"
        execute_from_command_line(sys.argv)
    """,
    "believer/__init__.py": "",
    "believer/settings.py": SETTINGS,
    "believer/middleware.py": MIDDLEWARE,
    "believer/urls.py": URLS,
} | {
    f"believer/{name}.py": f"import os\n{line}\nos.environ['DJANGO_SETTINGS_MODULE'] = 'believer.settings'\n"
    "application = make()\n"
    for name, line in GATES.items()
}

USERS = """
from django.contrib.auth.models import User
from django.core.management import call_command
call_command("migrate", verbosity=0)
User.objects.create_user("alice")
"""


def setUpModule():
    global folder, gateway, keys
    gateway = Gateway(YAML, "echo", ["alice"])
    unittest.addModuleCleanup(gateway.stop)
    folder = Path(gateway.folder.name)
    keys = jwt.PyJWKClient(gateway.url + "/.well-known/jwks.json")


def doctor(*servers, path="/me/", schemes="", **options):
    """Its exit status, and what it says; `schemes` is a line of the configuration."""
    routes = "".join(f'  - {{ path: /{number}/, upstream: "{url}" }}\n' for number, url in enumerate(servers))
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=folder) as file:
        file.write(COMMON.format(port=gateway.port) + "identity: { assertion: django }\n" + schemes)
        file.write("routes:\n" + routes)
        file.flush()
        options = [f"--{name}={value}" for name, value in {"path": path, **options}.items()]
        done = portcullis(folder, "doctor", "--config", file.name, *options)
    return done.returncode, done.stdout + done.stderr


def ways_in(said):
    """Each with its remedy."""
    return dict(re.findall(r"^  WAY IN    (.*): \d+\n            remedy: (.+)$", said, re.MULTILINE))


NOBODY_SIGNED = "an assertion without a signature (`alg: none`)"
STRANGER = "an assertion signed with a stranger's key"
ANOTHER = "an assertion made for another service"
ISSUER = "an assertion of another issuer"
EXPIRED = "an assertion that has expired"
FOR_NOBODY = "a forged name beside an anonymous assertion"
FOR_ANOTHER = "a forged name beside another user's assertion"
NAMESAKE = "another issuer's identity of the user's name"
NAMED = "a forged `Remote-User: alice`"
FOLDED = "a forged `Remote_User: alice`"
OPEN = "a direct call, without anything"

# A scheme whose callers are no rows of the store.
SERVICES = "authentication: [{ api_key: { keys: [] } }]\n"


class Wrong(unittest.TestCase):
    def assert_finds(self, status_and_said, *attacks):
        """These and no others, each with a remedy; and it says so to a script."""
        status, said = status_and_said
        found = ways_in(said)
        self.assertEqual(sorted(found), sorted(attacks), said)
        self.assertEqual(status, 1, said)
        ways = "1 way in" if len(attacks) == 1 else f"{len(attacks)} ways in"
        self.assertIn(f"{ways} around the gateway", said)
        self.assertNotIn("No request gets in", said)
        return found


class Django(Wrong):
    """Under the servers that it is deployed with."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-doctor.")
        cls.addClassCleanup(holder.cleanup)
        place = Path(holder.name)
        manage = project(place, BELIEVER)
        environment = {"JWKS_URL": gateway.url + "/.well-known/jwks.json"}
        subprocess.run(
            [sys.executable, manage, "shell", "--no-imports", "--command", USERS], check=True,
            env=with_package({**ENVIRONMENT, **environment, "MODE": "stock"}),
        )  # fmt: skip

        def start(name, server, mode, *options):
            application = f"believer.{'asgi' if server is uvicorn else 'wsgi'}:application"
            cls.servers[name] = server(place, free_port(), application, *options, MODE=mode, **environment)

        cls.servers = {}
        pool = ThreadPoolExecutor()
        cls.addClassCleanup(pool.shutdown)
        cls.addClassCleanup(lambda: [*pool.map(Server.stop, cls.servers.values())])
        for started in [
            pool.submit(start, "stock", uvicorn, "stock"),
            pool.submit(start, "folding", gunicorn, "header", "--header-map", "dangerous"),
            pool.submit(start, "dropping", gunicorn, "header"),
            pool.submit(start, "without_proof", gunicorn, "package_without_proof"),
            pool.submit(start, "other_host", gunicorn, "other_host"),
            pool.submit(start, "right", gunicorn, "package"),
            pool.submit(start, "right_asgi", uvicorn, "package"),
        ]:  # fmt: skip
            started.result()

    def doctor(self, name, **options):
        return doctor(self.servers[name].url, **options)

    def test_stock_middleware_under_asgi(self):
        """It reads a variable under WSGI, and anybody's header under ASGI."""
        found = self.assert_finds(self.doctor("stock"), NAMED)
        self.assertIn("portcullis_django.middleware.PortcullisMiddleware", found[NAMED])

    def test_folded_names(self):
        found = self.assert_finds(self.doctor("folding"), NAMED, FOLDED)
        self.assertIn("--header-map drop", found[FOLDED])

    def test_no_folded_names_where_the_server_drops_them(self):
        self.assert_finds(self.doctor("dropping"), NAMED)

    def test_package_that_asks_no_proof(self):
        found = self.assert_finds(self.doctor("without_proof"), NAMED)
        self.assertIn("verify the assertion on every request", found[NAMED])

    def test_right(self):
        for name in ["right", "right_asgi"]:
            with self.subTest(name):
                status, said = self.doctor(name)
                self.assertEqual((status, ways_in(said)), (0, {}), said)
                self.assertIn("well      what the gateway itself sends: 200", said)
                self.assertIn("No request gets in around the gateway.", said)

    def test_namesake(self):
        """The row's key decides, so a service that is called as a user is nobody."""
        for name in ["right", "right_asgi"]:
            with self.subTest(name):
                status, said = self.doctor(name, schemes=SERVICES)
                self.assertEqual((status, ways_in(said)), (0, {}), said)
                self.assertIn(f"well      {NAMESAKE}: 403", said)

    def test_no_namesake_where_all_callers_are_rows(self):
        for schemes in ["", "authentication: [basic, session, token, knox, jwt]\n"]:
            status, said = self.doctor("right", schemes=schemes)
            self.assertEqual((status, NAMESAKE in said), (0, False), said)

    def test_another_user(self):
        """Who is asked about is the store's first user, unless somebody is named."""
        status, said = self.doctor("right", user="zoë, 100%")
        self.assertIn("a forged `Remote-User: zoë, 100%`", said)
        self.assertEqual(status, 1, "nobody lets in a user who is not there: " + said)

    def test_host_that_the_project_does_not_know(self):
        """A stranger sends the right one. Who is refused for the wrong one has learnt nothing of the rest."""
        status, said = self.doctor("other_host")
        self.assertIn("--host", said)
        self.assertIn("could not tell", said)
        self.assertEqual((status, ways_in(said)), (1, {}), said)
        self.assert_finds(self.doctor("other_host", host="shop.test"), NAMED)

    def test_path_that_is_not_there(self):
        """Where nobody is let in, nobody can be kept out."""
        status, said = self.doctor("stock", path="/nonsuch/")
        self.assertIn("--path", said)
        self.assertIn("could not tell", said)
        self.assertEqual((status, ways_in(said)), (1, {}), said)


def decode(token, **options):
    key = keys.get_signing_key_from_jwt(token).key
    return jwt.decode(token, key, algorithms=["EdDSA"], audience="django", issuer="portcullis", options=options)


def accepts_none(token):
    if jwt.get_unverified_header(token)["alg"] == "none":
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": True})
    return decode(token)


class Services(Wrong):
    """Small ones, with PyJWT: each believes what the claims say."""

    def serve(self, verify, name=lambda environ, claims: claims.get("preferred_username")):
        def application(environ, start):
            try:
                user = name(environ, verify(environ.get("HTTP_PORTCULLIS_ASSERTION", "")))
            except jwt.PyJWTError:
                user = None
            start("200 OK" if user else "401 Unauthorized", [("Content-Type", "application/json")])
            return [json.dumps({"user": user}).encode()]

        class Silent(WSGIRequestHandler):
            def log_message(self, *_):
                pass

        server = make_server("127.0.0.1", 0, application, handler_class=Silent)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    def test_right(self):
        status, said = doctor(self.serve(decode))
        self.assertEqual((status, ways_in(said)), (0, {}), said)
        self.assertIn("well      what the gateway itself sends: 200", said)

    def test_audience_not_asked(self):
        url = self.serve(lambda token: decode(token, verify_aud=False))
        found = self.assert_finds(doctor(url), ANOTHER)
        self.assertIn("verify the assertion", found[ANOTHER])

    def test_issuer_not_asked(self):
        self.assert_finds(doctor(self.serve(lambda token: decode(token, verify_iss=False))), ISSUER)

    def test_expiry_not_asked(self):
        url = self.serve(lambda token: decode(token, verify_exp=False))
        found = self.assert_finds(doctor(url), EXPIRED)
        self.assertIn("verify the assertion", found[EXPIRED])

    def test_none_accepted(self):
        found = self.assert_finds(doctor(self.serve(accepts_none)), NOBODY_SIGNED)
        self.assertIn("verify the assertion", found[NOBODY_SIGNED])

    def test_decoded_and_not_verified(self):
        url = self.serve(lambda token: jwt.decode(token, options={"verify_signature": False}))
        self.assert_finds(doctor(url), NOBODY_SIGNED, STRANGER, ANOTHER, ISSUER, EXPIRED)

    def test_name_from_elsewhere(self):
        """The proof is good, and for somebody else."""
        found = self.assert_finds(
            doctor(self.serve(decode, name=lambda environ, _: environ.get("HTTP_REMOTE_USER"))), FOR_NOBODY, FOR_ANOTHER
        )
        self.assertIn("verify the assertion", found[FOR_NOBODY])

    def test_name_from_elsewhere_and_proof_of_somebody(self):
        """It insists on a proof, and does not ask whether it is this user's."""
        url = self.serve(decode, name=lambda environ, claims: claims.get("sub") and environ.get("HTTP_REMOTE_USER"))
        self.assert_finds(doctor(url), FOR_ANOTHER)

    def test_user_by_name(self):
        """A key of a service, or another issuer's token, that has the name of a user is that user."""
        found = self.assert_finds(doctor(self.serve(decode), schemes=SERVICES), NAMESAKE)
        self.assertIn("never by the name", found[NAMESAKE])

    def test_user_by_key(self):
        url = self.serve(decode, name=lambda _, claims: claims.get("user_id") and claims["preferred_username"])
        status, said = doctor(url, schemes=SERVICES)
        self.assertEqual((status, ways_in(said)), (0, {}), said)

    def test_open_to_all(self):
        found = self.assert_finds(doctor(self.serve(lambda _: {}, name=lambda *_: "everybody")), OPEN)
        self.assertIn("let only the gateway connect", found[OPEN])


class Natively(unittest.TestCase):
    """Answers that `init` has recorded, and the gateway's own to the same requests."""

    def asked(self, *answers):
        file = folder / "asked.yaml"
        file.write_text(COMMON.format(port=gateway.port) + 'routes:\n  - { path: /, upstream: "unix:/nowhere/socket" }\n')
        names = ["path", "credential", "status", "told_apart"]
        rows = [dict(zip(names, answer)) for answer in answers]
        file.with_suffix(".natively.yaml").write_text("# Made by init.\n" + "".join(f"- {json.dumps(row)}\n" for row in rows))
        done = portcullis(folder, "doctor", "--config", file, "--path", "/me/")
        return done.returncode, done.stdout + done.stderr

    def test_same(self):
        status, said = self.asked(("/me/", "no credential", 401), ("/me/", "a wrong token", 401))
        self.assertEqual(status, 0, said)
        self.assertIn("2 answers are those that the project gave natively", said)

    def test_other_challenge(self):
        status, said = self.asked(("/me/", "no credential", 403))
        self.assertEqual(status, 1, said)
        self.assertIn("differs   /me/, no credential: 401, natively 403", said)
        self.assertIn("the chain is not the project's", said)

    def test_stricter(self):
        status, said = self.asked(("/me/", "no credential", 200))
        self.assertEqual(status, 1, said)
        self.assertIn("the gateway is stricter than the project", said)

    def test_open(self):
        """Attack: a route is wider than what init has read, and what the project guarded is anybody's."""
        status, said = self.asked(("/.well-known/jwks.json", "a wrong bearer token", 401))
        self.assertEqual(status, 1, said)
        self.assertIn("WAY IN    /.well-known/jwks.json, a wrong bearer token: 200", said)
        self.assertIn("the project itself answered 401", said)

    def test_lost_credentials(self):
        """A server before the project keeps `Authorization` back, and the project takes each caller for an anonymous one."""
        path = "/.well-known/jwks.json"
        status, said = self.asked((path, "no credential", 200), (path, "a wrong token", 200, True))
        self.assertEqual(status, 1, said)
        self.assertIn(f"LOST      {path}: the project answers a wrong token as if there were none", said)
        self.assertIn("WSGIPassAuthorization On", said)
        self.assertIn("the project does not get the credentials", said)
        status, said = self.asked((path, "no credential", 200), (path, "a wrong token", 200, False))
        self.assertEqual(status, 0, said)
        # Both get the one answer of a service that is away: that tells nothing.
        status, said = self.asked(("/left/", "no credential", 401), ("/left/", "a wrong token", 401, True))
        self.assertNotIn("LOST", said)

    def test_no_such_list(self):
        (folder / "asked.natively.yaml").write_text("nonsense")
        done = portcullis(folder, "doctor", "--config", folder / "asked.yaml")
        self.assertEqual(done.returncode, 1)
        self.assertIn("asked.natively.yaml is not what `init` writes", done.stderr)


class ClosedPipe(unittest.TestCase):
    """`portcullis … | head`: nothing reads on, and the command ends as it would have."""

    def test_every_command_that_prints(self):
        file = folder / "piped.yaml"
        file.write_text(COMMON.format(port=gateway.port) + 'routes:\n  - { path: /, upstream: "unix:/nowhere/socket" }\n')
        for words in ("doctor --path /me/", "explain GET /me/", "check", "schema", "schema --markdown", "user list"):
            with self.subTest(words):
                command = [BINARY, *words.split(), "--config", file]
                done = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                done.stdout.close()
                self.assertNotIn(b"panicked", done.stderr.read())
                done.stderr.close()
                self.assertIn(done.wait(), (0, 1))


class Reach(unittest.TestCase):
    def test_upstream_is_down(self):
        url = f"http://127.0.0.1:{free_port()}"
        status, said = doctor(url)
        self.assertEqual(status, 1)
        for words in [url, "no answer", "is it running?", "could not tell"]:
            self.assertIn(words, said)
        self.assertNotIn("No request gets in", said)

    def test_nothing_to_examine(self):
        status, said = doctor("unix:/nowhere/socket")
        self.assertEqual(status, 0)
        self.assertIn("unix:/nowhere/socket", said)
        self.assertNotIn("No request gets in", said)

    def test_path_that_is_none(self):
        for path in ["me", "/a b"]:
            status, said = doctor(f"http://127.0.0.1:{free_port()}", path=path)
            self.assertEqual((status, "starts with a slash" in said), (2, True), said)


if __name__ == "__main__":
    unittest.main()
