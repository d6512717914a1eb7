"""`portcullis init` on projects that speak more than English: what it learns of their translations, and that the
gateway then says the same."""

import json
import re
import struct
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

import httpx

from clients.gateway import BINARY, free_port
from clients.servers import Server, portcullis
from clients.test_django_settings import MANAGE, learn, project

SETTINGS = """
    from pathlib import Path

    SECRET_KEY = "throwaway-secret-key-for-tests-0123456789"
    ROOT_URLCONF = "shop.urls"
    FOLDER = Path(__file__).parent.parent
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}}
    INSTALLED_APPS = [
        "django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework.authtoken",
        "rest_framework_simplejwt",
    ]
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    }
    MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
"""
NEGOTIATED = 'MIDDLEWARE.insert(0, "django.middleware.locale.LocaleMiddleware")'
URLS = """
    from django.urls import path
    from rest_framework.authtoken.views import obtain_auth_token
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Me(APIView):
        def get(self, request): ...

    urlpatterns = [path("me/", Me.as_view()), path("token/", obtain_auth_token)]
"""
NOBODY = "Authentication credentials were not provided."
# The project's own words for DRF's, and for what it does not say at all.
OWN = {NOBODY: "Qui êtes-vous ?", "Not ours.": "Pas à nous."}
SHOP = {"manage.py": MANAGE, "shop/__init__.py": "", "shop/urls.py": URLS}


def shop(folder, *settings):
    text = "\n".join([textwrap.dedent(SETTINGS), *settings])
    return project(Path(folder), {**SHOP, "shop/settings.py": text})


def catalogue(messages):
    """A compiled catalogue (.mo) as gettext reads it."""
    messages = {"": "Content-Type: text/plain; charset=UTF-8\n", **messages}
    texts = [part.encode() for pair in sorted(messages.items()) for part in pair]
    at, places = 28 + 8 * len(texts), []
    for text in texts:
        places.append((len(text), at))
        at += len(text) + 1
    tables = [number for half in (places[::2], places[1::2]) for place in half for number in place]
    head = [0x950412DE, 0, len(messages), 28, 28 + 4 * len(texts), 0, 0]
    return struct.pack(f"<{7 + len(tables)}I", *head, *tables) + b"".join(text + b"\0" for text in texts)


def own_catalogue(folder):
    file = Path(folder, "own/fr/LC_MESSAGES/django.mo")
    file.parent.mkdir(parents=True)
    file.write_bytes(catalogue(OWN))


class Learned(unittest.TestCase):
    def learn(self, *settings):
        with tempfile.TemporaryDirectory(prefix="portcullis-languages.") as folder:
            own_catalogue(folder)
            run = learn(shop(folder, *settings))
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)["languages"]

    def test_english(self):
        self.assertIsNone(self.learn())

    def test_english_of_the_united_kingdom(self):
        self.assertEqual(list(self.learn('LANGUAGE_CODE = "en-gb"')), ["en-gb"])

    def test_no_translations(self):
        self.assertIsNone(self.learn('LANGUAGE_CODE = "fr"', NEGOTIATED, "USE_I18N = False"))

    def test_one_language(self):
        told = self.learn('LANGUAGE_CODE = "fr"')
        self.assertEqual(list(told), ["fr"])
        self.assertEqual(told["fr"]["messages"][NOBODY], "Informations d'authentification non fournies.")
        # simplejwt's.
        self.assertEqual(told["fr"]["messages"]["User is inactive"], "L'utilisateur est désactivé")

    def test_all_languages(self):
        told = self.learn(NEGOTIATED)
        self.assertGreater(len(told), 90)
        self.assertEqual(told["de"]["messages"][NOBODY], "Anmeldedaten fehlen.")
        self.assertEqual(told["en"], {"messages": {}})
        aliases = {code: what for code, what in told.items() if isinstance(what, str)}
        self.assertEqual((aliases["zh-cn"], aliases["zh-tw"]), ("zh-hans", "zh-hant"))
        self.assertLessEqual(set(aliases.values()), set(told) - set(aliases))

    def test_languages_of_the_project(self):
        told = self.learn(NEGOTIATED, 'LANGUAGES = [("en", "English"), ("pl", "Polish"), ("zh-hant", "Chinese")]')
        self.assertEqual([code for code, what in told.items() if what != "zh-hant"], ["en", "pl", "zh-hant"])
        # What is simplified has nothing to stand for.
        self.assertEqual({code for code, what in told.items() if what == "zh-hant"}, {"zh-tw", "zh-hk", "zh-mo"})

    def test_a_language_without_a_catalogue(self):
        told = self.learn(NEGOTIATED, 'LANGUAGES = [("en", "English"), ("tlh", "Klingon")]')
        self.assertEqual(list(told), ["en"])

    def test_own_words(self):
        told = self.learn('LANGUAGE_CODE = "fr"', 'LOCALE_PATHS = [FOLDER / "own"]')
        self.assertEqual(told["fr"]["messages"][NOBODY], OWN[NOBODY])
        # The others are the packages'.
        self.assertEqual(told["fr"]["messages"]["Invalid token."], "Token non valide.")
        self.assertNotIn("Not ours.", told["fr"]["messages"])

    def test_numbers(self):
        """One is one and all others are many, as DRF has it, whatever the language's own rule."""
        for code, one, many in [
            ("de", "1 Sekunde.", "{wait} Sekunden."),
            ("fr", "1 seconde.", "{wait} secondes."),
        ]:
            messages = self.learn(f'LANGUAGE_CODE = "{code}"')[code]["messages"]
            for unit in ("second", "seconds"):
                forms = messages[f"Request was throttled. Expected available in {{wait}} {unit}."]
                self.assertEqual(len(forms), 2)
                self.assertIn(one, forms[0].replace("{wait}", "1"))
                self.assertIn(many, forms[1])

    def test_a_default_that_is_no_language(self):
        told = self.learn(NEGOTIATED, 'LANGUAGES = [("fr", "French"), ("de", "German")]')
        self.assertEqual(told["en-us"], {"messages": {}})

    def test_names_in_a_message(self):
        messages = self.learn('LANGUAGE_CODE = "fr"')["fr"]["messages"]
        self.assertEqual(messages['Method "{method}" not allowed.'], "Méthode «\xa0{method}\xa0» non autorisée.")


