"""Names of any bytes, from the gateway through real servers to `request.user`.

Attack: somebody takes a name of which a server cuts off or changes a byte, so that what is left is another user's. And
without an attacker: whose name that is cannot be told any more, and she is refused."""

import json
import subprocess
import sys
import tempfile
import unittest
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx

from clients.gateway import BINARY, Upstream, free_port
from clients.servers import BIN, ENVIRONMENT, Server, gunicorn, uvicorn, with_package
from clients.test_django_settings import project

# Python's `str.strip` takes off all but the last; 85 and A0 too where they end another letter's UTF-8, read as Latin-1.
BLANKS = "\x1c\x1f\x85\xa0 \u1680\u2003\u2028\u202f\u3000\ufeff"
NAMES = [
    "papà", "日本", "\N{GRINNING FACE}", "élise", "ÿ",
    # One letter, three spellings, three users.
    "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}", "\N{ANGSTROM SIGN}", "A\N{COMBINING RING ABOVE}",
    # What is left of others, or made of them, by a server that reads Latin-1 or decodes once too often.
    "pap", "papÃ", "papÃ\xa0", "pap%C3%A0", "pap%c3%a0", "pap%25C3%25A0", "a", "A",
    "%", "%%", "100%", "%41", "%2541", "a%", "%20a", "a%20", "a,b", "a%2Cb", '"a"', "a;b=c", "(a)", "\\a",
    "=?utf-8?q?a?=",
    *BLANKS,
    *(f"a{blank}" for blank in BLANKS),
    *(f"{blank}a" for blank in BLANKS),
    *(f"a{blank}b" for blank in BLANKS),
    # Every byte that can be the last one: C2 80 to C3 BF.
    *(f"x{chr(code)}" for code in range(0x80, 0x100)),
    *(chr(code) for code in range(0xA1, 0x100)),
    # The same of three bytes and four, where the last one is a blank of Latin-1.
    *(f"x{letter}" for letter in "\u0105\u0120\u0160\u0845\u0860\u4e05\u4e20\u2005\u2020\U0001f605\U0001f620"),
]  # fmt: skip
NAMES = list(dict.fromkeys(NAMES))

# MODE is how the project trusts the gateway.
SETTINGS = """
    import os
    from pathlib import Path

    SECRET_KEY = "throwaway-secret-key-for-tests-0123456789"
    ALLOWED_HOSTS = ["127.0.0.1"]
    ROOT_URLCONF = "shop.urls"
    WSGI_APPLICATION = "shop.wsgi.application"
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
    jwks = os.environ.get("JWKS_URL", "http://127.0.0.1:1/")
    PORTCULLIS = {
        "signed": {"JWKS_URL": jwks, "ISSUER": "portcullis", "AUDIENCE": "django"},
        "names": {"REQUIRE_ASSERTION": False},
    }[os.environ.get("MODE", "signed")]
"""
URLS = """
    from django.http import JsonResponse
    from django.urls import re_path

    from portcullis_django import decode_groups, decode_identity

    def who(request):
        told = {name: request.META.get("HTTP_REMOTE_" + name, "") for name in ["USER", "EMAIL", "NAME", "GROUPS"]}
        groups = decode_groups(told.pop("GROUPS"))
        user = request.user
        return JsonResponse({
            "row": [user.pk, user.get_username()],
            "told": [*map(decode_identity, told.values()), sorted(groups)],
        })

    urlpatterns = [re_path("", who)]
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
    "shop/urls.py": URLS,
    **{
        f"shop/{kind}.py": f"""
            import os
            from django.core.{kind} import get_{kind}_application

            os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
            application = get_{kind}_application()
        """
        for kind in ["wsgi", "asgi"]
    },
}
# What a user of this name is called besides.
USERS = """
import json, sys
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import transaction
from rest_framework.authtoken.models import Token
call_command("migrate", verbosity=0)
made = []
with transaction.atomic():
    for name in json.load(open("names.json")):
        user = User.objects.create(username=name, email=name, first_name=name, last_name=name)
        Token.objects.create(key=f"{user.pk:040x}", user=user)
        user.groups.add(Group.objects.create(name=name), Group.objects.create(name=f"group {name}"))
        made.append([user.pk, name, user.get_full_name()])
json.dump(made, open("made.json", "w"))
"""
YAML = """
listen: 127.0.0.1:{port}
store: {{ url: "sqlite://db.sqlite3" }}
secret_key: throwaway-secret-key-for-tests-0123456789
identity: {{ assertion: django }}
authentication: [token]
permission: authenticated
routes:
  - {{ path: /.well-known/jwks.json, permission: anyone, endpoint: jwks }}
  - {{ path: /whoami, endpoint: whoami }}
  - path: /callout/
    authentication: [callout: {{ url: "{callout}", headers: [X-Answer] }}]
    upstream: "http://127.0.0.1:{behind_callout}"
