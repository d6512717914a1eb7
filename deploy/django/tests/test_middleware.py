import time
from unittest import mock

from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, TestCase, override_settings

from portcullis_django.middleware import PortcullisMiddleware

from . import gateway
from .gateway import KEY, OTHER_KEY, ROWS, SETTINGS, asgi, claims, headers, sign
from .test_keys import Clock
from .urls import Scopes

FORBIDDEN = b'{"detail":"This service answers only requests that come through its gateway."}'
NOT_PROVIDED = b'{"detail":"Authentication credentials were not provided."}'


@override_settings(PORTCULLIS=SETTINGS)
class GatewayCase(TestCase):
    @classmethod
    def setUpTestData(cls):
        for name, key in ROWS.items():
            User.objects.create(pk=key, username=name, is_active=name != "bob")
        cls.alice = User.objects.get(username="alice")

    def refused(self, path="/public/", method="get", **environ):
        with self.assertLogs("portcullis_django", "WARNING"):
            response = getattr(self.client, method)(path, **environ)
        self.assertEqual((response.status_code, response.content), (403, FORBIDDEN))
        self.assertEqual(response["Content-Type"], "application/json")
        self.assertNotIn("WWW-Authenticate", response)


class Views(GatewayCase):
    def test_named_user(self):
        for path in ["/private/", "/public/", "/plain/", "/plain-async/"]:
            with self.subTest(path):
                response = self.client.get(path, **headers("alice"))
                self.assertEqual((response.status_code, response.json()), (200, {"user": "alice"}))
                self.assertFalse(response.cookies)

    def test_unsafe_method_needs_no_csrf_token(self):
        response = Client(enforce_csrf_checks=True).post("/private/", **headers("alice"))
        self.assertEqual(response.json(), {"user": "alice"})

    def test_names_that_need_encoding(self):
        for sent, name in [("élise".encode().decode("latin-1"), "élise"), ("a%2C b", "a, b")]:
            response = self.client.get("/private/", **headers(sent, sign(claims(name))))
            self.assertEqual(response.json(), {"user": name})

    def test_nobody(self):
        for path in ["/public/", "/plain/", "/plain-async/"]:
            self.assertEqual(self.client.get(path, **headers()).json(), {"user": None})
        response = self.client.get("/private/", **headers())
        self.assertEqual((response.status_code, response.content), (403, NOT_PROVIDED))
        self.assertNotIn("WWW-Authenticate", response)

    def test_user_whom_django_does_not_know_or_want(self):
        for name in ["carol", "bob", "Alice", "alice "]:
            environ = headers(name.replace(" ", "%20"), sign(claims(name)))
            for path in ["/private/", "/plain/"]:
                with self.subTest(name=name, path=path):
                    self.assertNotIn(b"alice", self.client.get(path, **environ).content)
        self.assertEqual(User.objects.count(), 4)

    def test_one_query_and_only_if_somebody_looks(self):
        with self.assertNumQueries(1):
            self.client.get("/private/", **headers("alice"))
        with self.assertNumQueries(0):
            self.client.get("/missing/", **headers("alice"))


@override_settings(PORTCULLIS={**SETTINGS, "AUTH": {"scopes": "tests.urls.Scopes"}})
class RequestAuth(GatewayCase):
    """A view reads `request.auth`, which only the project's own class knows how to make."""

    def get(self, path, scheme, scopes):
        return self.client.get(path, **headers("alice", sign(claims("alice", scheme=scheme)), HTTP_X_SCOPES=scopes))

    def test_is_what_the_class_of_the_scheme_says(self):
        self.assertEqual(self.get("/reads-auth/", "scopes", "alice:read write").json(), {"auth": ["read", "write"]})

    def test_is_none_for_other_schemes(self):
        for scheme in ["basic", None]:
            self.assertEqual(self.get("/reads-auth/", scheme, "alice:read").json(), {"auth": None})
            self.assertEqual(self.get("/has-auth/", scheme, "alice:read").json(), {"none": True})

    def test_nobody_is_asked_unless_a_view_looks(self):
        before = Scopes.asked
        self.assertEqual(self.get("/has-auth/", "scopes", "alice:read").json(), {"none": False})
        self.assertEqual(self.get("/private/", "scopes", "alice:read").json(), {"user": "alice"})
        self.assertEqual(Scopes.asked, before)

    def test_another_caller_s_credential_beside_the_one_that_counted(self):
        """Attack: what the gateway does not look at names somebody with more scopes."""
        for scopes in ["a, b:admin", ""]:
            self.assertEqual(self.get("/reads-auth/", "scopes", scopes).status_code, 403)


