"""`EXPECTS`, and the system checks."""

from contextlib import contextmanager
from io import StringIO
from unittest import mock

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import AsyncClient, Client, SimpleTestCase, override_settings

from portcullis_django import apps, expectations

from .gateway import SETTINGS, headers

DRF = "rest_framework.permissions."


def permissions(*names):
    return override_settings(REST_FRAMEWORK={"DEFAULT_PERMISSION_CLASSES": list(names)})


class CheckCase(SimpleTestCase):
    @contextmanager
    def settings_of(self, **portcullis):
        with override_settings(PORTCULLIS={**SETTINGS, **portcullis}):
            yield

    def found(self):
        return [error.id for error in apps.check(None)]


class Checks(CheckCase):
    def test_nothing_wrong(self):
        with self.settings_of():
            self.assertEqual(self.found(), [])
            call_command("check", stdout=StringIO())

    def test_no_middleware(self):
        """Attack: the line was lost in a merge, and everybody gets in with a name."""
        with self.settings_of(), override_settings(MIDDLEWARE=[]):
            self.assertEqual(self.found(), ["portcullis.E001"])
            with self.assertRaisesMessage(SystemCheckError, "portcullis.E001"):
                call_command("check")

    def test_wrong_settings(self):
        for changes in [
            {"ISSUER": None},
            {"UNKNOWN": 1},
            {"KEYS": None},
            {"CLASSES": {"token": "nowhere.Class"}},
            {"AUTH": {"token": "nowhere.Class"}},
            {"FOREIGN_USERS": "nowhere.function"},
        ]:
            with self.subTest(changes), self.settings_of(**changes):
                self.assertEqual(self.found(), ["portcullis.E002"])

    def test_without_assertion(self):
        with override_settings(PORTCULLIS={"REQUIRE_ASSERTION": False}):
            self.assertEqual(self.found(), [])


class Expectations(CheckCase):
    def same(self, expected):
        with self.settings_of(EXPECTS=expected):
            self.assertEqual(self.found(), [])
            self.assertEqual(Client().get("/public/", **headers()).status_code, 200)

    def other(self, expected, part):
        """The check, and servers that run none, under WSGI and ASGI."""
        with self.settings_of(EXPECTS=expected):
            self.assertEqual(self.found(), ["portcullis.E003"])
            for client, options in [(Client(), {}), (AsyncClient(), {"is_async": True})]:
                with self.assertRaisesMessage(ImproperlyConfigured, f"PORTCULLIS['EXPECTS']: {part} was"):
                    client.handler.load_middleware(**options)

    def test_as_it_was(self):
        self.same(expectations.seen())
        self.same({})

    def test_each_part(self):
        """Attack: none; the project is changed, and the gateway's rules are still those of the old one."""
        expected = expectations.seen()
        for part, value in {
            "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.RemoteUserBackend"],
            "MIDDLEWARE": [*apps.settings.MIDDLEWARE, "django.middleware.common.CommonMiddleware"],
            "SESSION_ENGINE": "django.contrib.sessions.backends.cache",
        }.items():
            with self.subTest(part), override_settings(**{part: value}):
                self.other(expected, part)
        self.other({**expected, "AUTH_USER_MODEL": "tests.UuidUser"}, "AUTH_USER_MODEL")
        self.other({**expected, "SOMETHING_NEWER": 1}, "SOMETHING_NEWER")

    def test_the_gateways_own_middleware_is_no_difference(self):
        expected = {"MIDDLEWARE": ["django.middleware.common.CommonMiddleware"]}
        for place in [0, 1]:
            names = [*expected["MIDDLEWARE"]]
            names.insert(place, apps.MIDDLEWARE)
            with override_settings(MIDDLEWARE=names):
                self.same(expected)

    def test_default_classes(self):
        expected = expectations.seen()
        self.assertEqual(expected["DEFAULT_PERMISSION_CLASSES"], [f"{DRF}AllowAny"])
        with override_settings(REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["tests.urls.Scopes"]}):
            self.other(expected, "DEFAULT_AUTHENTICATION_CLASSES")
        with permissions(f"{DRF}IsAuthenticated"):
            expected = expectations.seen()
            self.same(expected)
        with permissions(f"{DRF}IsAuthenticated", f"{DRF}IsAdminUser"):
            self.other(expected, "DEFAULT_PERMISSION_CLASSES")

    def test_permissions_made_of_others(self):
        """Attack: `&` becomes `|`, in a permission that has no name of its own."""
        with permissions("tests.urls.BOTH"):
            expected = expectations.seen()
            both = f"({DRF}IsAuthenticated & {DRF}IsAdminUser)"
            self.assertEqual(expected["DEFAULT_PERMISSION_CLASSES"], [both])
            self.same(expected)
        with permissions("tests.urls.EITHER"):
            self.other(expected, "DEFAULT_PERMISSION_CLASSES")
        with permissions("tests.urls.NEITHER"):
            neither = f"~({DRF}IsAuthenticated | {DRF}IsAdminUser)"
            self.assertEqual(expectations.seen()["DEFAULT_PERMISSION_CLASSES"], [neither])

    def test_without_django_rest_framework(self):
        with mock.patch.dict("sys.modules", {"rest_framework.settings": None}):
            self.assertNotIn("DEFAULT_PERMISSION_CLASSES", expectations.seen())