"""
MODES = ["signed", "names"]


class Says(BaseHTTPRequestHandler):
    """A callout that answers what the client wants it to."""

    def do_POST(self):
        body = self.headers["X-Answer"].encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def setUpModule():
    global folder, gateway, users, known, places, behind_callout
    holder = tempfile.TemporaryDirectory(prefix="portcullis-names.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    manage = project(folder, SHOP)
    (folder / "names.json").write_text(json.dumps(NAMES))
    done = subprocess.run(
        [sys.executable, manage, "shell", "--no-imports", "--command", USERS], cwd=folder,
        env=with_package(ENVIRONMENT), capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    users = json.loads((folder / "made.json").read_text())
    port = free_port()
    places = {f"/{kind.__name__}/{mode}/": free_port() for kind in KINDS for mode in MODES}
    callout, behind_callout = Upstream(Says), free_port()
    unittest.addModuleCleanup(callout.stop)
    text = YAML.format(port=port, callout=callout.url, behind_callout=behind_callout)
    text += "".join(f'  - {{ path: {path}, upstream: "http://127.0.0.1:{at}" }}\n' for path, at in places.items())
    (folder / "gateway.yaml").write_text(text)
    gateway = Server([BINARY, "run"], port, folder)
    unittest.addModuleCleanup(gateway.stop)
    with httpx.Client(base_url=gateway.url) as client:
        known = {pk: client.get("/whoami", headers=token(pk)).json() for pk, _, _ in users}


class Names:
    """Behind one kind of server."""

    @classmethod
    def setUpClass(cls):
        for mode in MODES:
            cls.addClassCleanup(cls.serve(places[f"/{cls.__name__}/{mode}/"], MODE=mode, **jwks()).stop)

    def assert_known(self, mode):
        """To Django by the row, and by the headers as they are decoded by hand; nobody is refused, or is another."""
        wrong = {}
        with httpx.Client(base_url=gateway.url) as client:
            for pk, name, _ in users:
                answer = client.get(f"/{type(self).__name__}/{mode}/", headers=token(pk))
                seen = answer.json() if answer.status_code == 200 else answer.status_code
                told = [name, name, known[pk]["name"], sorted([name, f"group {name}"])]
                if seen != {"row": [pk, name], "told": told}:
                    wrong[name] = seen
        self.assertFalse(wrong, f"{len(wrong)} of {len(users)}")

    def test_signed(self):
        self.assert_known("signed")

    def test_names_alone(self):
        """Over a link that nobody else has: the header decides who it is."""
        self.assert_known("names")


class Gunicorn(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return gunicorn(folder, port, "shop.wsgi", **environment)


class Uvicorn(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return uvicorn(folder, port, "shop.asgi:application", **environment)


class Daphne(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return start(port, "daphne", "--bind", "127.0.0.1", "--port", str(port), "shop.asgi:application", **environment)


class Hypercorn(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return start(port, "hypercorn", "--bind", f"127.0.0.1:{port}", "shop.asgi:application", **environment)


class Waitress(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return start(port, "waitress-serve", f"--listen=127.0.0.1:{port}", "shop.wsgi:application", **environment)


class Runserver(Names, unittest.TestCase):
    """Django's own, of wsgiref."""

    @staticmethod
    def serve(port, **environment):
        return start(port, "python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}", **environment)


class Uwsgi(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return start(port, "uwsgi", "--http-socket", f"127.0.0.1:{port}", "--module", "shop.wsgi", **environment)


class GranianOfWsgi(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return granian(port, "wsgi", **environment)


class GranianOfAsgi(Names, unittest.TestCase):
    @staticmethod
    def serve(port, **environment):
        return granian(port, "asgi", **environment)


def granian(port, interface, **environment):
    options = ["--interface", interface, "--host", "127.0.0.1", "--port", str(port)]
    return start(port, "granian", *options, f"shop.{interface}:application", **environment)


class FullName(unittest.TestCase):
    def test_as_django_s(self):
        """Python's `str.strip` takes four control characters for blanks, too."""
        wrong = [(known[pk]["name"], name) for pk, _, name in users if known[pk]["name"] != name]
        self.assertFalse(wrong)


class Callout(unittest.TestCase):
    """Groups as a service may send them, a list with one that has no name above all."""

    @classmethod
    def setUpClass(cls):
        cls.addClassCleanup(gunicorn(folder, behind_callout, "shop.wsgi", **jwks()).stop)

    def told(self, **identity):
        """The status, and what is decoded behind the gateway."""
        answer = httpx.get(gateway.url + "/callout/", headers={"X-Answer": json.dumps(identity)})
        return answer.status_code, answer.json()["told"] if answer.status_code == 200 else answer.text[:200]

    def test_groups(self):
        for sent, seen in [
            ([], []),
            ([""], []),
            (["", "a"], ["a"]),
            (["b", "", "a", ""], ["a", "b"]),
            ([" "], [" "]),
            ([" ", "  "], [" ", "  "]),
            (["a,b", "%", "日本", "Å"], ["%", "a,b", "Å", "日本"]),
        ]:
            with self.subTest(sent):
                self.assertEqual(self.told(username="svc", groups=sent), (200, ["svc", "", "", seen]))


def token(pk):
    return {"Authorization": f"Token {pk:040x}"}


def jwks():
    return {"JWKS_URL": gateway.url + "/.well-known/jwks.json"}


def start(port, program, *words, **environment):
    return Server([BIN / program, *words], port, folder, **with_package(environment))


KINDS = Names.__subclasses__()

if __name__ == "__main__":
    unittest.main()