class AsyncViews(GatewayCase):
    async def test_named_user(self):
        for path in ["/private/", "/plain-async/"]:
            response = await self.async_client.get(path, **asgi(headers("alice")))
            self.assertEqual((response.status_code, response.json()), (200, {"user": "alice"}))

    async def test_direct_call(self):
        for environ in [{}, {"HTTP_REMOTE_USER": "alice"}]:
            with self.assertLogs("portcullis_django", "WARNING"):
                response = await self.async_client.get("/plain-async/", **asgi(environ))
            self.assertEqual((response.status_code, response.content), (403, FORBIDDEN))

    async def test_keys_are_fetched(self):
        fetched = {**SETTINGS, "KEYS": None, "JWKS_URL": "http://127.0.0.1:1/"}
        body = b'{"keys":[%s]}' % gateway.json.dumps(gateway.jwk()).encode()
        with override_settings(PORTCULLIS=fetched), mock.patch("portcullis_django.keys.download", return_value=body):
            response = await self.async_client.get("/private/", **asgi(headers("alice")))
        self.assertEqual(response.json(), {"user": "alice"})


@override_settings(PORTCULLIS={**SETTINGS, "KEYS": None, "JWKS_URL": "http://127.0.0.1:1/"})
class KeyWithdrawn(GatewayCase):
    """A stolen key is withdrawn, and only assertions of it that are known come in, for hours."""

    def setUp(self):
        self.clock = Clock(self)
        download = mock.patch("portcullis_django.keys.download")
        self.download = download.start()
        self.addCleanup(download.stop)
        self.serve(KEY)
        self.known = headers("alice", sign(claims("alice", exp=int(time.time()) + 7200)))

    def serve(self, key):
        self.download.return_value = gateway.json.dumps({"keys": [gateway.jwk(key)]}).encode()

    def test_keys_are_still_refreshed(self):
        for _ in range(3):
            self.assertEqual(self.client.get("/private/", **self.known).json(), {"user": "alice"})
        self.assertEqual(self.download.call_count, 1)
        self.serve(OTHER_KEY)
        self.clock.now += 601
        self.refused(**self.known)

    async def test_keys_are_still_refreshed_asynchronously(self):
        for _ in range(3):
            response = await self.async_client.get("/private/", **asgi(self.known))
            self.assertEqual(response.json(), {"user": "alice"})
        self.assertEqual(self.download.call_count, 1)
        self.serve(OTHER_KEY)
        self.clock.now += 601
        with self.assertLogs("portcullis_django", "WARNING"):
            response = await self.async_client.get("/private/", **asgi(self.known))
        self.assertEqual(response.status_code, 403)


class DirectCalls(GatewayCase):
    """Somebody reaches the service around the gateway."""

    def test_no_assertion(self):
        self.refused()
        self.refused("/missing/")
        self.refused("/plain/")
        self.refused(HTTP_REMOTE_USER="alice")
        self.refused(HTTP_PORTCULLIS_ASSERTION="", HTTP_REMOTE_USER="alice")
        for method in ["post", "put", "delete", "options", "head", "patch"]:
            with self.subTest(method), self.assertLogs("portcullis_django", "WARNING"):
                self.assertEqual(getattr(self.client, method)("/public/").status_code, 403)

    def test_wrong_assertion(self):
        for token in [
            sign(claims("alice"), key=OTHER_KEY),
            sign(claims("alice", aud="other")),
            sign(claims("alice", exp=int(time.time()) - 60)),
            gateway.sign_hs256(claims("alice"), gateway.public_bytes(gateway.KEY)),
            gateway.parts({**gateway.HEADER, "alg": "none"}, claims("alice")) + ".",
        ]:
            self.refused(**headers("alice", token))

    def test_username_that_the_assertion_does_not_name(self):
        alice = sign(claims("alice"))
        for name in [
            "bob",
            "Alice",
            "",
            "alice,",
            "alice,bob",
            "alice,alice",
            "bob,alice",
            " alice",
            "alice%00",
            "\xe9",
        ]:
            with self.subTest(name):
                self.refused(**headers("alice", alice, HTTP_REMOTE_USER=name))

    def test_another_username_beside_a_known_assertion(self):
        """An assertion that was verified a moment ago comes again, beside somebody else's name or none."""
        alice, nobody = headers("alice"), headers()
        for _ in range(2):
            self.assertEqual(self.client.get("/private/", **alice).json(), {"user": "alice"})
            self.assertEqual(self.client.get("/public/", **nobody).json(), {"user": None})
            for name in ["élise", "Alice", "alice,bob", ""]:
                self.refused(**{**alice, "HTTP_REMOTE_USER": name})
            self.refused(HTTP_PORTCULLIS_ASSERTION=alice["HTTP_PORTCULLIS_ASSERTION"])
            self.refused(**nobody, HTTP_REMOTE_USER="alice")

    def test_username_left_out_or_added(self):
        self.refused(HTTP_PORTCULLIS_ASSERTION=sign(claims("alice")))
        self.refused(**headers("alice", sign(claims())))
        self.refused(**headers(None, HTTP_REMOTE_USER=""))

    def test_server_variable_and_other_spellings_mean_nothing(self):
        response = self.client.get(
            "/public/", **headers(), REMOTE_USER="alice", HTTP_HTTP_REMOTE_USER="alice", HTTP_X_REMOTE_USER="alice"
        )
        self.assertEqual(response.json(), {"user": None})


