"""Which row of Django's a caller is, from the credential to `request.user`, with a gateway and a Django of their own.

Attack: two name spaces meet in one header. Whoever can choose a name at an identity provider, or names a service,
chooses that of a superuser of the project's, or a subject that is the superuser's primary key, and hopes that Django
takes the caller for that row."""

import hashlib
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path

import httpx
import jwt

from clients.gateway import BINARY, free_port
from clients.servers import ENVIRONMENT, Server, gunicorn, portcullis, with_package
from clients.test_django_settings import project

SECRET = "throwaway-secret-of-an-issuer-0123456789-0123456789"
KEYS = {name: f"throwaway-key-of-{name}" for name in ["late-admin", "root admin", "999", "billing"]}

# MODE is how the project takes identities that are no rows.
SETTINGS = """
    import os
    from pathlib import Path

    SECRET_KEY = "throwaway-secret-key-for-tests-0123456789"
    ALLOWED_HOSTS = ["127.0.0.1"]
    ROOT_URLCONF = "shop.urls"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent.parent / "db.sqlite3",
        "OPTIONS": {"timeout": 20},
    }}
    INSTALLED_APPS = [
        "portcullis_django", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "rest_framework", "rest_framework.authtoken",
    ]
    MIDDLEWARE = ["portcullis_django.middleware.PortcullisMiddleware"]
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["portcullis_django.authentication.PortcullisAuthentication"],
    }
    jwks = os.environ.get("JWKS_URL", "http://127.0.0.1:1/")
    signed = {"JWKS_URL": jwks, "ISSUER": "portcullis", "AUDIENCE": "django"}
    PORTCULLIS = {
        "strict": signed,
        "username": signed | {"FOREIGN_USERS": "username"},
        "function": signed | {"FOREIGN_USERS": "shop.foreign.user"},
        "header": {"REQUIRE_ASSERTION": False, "USER_ID_HEADER": "X-User-Key"},
    }[os.environ.get("MODE", "strict")]
"""
# The partner's people are ours under another name.
FOREIGN = """
    from django.contrib.auth.models import User

    def user(caller):
        prefix = "https://partner.example|"
        if caller.subject.startswith(prefix):
            return User.objects.filter(email=caller.subject.removeprefix(prefix)).first()
"""
URLS = """
    from django.http import JsonResponse
    from django.urls import path
    from rest_framework.permissions import AllowAny
    from rest_framework.response import Response
    from rest_framework.views import APIView

    def told(request, user):
        return {
            "id": user.pk, "user": user.get_username(), "superuser": user.is_superuser,
            "authenticated": user.is_authenticated, "told": request.portcullis.username,
            "key": request.portcullis.user_id,
        }

    class Me(APIView):
        permission_classes = [AllowAny]

        def get(self, request):
            return Response(told(request, request.user))

    def plain(request):
        return JsonResponse(told(request, request.user))

    urlpatterns = []
    for place in ["strict", "username", "function", "header"]:
        urlpatterns += [path(f"{place}/", Me.as_view()), path(f"{place}/plain/", plain)]
"""
SHOP = {
    "manage.py": """
        import os, sys
        from django.core.management import execute_from_command_line

        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        execute_from_command_line(sys.argv)
    """,
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/foreign.py": FOREIGN,
    "shop/urls.py": URLS,
    "shop/wsgi.py": """
        import os
        from django.core.wsgi import get_wsgi_application

        os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
        application = get_wsgi_application()
    """,
}
USERS = """
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
call_command("migrate", verbosity=0)
User.objects.create(pk=1, username="root-admin", is_superuser=True, is_staff=True, email="root@shop.test")
User.objects.create(pk=999, username="other-root", is_superuser=True, is_staff=True)
for pk, name in [(2, "alice"), (3, "carol"), (4, "dave"), (5, "erin"), (6, "9")]:
    Token.objects.create(key=name * 8, user=User.objects.create(pk=pk, username=name, email=f"{name}@shop.test"))
"""

# The second issuer names its people by `sub`, and so does the third, whose people are the store's.
YAML = f"""
listen: 127.0.0.1:{{port}}
store: {{{{ url: "sqlite://db.sqlite3", own_tables: true }}}}
secret_key: throwaway-secret-key-for-tests-0123456789
identity:
  assertion: {{{{ audience: django }}}}
  headers: {{{{ X-User-Key: "{{{{user.key}}}}" }}}}
authentication:
  - jwt: {{{{ name: sso, issuer: "https://id.example", audience: shop, secret: {SECRET},
      claims: {{{{ username: preferred_username }}}} }}}}
  - jwt: {{{{ name: partner, issuer: "https://partner.example", audience: shop, secret: {SECRET} }}}}
  - jwt: {{{{ name: own, issuer: "https://own.example", audience: shop, secret: {SECRET}, user: store }}}}
  - api_key: {{{{ keys: [{{keys}}] }}}}
  - token
permission: anyone
cache: {{{{ ttl: 1h }}}}
routes:
  - {{{{ path: /.well-known/jwks.json, endpoint: jwks }}}}
"""


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