class Answers(unittest.TestCase):
    """What the file is good for."""

    @classmethod
    def init(cls, *settings, config="gateway.yaml"):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-languages.")
        cls.addClassCleanup(holder.cleanup)
        folder = Path(holder.name)
        own_catalogue(folder)
        words = ["init", "--django", shop(folder, *settings), "--python", sys.executable, "--config", config]
        done = portcullis(folder, *words)
        assert done.returncode == 0, done.stderr
        return folder

    @classmethod
    def gateway(cls, *settings):
        folder = cls.init(*settings)
        key = {"DJANGO_SECRET_KEY": "throwaway-secret-key-for-tests-0123456789"}
        checked = portcullis(folder, "check", **key)
        assert checked.returncode == 0, checked.stderr
        port, file = free_port(), folder / "gateway.yaml"
        file.write_text(file.read_text().replace("listen: 127.0.0.1:8080\n", f"listen: 127.0.0.1:{port}\n"))
        server = Server([BINARY, "run"], port, folder, **key)
        cls.addClassCleanup(server.stop)
        return folder, server.url

    @classmethod
    def setUpClass(cls):
        cls.folder, cls.chosen = cls.gateway(NEGOTIATED, 'LANGUAGE_COOKIE_NAME = "tongue"')
        _, cls.french = cls.gateway('LANGUAGE_CODE = "fr"', 'LOCALE_PATHS = [FOLDER / "own"]')

    def said(self, url, method="GET", **headers):
        answer = httpx.request(method, url, headers={"Accept": "application/json", **headers})
        return answer.json(), answer.headers.get("Content-Language")

    def test_asked_in_french(self):
        french = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.8"}
        detail = "Informations d'authentification non fournies."
        self.assertEqual(self.said(self.chosen + "/me/", **french), ({"detail": detail}, "fr"))
        required = ["Ce champ est obligatoire."]
        fields = {"username": required, "password": required}
        self.assertEqual(self.said(self.chosen + "/token/", "POST", **french), (fields, "fr"))

    def test_asked_by_cookie(self):
        detail = "Anmeldedaten fehlen."
        self.assertEqual(self.said(self.chosen + "/me/", Cookie="tongue=de"), ({"detail": detail}, "de"))
        self.assertEqual(self.said(self.chosen + "/me/", Cookie="django_language=de"), ({"detail": NOBODY}, "en"))

    def test_asked_in_no_language(self):
        self.assertEqual(self.said(self.chosen + "/me/"), ({"detail": NOBODY}, "en"))

    def test_own_words_whatever_is_asked(self):
        german = {"Accept-Language": "de"}
        self.assertEqual(self.said(self.french + "/me/", **german), ({"detail": OWN[NOBODY]}, None))

    def test_lines(self):
        lines = re.findall(r"^language:\n(?:  .*\n)+", (self.folder / "gateway.yaml").read_text(), re.MULTILINE)
        self.assertEqual(len(lines), 1)
        self.assertEqual(lines[0].split("\n")[:4], [
            "language:", "  code: en-us", "  negotiate: true  # LocaleMiddleware", "  cookie: tongue",
        ])  # fmt: skip

    def test_nothing_is_written_for_english(self):
        folder = self.init()
        self.assertNotIn("language:", (folder / "gateway.yaml").read_text())
        self.assertFalse((folder / "gateway.messages.yaml").exists())

    def test_beside_a_file_of_another_name(self):
        folder = self.init('LANGUAGE_CODE = "fr"', config="other.yaml")
        self.assertIn('messages: "other.messages.yaml"', (folder / "other.yaml").read_text())
        self.assertTrue((folder / "other.messages.yaml").exists())


if __name__ == "__main__":
    unittest.main()
