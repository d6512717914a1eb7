"""Which user an identity is."""

import uuid
from unittest import mock

from django.contrib.auth.models import User
from django.test import TestCase, override_settings

from portcullis_django import backend
from portcullis_django.assertion import Caller

from .gateway import SETTINGS, asgi, claims, headers, sign
from .models import PersonUser, TextUser, UuidUser
from .test_middleware import GatewayCase

PATHS = ["/private/", "/public/", "/plain/", "/plain-async/"]


def foreign_user(caller):
    """A project's own rule: people of one identity provider, by their address."""
    known = caller.scheme == "sso" and caller.subject.startswith("idp:")
    return User.objects.filter(email=caller.subject.removeprefix("idp:")).first() if known else None


class Users(GatewayCase):
    def somebody(self, username="alice", path="/plain/", **changes):
        """Whom Django takes this caller for."""
        return self.client.get(path, **headers(username, sign(claims(username, **changes)))).json().get("user")


class Keys(Users):
    def test_a_name_of_another_issuer_that_is_a_users(self):
        """Attack: somebody calls himself `alice` at an identity provider that the gateway believes for other things."""
        for changes in [{"sub": "root-admin"}, {"sub": "alice"}, {"sub": "sso|7", "scheme": "sso"}]:
            for path in PATHS:
                with self.subTest(path, **changes):
                    self.assertIsNone(self.somebody(path=path, user_id=None, **changes))

    def test_a_subject_of_another_issuer_that_is_a_users_key(self):
        """Attack: the identity provider counts its people too, and mallory is its number 1, as alice is the store's."""
        for username in ["alice", "mallory"]:
            for path in PATHS:
                self.assertIsNone(self.somebody(username, path, sub="1", user_id=None))

    def test_a_service_of_a_users_name(self):
        """Attack: somebody who may name services calls one `alice`, and uses its key."""
        for path in PATHS:
            self.assertIsNone(self.somebody(path=path, sub="service:alice", scheme="api_key", user_id=None))

    def test_a_name_that_was_another_users(self):
        """Attack: alice is renamed, mallory takes her name, and an assertion of before is sent again."""
        User.objects.filter(pk=1).update(username="alicia")
        User.objects.create(pk=9, username="alice")
        self.assertEqual(self.somebody("alice"), "alicia")

    def test_a_key_that_is_no_users_or_no_key(self):
        """Attack: whatever is in a key that another kind of store has, it is nobody, and no error."""
        odd = ["1.5", "x", "1;--", "\x00", " ", "é", "None", str(uuid.uuid4())]
        for key in ["999", "-1", "0", "9" * 30, "9" * 5000, *odd]:
            with self.subTest(key):
                self.assertIsNone(self.somebody(user_id=key))

    def test_deleted_since(self):
        User.objects.get(pk=1).delete()
        for path in PATHS:
            self.assertIsNone(self.somebody(path=path))

    def test_inactive(self):
        for path in PATHS:
            self.assertIsNone(self.somebody("bob", path))

    def test_no_backend_is_asked_and_no_user_made(self):
        self.somebody("carol", user_id="77")
        self.assertEqual(User.objects.count(), 4)


class OtherModels(TestCase):
    def find(self, model, key, name="alice", foreign=None):
        with mock.patch.object(backend, "get_user_model", return_value=model):
            return backend.find(Caller(name, "subject", None, key), foreign)

    def test_uuid(self):
        alice = UuidUser.objects.create(name="alice")
        for spelled in [str(alice.pk), alice.pk.hex, str(alice.pk).upper()]:
            self.assertEqual(self.find(UuidUser, spelled), alice)
        for spelled in ["1", "alice", "", str(uuid.uuid4()), str(alice.pk)[:-1]]:
            self.assertIsNone(self.find(UuidUser, spelled))

    def test_text(self):
        """Attack: a key that looks like SQL, a path or another's with something added is that key and no other."""
        alice = TextUser.objects.create(code="a, b/é%", name="alice")
        self.assertEqual(self.find(TextUser, "a, b/é%"), alice)
        for spelled in ["a, b/é", "A, B/É%", "a, b/é% ", "%", "a, b/é%' OR 1=1 --"]:
            self.assertIsNone(self.find(TextUser, spelled))

    def test_a_key_of_another_table(self):
        person = TextUser.objects.create(code="p-1", name="person")
        alice = PersonUser.objects.create(person=person, name="alice")
        self.assertEqual(self.find(PersonUser, "p-1"), alice)
        self.assertIsNone(self.find(PersonUser, "p-2"))

    def test_a_model_without_is_active(self):
        alice = PersonUser.objects.create(person=TextUser.objects.create(code="p-1", name="person"), name="alice")
        request = mock.Mock(spec=["portcullis", "_portcullis_foreign"], portcullis=Caller("alice", "p-1", None, "p-1"))
        with mock.patch.object(backend, "get_user_model", return_value=PersonUser):
            self.assertEqual(backend.gateway_user(request), alice)

    def test_a_name_that_two_have(self):
        """Attack: somebody takes a name that is another's, where the project lets him: then it is neither's."""
        TextUser.objects.create(code="1", name="alice")
        self.assertIsNotNone(self.find(TextUser, None, foreign=backend.by_username))
        TextUser.objects.create(code="2", name="alice")
        self.assertIsNone(self.find(TextUser, None, foreign=backend.by_username))