class Asynchronous:
    async def authenticate(self, request):
        return None


AN_INSTANCE = Scopes()


class Configuration(GatewayCase):
    def start(self, **changes):
        with override_settings(PORTCULLIS={**SETTINGS, **changes}):
            return PortcullisMiddleware(lambda request: None)

    def test_wrong_settings_stop_the_server(self):
        for changes in [
            {"KEYS": None},
            {"KEYS": []},
            {"KEYS": [gateway.jwk(d="AAAA")]},
            {"KEYS": [{"kty": "RSA"}]},
            {"JWKS_URL": "http://127.0.0.1/"},
            {"KEYS": None, "JWKS_URL": "file:///etc/passwd"},
            {"ISSUER": None},
            {"ISSUER": ""},
            {"AUDIENCE": None},
            {"AUDIENCE": ["django"]},
            {"REQURE_ASSERTION": True},
            {"AUTH": {"token": "tests.urls.Nobody"}},
            {"AUTH": ["token"]},
            {"AUTH": {"token": "os.path.join"}},
            {"AUTH": {"scopes": "tests.urls.Scopes"}, "REQUIRE_ASSERTION": False},
            {"CLASSES": {"token": "tests.urls.Nobody"}},
            {"CLASSES": {"token": "tests.urls.private"}},
            {"CLASSES": {"token": "tests.test_middleware.Asynchronous"}},
            {"CLASSES": {"scopes": "tests.test_middleware.AN_INSTANCE"}},
            {"CLASSES": {"scopes": "tests.urls.Scopes"}, "REQUIRE_ASSERTION": False},
            {"FOREIGN_USERS": "name"},
            {"FOREIGN_USERS": True},
            {"FOREIGN_USERS": "tests.gateway.ROWS"},
            {"FOREIGN_USERS": "tests.urls.plain_async"},
            {"EXPECTS": {"SESSION_ENGINE": "another"}},
        ]:
            with self.subTest(changes), self.assertRaises(ImproperlyConfigured):
                self.start(**changes)

    def test_nothing_configured_stops_the_server(self):
        with override_settings(), self.assertRaises(ImproperlyConfigured):
            from django.conf import settings

            del settings.PORTCULLIS
            PortcullisMiddleware(lambda request: None)

    def test_class_without_middleware_is_an_error_and_no_open_door(self):
        with override_settings(MIDDLEWARE=[]), self.assertRaises(ImproperlyConfigured):
            self.client.get("/public/", HTTP_REMOTE_USER="alice")

    def test_backends_are_not_asked(self):
        """Attack: one of the project's backends creates a user for every name."""
        backends = ["django.contrib.auth.backends.RemoteUserBackend"]
        with override_settings(AUTHENTICATION_BACKENDS=backends):
            self.assertEqual(self.client.get("/private/", **headers("carol")).status_code, 403)
            self.assertEqual(self.client.get("/private/", **headers("alice")).status_code, 200)
        self.assertFalse(User.objects.filter(username="carol").exists())

    @override_settings(PORTCULLIS={**SETTINGS, "HEADER": "X-Proof"})
    def test_other_header_name(self):
        self.refused(**headers("alice"))
        response = self.client.get("/private/", HTTP_REMOTE_USER="alice", HTTP_X_PROOF=sign(claims("alice")))
        self.assertEqual(response.json(), {"user": "alice"})

    @override_settings(PORTCULLIS={**SETTINGS, "SET_USER": False})
    def test_request_user_can_be_left_alone(self):
        with self.assertRaisesMessage(AttributeError, "user"):
            self.client.get("/plain/", **headers("alice"))
        self.assertEqual(self.client.get("/private/", **headers("alice")).json(), {"user": "alice"})

    @override_settings(PORTCULLIS={**SETTINGS, "KEYS": None, "JWKS_URL": "http://127.0.0.1:1/"})
    def test_unreachable_keys_are_an_outage_and_no_verdict(self):
        with self.assertLogs("portcullis_django", "WARNING"):
            response = self.client.get("/public/", **headers("alice"))
        self.assertEqual(response.status_code, 503)
        self.refused()