def setUpModule():
    global folder, manage, server, config
    holder = tempfile.TemporaryDirectory(prefix="portcullis-identity.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    manage = project(folder, SHOP)
    in_django(USERS)
    port, places = free_port(), {mode: free_port() for mode in ["strict", "username", "function", "header"]}
    keys = ", ".join(f'{{ service: "{name}", sha256: {digest(key)} }}' for name, key in KEYS.items())
    text = YAML.format(port=port, keys=keys)
    text += "".join(f'  - {{ path: /{name}/, upstream: "http://127.0.0.1:{at}" }}\n' for name, at in places.items())
    config = folder / "gateway.yaml"
    config.write_text(text)
    done = portcullis(folder, "check", "--store")
    # The table for keys is made at the start.
    assert "error: " not in done.stderr or "portcullis_api_key" in done.stderr, done.stderr
    server = Server([BINARY, "run"], port, folder)
    unittest.addModuleCleanup(server.stop)
    for mode, at in places.items():
        jwks = server.url + "/.well-known/jwks.json"
        unittest.addModuleCleanup(gunicorn(folder, at, "shop.wsgi", MODE=mode, JWKS_URL=jwks).stop)
    # Only now, when nobody looks any more whether a service has this name already.
    in_django("from django.contrib.auth.models import User; User.objects.create_superuser('late-admin', pk=77)")


def in_django(code):
    done = subprocess.run(
        [sys.executable, manage, "shell", "--command", code], cwd=folder, env=with_package(ENVIRONMENT),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def issued(issuer="id", **claims):
    claims = {"iss": f"https://{issuer}.example", "aud": "shop", "exp": int(time.time()) + 300, **claims}
    return {"Authorization": "Bearer " + jwt.encode(claims, SECRET, algorithm="HS256")}


def key(name):
    return {"X-Api-Key": KEYS[name]}


def token(name):
    return {"Authorization": f"Token {name * 8}"}


class Identities(unittest.TestCase):
    def ask(self, mode, headers):
        """What a view of Django REST framework is told, and a plain one: the same."""
        answers = []
        for path in [f"/{mode}/", f"/{mode}/plain/"]:
            answer = httpx.get(server.url + path, headers=headers)
            self.assertEqual(answer.status_code, 200, answer.text)
            answers.append(answer.json())
        self.assertEqual(*answers)
        return answers[0]

    def assert_nobody(self, mode, headers, name):
        """Of the project's; the gateway has let the caller pass, under this name."""
        seen = self.ask(mode, headers)
        self.assertEqual((seen["told"], seen["key"]), (name, None))
        self.assertEqual((seen["id"], seen["user"], seen["superuser"], seen["authenticated"]), (None, "", False, False))

    def assert_row(self, mode, headers, pk, name=None):
        seen = self.ask(mode, headers)
        self.assertEqual((seen["id"], seen["authenticated"]), (pk, True))
        if name:
            self.assertEqual(seen["user"], name)
        return seen

    # What is tried against each way of taking callers.
    strangers = {
        "a superuser's name at an identity provider": (issued(sub="x", preferred_username="root-admin"), "root-admin"),
        "the name and the key": (issued(sub="1", preferred_username="root-admin"), "root-admin"),
        "a subject that is the name": (issued("partner", sub="root-admin"), "root-admin"),
        "a subject that is a key": (issued("partner", sub="999"), "999"),
        "a subject that is a key, of somebody": (issued(sub="999", preferred_username="somebody"), "somebody"),
        "a claim that the gateway's own are called like": (
            issued("partner", sub="root-admin", user_id="1", preferred_username="root-admin", scheme="token"),
            "root-admin",
        ),
        "a service that is called like a superuser": (key("late-admin"), "late-admin"),
        "a service that is called like a key": (key("999"), "999"),
        "a subject like another issuer's": (issued("partner", sub="https://id.example|1"), "https://id.example|1"),
    }


class Strict(Identities):
    """What `init` prints: a row is who has a key of the store's."""

    def test_strangers(self):
        for what, (headers, name) in self.strangers.items():
            with self.subTest(what):
                self.assert_nobody("strict", headers, name)

    def test_headers_of_the_client_s_own(self):
        """Attack: what the gateway says of callers is said by the caller too."""
        forged = {"X-User-Key": "1", "Remote-User": "root-admin", "Portcullis-Assertion": "x.y.z"}
        for mode in ["strict", "header"]:
            with self.subTest(mode):
                seen = self.ask(mode, forged)
                self.assertEqual((seen["id"], seen["authenticated"]), (None, False))
                self.assertEqual(self.ask(mode, forged | token("alice"))["id"], 2)

    def test_rows(self):
        for name, pk in [("alice", 2), ("erin", 5)]:
            self.assert_row("strict", token(name), pk, name)
        self.assert_row("strict", issued("own", sub="root-admin"), 1, "root-admin")

    def test_name_that_is_another_s_key(self):
        """The user whose name is 9 has the key 6."""
        self.assert_row("strict", token("9"), 6, "9")

    def test_name_that_was_given_up(self):
        """Attack: a user is renamed, and somebody else takes the name while the gateway remembers who had it."""
        self.assert_row("strict", token("carol"), 3, "carol")
        in_django(
            "from django.contrib.auth.models import User; User.objects.filter(pk=3).update(username='caroline');"
            "User.objects.create_superuser('carol', pk=33)"
        )
        self.assertFalse(self.assert_row("strict", token("carol"), 3, "caroline")["superuser"])

    def test_row_that_is_gone(self):
        """Attack: the user is deleted, and another one is given the name, while the gateway remembers."""
        self.assert_row("strict", token("dave"), 4, "dave")
        in_django(
            "from django.contrib.auth.models import User; User.objects.filter(pk=4).delete();"
            "User.objects.create_superuser('dave', pk=44)"
        )
        seen = self.ask("strict", token("dave"))
        self.assertEqual((seen["id"], seen["authenticated"], seen["key"]), (None, False, "4"))


class HeaderOnly(Identities):
    """Without an assertion, over a link that nobody else has: the key's header decides, and not the name's."""

    def test_strangers(self):
        for what, (headers, name) in self.strangers.items():
            with self.subTest(what):
                self.assert_nobody("header", headers, name)

    def test_rows(self):
        self.assert_row("header", token("alice"), 2, "alice")
        self.assert_row("header", token("9"), 6, "9")


class Username(Identities):
    """`FOREIGN_USERS: "username"`: the project says that all name spaces are one."""

    def test_names(self):
        for headers, pk, name in [
            (issued(sub="x", preferred_username="root-admin"), 1, "root-admin"),
            (issued("partner", sub="root-admin"), 1, "root-admin"),
            (key("late-admin"), 77, "late-admin"),
            (issued("partner", sub="alice"), 2, "alice"),
        ]:
            self.assert_row("username", headers, pk, name)

    def test_keys_are_no_names(self):
        for headers, name in [(issued("partner", sub="999"), "999"), (key("999"), "999"), (key("billing"), "billing")]:
            self.assert_nobody("username", headers, name)

    def test_rows(self):
        """Who has a row is that row all the same."""
        self.assert_row("username", token("alice"), 2, "alice")
        self.assert_row("username", token("9"), 6, "9")


class Function(Identities):
    """`FOREIGN_USERS` as a function: one issuer's people, by what the project knows of them."""

    def test_partner(self):
        self.assert_row("function", issued("partner", sub="alice@shop.test"), 2, "alice")

    def test_others(self):
        """Attack: another issuer gives the same subject, or one that begins like the partner's."""
        for subject in ["alice@shop.test", "https://partner.example|alice@shop.test"]:
            headers = issued(sub=subject, preferred_username="alice@shop.test")
            self.assert_nobody("function", headers, "alice@shop.test")


class Collisions(unittest.TestCase):
    """The names that services have are nobody else's, where the gateway is asked."""

    def test_check(self):
        done = portcullis(folder, "check", "--store")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("`late-admin`", done.stderr)
        self.assertIn("rename", done.stderr)

    def test_user_create(self):
        services = """
            listen: 127.0.0.1:0
            store: { url: "sqlite://store.db", bootstrap: admin }
            authentication:
              - api_key: { keys: [{ service: billing, sha256: "%s" }] }
              - hawk: { keys: [{ id: x, key: throwaway-key-of-a-service, service: reports }] }
            routes: [{ path: /, upstream: echo }]
        """
        with tempfile.TemporaryDirectory(prefix="portcullis-identity.") as place:
            Path(place, "gateway.yaml").write_text(textwrap.dedent(services) % ("0" * 64))
            for name, status in [("billing", 1), ("reports", 1), ("somebody", 0)]:
                with self.subTest(name):
                    done = portcullis(place, "user", "create", name, "--no-password")
                    self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                    self.assertIn(name, done.stderr if status else done.stdout)

    def test_key_create(self):
        done = portcullis(folder, "api-key", "create", "root-admin")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("root-admin", done.stderr)


class KeyInTheStore(Identities):
    def test_service_of_a_name_that_a_superuser_has_later(self):
        done = portcullis(folder, "api-key", "create", "later-admin")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = done.stdout.split()[-1]
        refused = portcullis(folder, "user", "create", "later-admin", "--no-password")
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("a service is called later-admin", refused.stderr)
        in_django("from django.contrib.auth.models import User; User.objects.create_superuser('later-admin')")
        self.assert_nobody("strict", {"X-Api-Key": made}, "later-admin")
        self.assert_nobody("header", {"X-Api-Key": made}, "later-admin")


if __name__ == "__main__":
    unittest.main()
