"""`CLASSES`: the project's own views and classes, and the gateway's user where it has judged in place of one."""

from django.contrib.auth.models import User
from django.test import Client, override_settings
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.test import APIRequestFactory

from . import urls
from .gateway import ROWS, SETTINGS, asgi, claims, headers, sign
from .test_middleware import GatewayCase

TOKEN = "rest_framework.authentication.TokenAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"
MIDDLEWARE = [
    "portcullis_django.middleware.PortcullisMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
NATIVE = ["/class/", "/function/", "/viewset/", "/argument/", "/decorated/", "/blocks-first/", "/session-first/"]
STRICTER = ["/stricter/", "/stricter-function/", "/stricter-viewset/", "/stricter-decorated/"]


def sent(username="alice", scheme="token", token=None, **environ):
    """The gateway has let this caller in by this scheme. `token` is whose token Django sees, which is nobody's unless
    it has to be: so an answer for somebody is by the gateway's word."""
    if token:
        environ["HTTP_AUTHORIZATION"] = f"Token {token}"
    return headers(username, sign(claims(username, scheme=scheme)), **environ)


class ClassesCase(GatewayCase):
    @classmethod
    def setUpTestData(cls):
        super().setUpTestData()
        for name, key in ROWS.items():
            Token.objects.create(key=name.replace("é", "e"), user_id=key)

    def user(self, path, *arguments, **environ):
        response = self.client.get(path, **sent(*arguments, **environ))
        return response.json()["user"] if response.status_code == 200 else response.status_code


@override_settings(PORTCULLIS={**SETTINGS, "CLASSES": {"token": TOKEN}})
class InPlaceOfAClass(ClassesCase):
    def test_views_that_name_it(self):
        for path in NATIVE:
            with self.subTest(path):
                self.assertEqual(self.user(path), "alice")

    async def test_asynchronously(self):
        for path in NATIVE:
            response = await self.async_client.get(path, **asgi(sent()))
            with self.subTest(path):
                self.assertEqual(response.json()["user"], "alice")

    def test_the_gateways_word_and_not_a_second_judgement(self):
        """Attack: what Django would read is another's credential than what the gateway has looked at."""
        for path in NATIVE:
            self.assertEqual(self.user(path, token="elise"), "alice")

    def test_stricter_subclasses(self):
        """Attack: a good token, as the gateway says, and a view that asks for more than a token."""
        for path in [*STRICTER, "/no-revoked/"]:
            for token in [None, "alice"]:
                with self.subTest(path, token=token):
                    self.assertEqual(self.user(path, token=token), 401 if path != "/no-revoked/" or token else None)
        for path in STRICTER:
            self.assertEqual(self.user(path, token="alice", HTTP_X_OFFICE="yes"), "alice")
            self.assertIsNone(self.user(path, HTTP_X_OFFICE="yes"))

    async def test_stricter_subclasses_asynchronously(self):
        for path in STRICTER:
            response = await self.async_client.get(path, **asgi(sent(token="alice")))
            self.assertEqual(response.status_code, 401)

    def test_a_subclass_that_asks_nothing_more(self):
        """It is not the class all the same, and nobody has said what it is for."""
        self.assertIsNone(self.user("/only-called/"))
        self.assertEqual(self.user("/only-called/", token="alice"), "alice")

    def test_a_stricter_class_before_it(self):
        """Attack: a view names a class that turns callers away, and the gateway's class behind it."""
        self.assertEqual(self.user("/blocks-first/", HTTP_X_BLOCKED="yes"), 403)
        self.assertEqual(self.user("/stricter-first/", token="alice"), 401)
        self.assertEqual(self.user("/stricter-first/", HTTP_X_OFFICE="yes"), "alice")
        told = self.client.get("/stricter-first/", **sent(token="alice", HTTP_X_OFFICE="yes")).json()
        self.assertEqual((told["user"], told["by"]), ("alice", "FromTheOffice"))

    def test_no_classes(self):
        """Attack: a view that wants to know nobody, such as one that tells what an anonymous caller may see."""
        for token in [None, "alice"]:
            self.assertIsNone(self.user("/nobody/", token=token))

    def test_another_class(self):
        """Attack: a view for another kind of credential, at which the gateway has let a token in."""
        for path in ["/scopes/", "/session/"]:
            self.assertIsNone(self.user(path, token="alice"))
        self.assertEqual(self.user("/scopes/", HTTP_X_SCOPES="élise:read"), "élise")

    def test_another_scheme(self):
        """Attack: the gateway has let somebody in by another scheme than the view's class is for."""
        for scheme in ["basic", "Token", None]:
            for path in NATIVE:
                self.assertIsNone(self.user(path, scheme=scheme))
                self.assertEqual(self.user(path, scheme=scheme, token="elise"), "élise")

    def test_a_method_of_the_views_own(self):
        """Attack: the view asks one class or another, or one that it has prepared, so nothing can be said of it."""
        self.assertIsNone(self.user("/chooses/"))
        self.assertEqual(self.user("/chooses/", token="alice"), "alice")
        self.assertEqual(self.client.post("/chooses/", **sent(token="alice")).status_code, 401)
        self.assertIsNone(self.user("/prepares/", token="alice"))
        self.assertEqual(self.user("/prepares/", HTTP_AUTHORIZATION="Service alice"), "alice")

    def test_a_view_that_calls_a_stricter_one(self):
        """Attack: the first view's class lets in whom the second view's would not."""
        self.assertEqual(self.user("/passes/", token="alice"), 401)
        self.assertIsNone(self.user("/passes/", HTTP_X_OFFICE="yes"))
        self.assertEqual(self.user("/passes/", token="alice", HTTP_X_OFFICE="yes"), "alice")

    def test_who_is_no_user_for_the_gateway(self):
        """Attack: no row, a deleted one, or an inactive one: then the project judges, as it did before."""
        for changes in [{"user_id": None}, {"user_id": "999"}, {"user_id": "4"}]:
            environ = headers("alice", sign(claims("alice", scheme="token", **changes)))
            for path in NATIVE:
                self.assertIsNone(self.client.get(path, **environ).json()["user"])
                bob = self.client.get(path, **environ, HTTP_AUTHORIZATION="Token bob")
                self.assertEqual(bob.json(), {"detail": "User inactive or deleted."})

    def test_nobody(self):
        for path in NATIVE:
            self.assertIsNone(self.client.get(path, **headers()).json()["user"])
            response = self.client.get(path, **headers(), HTTP_AUTHORIZATION="Token wrong")
            self.assertEqual(response.json(), {"detail": "Invalid token."})
        response = self.client.get("/class/", **headers(), HTTP_AUTHORIZATION="Token")
        self.assertEqual((response.status_code, response["WWW-Authenticate"]), (401, "Token"))

    def test_the_class_that_the_view_sees(self):
        for path in NATIVE:
            self.assertEqual(self.client.get(path, **sent()).json()["by"], "TokenAuthentication")

    def test_unsafe_methods(self):
        response = Client(enforce_csrf_checks=True).post("/class/", **sent())
        self.assertEqual(response.json()["user"], "alice")

    def test_one_query(self):
        with self.assertNumQueries(1):
            self.user("/session-first/")

    def test_around_the_gateway(self):
        """Attack: the class is asked where no request came through the middleware, so it asks nobody but itself."""
        for token, user in [("alice", "alice"), (None, None)]:
            environ = {"HTTP_AUTHORIZATION": f"Token {token}"} if token else {}
            request = APIRequestFactory().get("/class/", HTTP_REMOTE_USER="élise", **environ)
            self.assertEqual(urls.views["class/"](request).data["user"], user)
        with override_settings(MIDDLEWARE=[]):
            self.assertIsNone(Client().get("/class/", **sent()).json()["user"])
        self.refused("/class/", HTTP_REMOTE_USER="alice", HTTP_AUTHORIZATION="Token alice")

    def test_asked_outside_of_a_view(self):
        """Attack: a middleware or a view of another kind asks the class by hand: it has to look by itself."""
        request = APIRequestFactory().get("/", HTTP_AUTHORIZATION="Token elise")
        request.portcullis, request._portcullis_classes = object(), {}
        self.assertEqual(TokenAuthentication().authenticate(request)[0].username, "élise")

    def test_without_classes_it_is_as_it_was(self):
        """The class is changed for the process, and other settings must not feel it."""
        self.assertEqual(self.user("/class/"), "alice")
        with override_settings(PORTCULLIS=SETTINGS):
            self.client = Client()
            self.assertIsNone(self.user("/class/"))
            self.assertEqual(self.user("/class/", token="elise"), "élise")

    def test_request_user_is_left_to_the_project(self):
        """Attack: a plain view, or a class for sessions, takes whoever any scheme let in."""
        with self.assertRaisesMessage(AttributeError, "user"):
            self.client.get("/plain/", **sent())
        self.assertIsNone(self.user("/session/"))
        with override_settings(PORTCULLIS={**SETTINGS, "CLASSES": {"token": TOKEN}, "SET_USER": True}):
            self.client = Client()
            self.assertEqual(self.user("/plain/"), "alice")


@override_settings(PORTCULLIS={**SETTINGS, "CLASSES": {"token": TOKEN}, "AUTH": {"token": TOKEN}})
class RequestAuth(ClassesCase):
    def auth(self, path, **environ):
        response = self.client.get(path, **sent(**environ))
        return response.json()["auth"] if response.status_code == 200 else response.status_code

    def test_is_the_projects_own(self):
        for path in NATIVE:
            self.assertEqual(self.auth(path, token="alice"), "alice")

    def test_of_another(self):
        """Attack: the credential that Django sees is another's, who may more, or nobody's."""
        for path in NATIVE:
            for token in ["elise", "bob", "wrong", None]:
                self.assertIn(self.auth(path, token=token), [401, 403])

    async def test_asynchronously(self):
        response = await self.async_client.get("/class/", **asgi(sent(token="alice")))
        self.assertEqual(response.json(), {"user": "alice", "by": "TokenAuthentication", "auth": "alice"})
        response = await self.async_client.get("/class/", **asgi(sent(token="elise")))
        self.assertEqual(response.status_code, 401)


@override_settings(PORTCULLIS={**SETTINGS, "CLASSES": {"token": TOKEN, "session": SESSION}}, MIDDLEWARE=MIDDLEWARE)
class Sessions(ClassesCase):
    """A project that keeps Django's sessions."""

    def setUp(self):
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(User.objects.get(username="élise"))

    def test_of_its_own(self):
        """The gateway has checked the session, and the CSRF token too."""
        self.assertEqual(self.user("/session/", scheme="session"), "alice")
        response = self.client.post("/session/", **sent(scheme="session"))
        self.assertEqual(response.json()["user"], "alice")

    def test_another_scheme_at_a_view_for_sessions(self):
        """Attack: a token, beside a session cookie of somebody else: the view knows sessions, and judges that one."""
        self.assertEqual(self.user("/session/"), "élise")
        self.assertEqual(self.client.post("/session/", **sent()).status_code, 403)

    def test_another_class_of_the_view_that_the_gateway_knows(self):
        """Attack: a session cookie beside a token, to act for one and be counted as the other."""
        self.assertEqual(self.user("/session-first/"), "alice")
        self.assertEqual(self.client.post("/session-first/", **sent()).json()["user"], "alice")
        self.assertEqual(self.user("/session-first/", scheme="session", token="bob"), "alice")

    def test_a_scheme_that_the_view_does_not_know(self):
        self.assertEqual(self.user("/session-first/", scheme="basic"), "élise")

    def test_plain_views_keep_their_sessions(self):
        self.assertEqual(self.user("/plain/"), "élise")
