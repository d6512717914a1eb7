"""`portcullis_django.test`: a project's own tests."""

import threading
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as DjangoClient
from django.test import TestCase, override_settings
from rest_framework.test import APIClient

from portcullis_django.test import AsyncClient, Client, ThroughGateway

from .gateway import SETTINGS
from .test_classes import NATIVE, TOKEN

FETCHED = {**SETTINGS, "KEYS": None, "JWKS_URL": "http://127.0.0.1:1/"}


@override_settings(PORTCULLIS=FETCHED)
class OwnTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.alice = User.objects.create(username="alice")
        cls.bob = User.objects.create(username="bob", is_active=False)

    def setUp(self):
        self.before = settings.PORTCULLIS
        self.addCleanup(lambda: self.assertIs(settings.PORTCULLIS, self.before))
        self.addCleanup(lambda: self.assertEqual(settings.PORTCULLIS, FETCHED))

    def test_somebody_and_nobody(self):
        for user, expected in [(self.alice, "alice"), (self.bob, None), (None, None)]:
            for path in ["/public/", "/plain/", "/plain-async/"]:
                self.assertEqual(Client(user=user).get(path).json(), {"user": expected})
        self.assertEqual(Client(user=self.alice).post("/private/").json(), {"user": "alice"})
        self.assertEqual(Client().get("/private/").status_code, 403)

    async def test_asynchronously(self):
        for user, expected in [(self.alice, "alice"), (self.bob, None), (None, None)]:
            for path in ["/public/", "/plain-async/"]:
                self.assertEqual((await AsyncClient(user=user).get(path)).json(), {"user": expected})
        response = await AsyncClient(user=self.alice).get("/tells/", headers={"X-More": "more", "Remote-User": "bob"})
        self.assertEqual((response.json()["username"], response.json()["header"]), ("alice", "more"))

    def test_what_the_middleware_finds(self):
        key = str(self.alice.pk)
        told = Client(user=self.alice, scheme="jwt").get("/tells/", headers={"X-More": "more"}).json()
        caller = {"username": "alice", "subject": key, "scheme": "jwt", "user_id": key}
        self.assertEqual(told, {**caller, "settings": FETCHED, "header": "more"})
        told = Client().get("/tells/").json()
        self.assertEqual([told[name] for name in ("username", "subject", "scheme", "user_id")], [None] * 4)

    def test_another_user_later(self):
        client = Client(user=self.alice)
        for user in [self.alice, None, self.alice]:
            client.user = user
            self.assertEqual(client.get("/public/").json(), {"user": user and "alice"})

    def test_odd_names(self):
        for name in ["élise", "a, b", " a ", "100%", "\N{SNOWMAN}", "a\nb"]:
            user = User.objects.create(username=name)
            self.assertEqual(Client(user=user).get("/public/").json(), {"user": name})

    def test_a_view_that_fails(self):
        client = Client(user=self.alice)
        with self.assertRaises(LookupError):
            client.get("/fails/")
        self.assertIs(settings.PORTCULLIS, self.before)
        self.assertEqual(client.get("/public/").json(), {"user": "alice"})

    def test_a_middleware_that_fails(self):
        with override_settings(MIDDLEWARE=["nowhere.Middleware"]), self.assertRaises(ImportError):
            Client().get("/public/")
        self.assertIs(settings.PORTCULLIS, self.before)

    def test_others_do_not_trust_its_key(self):
        """Attack: what this client has signed is sent to the project by other ways."""
        ours = Client(user=self.alice)
        ours.get("/public/")
        with self.assertLogs("portcullis_django"):
            response = DjangoClient().get("/public/", headers=ours.signed())
        self.assertNotEqual(response.status_code, 200)

    def test_other_settings_of_the_project(self):
        for changed in [
            {**SETTINGS, "HEADER": "X-Proof", "JWKS_URL": None},
            {"REQUIRE_ASSERTION": False},
            {"REQUIRE_ASSERTION": False, "USER_ID_HEADER": "Remote-User-Id"},
            {},
        ]:
            with self.subTest(changed), override_settings(PORTCULLIS=changed):
                self.assertEqual(Client(user=self.alice).get("/public/").json(), {"user": "alice"})

    def test_classes(self):
        with override_settings(PORTCULLIS={**FETCHED, "CLASSES": {"token": TOKEN}}):
            for path in NATIVE:
                self.assertEqual(Client(user=self.alice).get(path).json()["user"], "alice")
                self.assertIsNone(Client(user=self.alice, scheme="other").get(path).json()["user"])

    def test_options_of_djangos_client(self):
        client = Client(enforce_csrf_checks=True, user=self.alice, HTTP_X_MORE="more")
        self.assertEqual(client.get("/tells/").json()["header"], "more")
        self.assertTrue(client.handler.enforce_csrf_checks)

    def test_before_another_client(self):
        class Api(ThroughGateway, APIClient):
            pass

        self.assertEqual(Api(user=self.alice).post("/private/", {}, format="json").json(), {"user": "alice"})

    def test_the_settings_are_the_projects_while_a_view_runs(self):
        """Threads of a test's own read them meanwhile."""
        seen, done = [], threading.Event()

        def watch():
            while not done.is_set():
                seen.append(settings.PORTCULLIS is self.before)

        client = Client(user=self.alice)
        client.get("/tells/")
        with ThreadPoolExecutor(1) as watching:
            watching.submit(watch)
            for _ in range(20):
                client.get("/tells/")
            done.set()
        self.assertTrue(all(seen))