class ForeignUsers(Users):
    @override_settings(PORTCULLIS={**SETTINGS, "FOREIGN_USERS": "username"})
    def test_by_name(self):
        self.assertEqual(self.somebody(sub="sso|7", user_id=None), "alice")
        for name in ["carol", "bob", "Alice", "1"]:
            self.assertIsNone(self.somebody(name, sub="1", user_id=None))

    @override_settings(PORTCULLIS={**SETTINGS, "FOREIGN_USERS": "username"})
    def test_key_before_name(self):
        """Attack: a deleted user's assertion, whose name somebody else has by now, falls back on the name."""
        self.assertIsNone(self.somebody("alice", user_id="999"))
        self.assertEqual(self.somebody("alice", user_id="2"), "élise")

    @override_settings(PORTCULLIS={**SETTINGS, "FOREIGN_USERS": "username"})
    def test_name_found_only_by_a_lenient_collation(self):
        """Attack: the database finds `alice` for `ALICE`, who is somebody else at the identity provider."""
        with mock.patch.object(User._default_manager, "get", return_value=self.alice):
            self.assertIsNone(self.somebody("ALICE", user_id=None))
            self.assertEqual(self.somebody("alice", user_id=None), "alice")

    @override_settings(PORTCULLIS={**SETTINGS, "FOREIGN_USERS": "tests.test_users.foreign_user"})
    def test_by_the_projects_own_function(self):
        User.objects.filter(pk__in=[1, 4]).update(email="a@example.com")
        User.objects.filter(pk=4).update(email="b@example.com")
        self.assertEqual(self.somebody("a", sub="idp:a@example.com", scheme="sso"), "alice")
        for changes in [
            {"sub": "idp:a@example.com", "scheme": "api_key"},
            {"sub": "idp:b@example.com", "scheme": "sso"},
            {"sub": "idp:c@example.com", "scheme": "sso"},
        ]:
            self.assertIsNone(self.somebody("a", **changes))

    async def test_asynchronously(self):
        for foreign, expected in [(None, None), ("username", "alice")]:
            environ = asgi(headers("alice", sign(claims("alice", user_id=None))))
            with override_settings(PORTCULLIS={**SETTINGS, "FOREIGN_USERS": foreign}):
                client = self.async_client_class()
                for path in ["/public/", "/plain-async/"]:
                    self.assertEqual((await client.get(path, **environ)).json(), {"user": expected})


class HeadersAlone(Users):
    """Without an assertion: whoever connects is believed."""

    def user(self, **environ):
        return self.client.get("/public/", **environ).json()["user"]

    @override_settings(PORTCULLIS={"REQUIRE_ASSERTION": False})
    def test_the_name_decides(self):
        self.assertEqual(self.user(HTTP_REMOTE_USER="alice"), "alice")
        self.assertIsNone(self.user())
        for name in ["1", "carol", "bob", "Alice"]:
            self.assertIsNone(self.user(HTTP_REMOTE_USER=name))
        self.refused(HTTP_REMOTE_USER="alice,bob")
        self.refused(HTTP_REMOTE_USER="")

    @override_settings(PORTCULLIS={"REQUIRE_ASSERTION": False})
    def test_a_header_with_a_key_that_nobody_asked_for(self):
        """Attack: the gateway sends no keys, so that nothing strips the header, and the caller sends another's."""
        self.assertEqual(self.user(HTTP_REMOTE_USER="alice", HTTP_REMOTE_USER_ID="2"), "alice")

    @override_settings(PORTCULLIS={"REQUIRE_ASSERTION": False, "USER_ID_HEADER": "Remote-User-Id"})
    def test_the_key_decides(self):
        """Attack: a service, or another issuer's, that has a user's name."""
        self.assertEqual(self.user(HTTP_REMOTE_USER="whoever", HTTP_REMOTE_USER_ID="1"), "alice")
        for key in ["", "999", "alice", "4"]:
            self.assertIsNone(self.user(HTTP_REMOTE_USER="alice", HTTP_REMOTE_USER_ID=key))
        self.assertIsNone(self.user(HTTP_REMOTE_USER="alice"))
        self.assertIsNone(self.user(HTTP_REMOTE_USER_ID="1"))

    @override_settings(PORTCULLIS={"REQUIRE_ASSERTION": False, "USER_ID_HEADER": "Remote-User-Id"})
    def test_two_keys(self):
        """Attack: a second header of the name, which servers join to the first, or what cannot be decoded."""
        for key in ["1,2", "1, 2", "%", "%00", "\xe9", " 1"]:
            with self.subTest(key):
                self.refused(HTTP_REMOTE_USER="alice", HTTP_REMOTE_USER_ID=key)

    @override_settings(
        PORTCULLIS={"REQUIRE_ASSERTION": False, "USER_ID_HEADER": "Remote-User-Id", "FOREIGN_USERS": "username"}
    )
    def test_the_name_of_who_has_no_key(self):
        self.assertEqual(self.user(HTTP_REMOTE_USER="alice"), "alice")
        self.assertEqual(self.user(HTTP_REMOTE_USER="alice", HTTP_REMOTE_USER_ID="2"), "élise")
        self.assertIsNone(self.user(HTTP_REMOTE_USER="alice", HTTP_REMOTE_USER_ID="999"))

    @override_settings(PORTCULLIS={**SETTINGS, "USER_ID_HEADER": "Remote-User-Id"})
    def test_the_header_means_nothing_beside_an_assertion(self):
        """Attack: a good assertion, and another's key in the header."""
        self.assertEqual(self.user(**headers("alice"), HTTP_REMOTE_USER_ID="2"), "alice")
