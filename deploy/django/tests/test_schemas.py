"""What schema generators tell clients of the credentials that they may send: behind the gateway the same as before."""

from contextlib import redirect_stderr
from io import StringIO

import yaml
from django.test import Client, override_settings
from django.urls import path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.validation import validate_schema
from drf_spectacular.views import SpectacularAPIView
from drf_yasg import openapi
from drf_yasg.utils import swagger_auto_schema
from drf_yasg.views import get_schema_view
from rest_framework.authentication import (
    BaseAuthentication,
    BasicAuthentication,
    SessionAuthentication,
    TokenAuthentication,
)
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from swagger_spec_validator import validator20

from portcullis_django.authentication import PortcullisAuthentication

from .gateway import SETTINGS, claims, headers, sign
from .test_middleware import GatewayCase


class Ticket(BaseAuthentication):
    """The project's own, which the gateway has as a callout."""

    def authenticate(self, request):
        return None


class TicketScheme(OpenApiAuthenticationExtension):
    target_class = Ticket
    # Two headers, which go together.
    name = ["ticket", "ticketOffice"]

    def get_security_definition(self, auto_schema):
        return [{"type": "apiKey", "in": "header", "name": name} for name in ["X-Ticket", "X-Ticket-Office"]]


class Unknown(BaseAuthentication):
    """One of which no generator has been told."""

    def authenticate(self, request):
        return None


CLASSES = {
    "session": SessionAuthentication,
    "basic": BasicAuthentication,
    "token": TokenAuthentication,
    "jwt": JWTAuthentication,
    "callout": Ticket,
}
# By their paths, as `init` prints them.
PRINTED = {word: f"{native.__module__}.{native.__qualname__}" for word, native in CLASSES.items()}
GATEWAY = {**SETTINGS, "CLASSES": PRINTED, "AUTH": {word: PRINTED[word] for word in ["token", "jwt"]}}


class View(APIView):
    authentication_classes = list(CLASSES.values())
    permission_classes = [IsAuthenticated]
    serializer_class = AuthTokenSerializer
    # drf-spectacular's, where a project has it as `DEFAULT_SCHEMA_CLASS`.
    schema = AutoSchema()

    def get(self, request):
        return Response()

    @swagger_auto_schema(security=[{"Ticket": []}])
    def post(self, request):
        return Response()


def view(*classes, permission=IsAuthenticated):
    return View.as_view(authentication_classes=list(classes), permission_classes=[permission])


def one_of_each(*classes):
    return [
        path("private/", view(*classes)),
        path("office/", view(*classes, permission=IsAdminUser)),
        path("public/", view(*classes, permission=AllowAny)),
        path("reading/", view(*classes, permission=IsAuthenticatedOrReadOnly)),
    ]


urlpatterns = [
    *one_of_each(*CLASSES.values()),
    *[path(f"{word}/", view(native)) for word, native in CLASSES.items()],
    path("anonymous/", view(permission=AllowAny)),
]
# The views and the generators' own before and after `PortcullisAuthentication` has taken the place of all classes.
KINDS = {
    "classes": (urlpatterns, TokenAuthentication),
    "before": (one_of_each(*CLASSES.values()), TokenAuthentication),
    "after": (one_of_each(PortcullisAuthentication), PortcullisAuthentication),
}


def generators(public):
    """Of all views, or of those that the caller may use."""
    info = openapi.Info(title="", default_version="1")
    for kind, (patterns, asked) in KINDS.items():
        served = {"authentication_classes": [asked], "permission_classes": [AllowAny]}
        spectacular = SpectacularAPIView.as_view(patterns=patterns, serve_public=public, **served)
        yasg = get_schema_view(info, public=public, patterns=patterns, **served).without_ui()
        yield path(f"spectacular/{kind}/{public}/", spectacular)
        yield path(f"yasg/{kind}/{public}/", yasg)


class Urls:
    urlpatterns = [*urlpatterns, *generators(True), *generators(False)]


@override_settings(
    ROOT_URLCONF=Urls,
    SWAGGER_SETTINGS={
        "SECURITY_DEFINITIONS": {
            "Basic": {"type": "basic"},
            "Token": {"type": "apiKey", "in": "header", "name": "Authorization"},
            "Ticket": {"type": "apiKey", "in": "header", "name": "X-Ticket"},
        },
    },
)
class SchemaCase(GatewayCase):
    """With one generator, natively and behind the gateway."""

    @classmethod
    def setUpTestData(cls):
        super().setUpTestData()
        Token.objects.create(key="alice", user=cls.alice)

    def natively(self, kind, public=True, known=True):
        environ = {"HTTP_AUTHORIZATION": "Token alice"} if known else {}
        with override_settings(MIDDLEWARE=[], PORTCULLIS={}):
            return self.read(kind, public, environ)

    def behind(self, kind, public=True, known=True, settings=GATEWAY):
        environ = headers("alice", sign(claims("alice", scheme="token"))) if known else headers()
        with override_settings(PORTCULLIS=settings):
            return self.read(kind, public, environ)

    def read(self, kind, public, environ):
        GENERATOR_STATS.reset()
        response = Client().get(f"/{self.generator}/{kind}/{public}/", **environ)
        self.assertEqual(response.status_code, 200)
        return yaml.safe_load(response.content)

    def both(self, before, after):
        """What is told natively and behind the gateway, for each reader."""
        for public in [True, False]:
            for known in [True, False]:
                natively = self.natively(before, public, known)
                self.assertGreater(len(natively["paths"]), 1)
                yield natively, self.behind(after, public, known)


class Spectacular(SchemaCase):
    generator = "spectacular"

    def test_the_projects_own_classes(self):
        for natively, told in self.both("classes", "classes"):
            self.assertEqual(told, natively)

    def test_what_clients_use(self):
        """What is the same could be the same nothing."""
        told = self.behind("classes")
        validate_schema(told)
        schemes = told["components"]["securitySchemes"]
        self.assertEqual(set(schemes), {"cookieAuth", "basicAuth", "tokenAuth", "jwtAuth", "ticket", "ticketOffice"})
        self.assertEqual(schemes["cookieAuth"]["name"], "sessionid")
        self.assertEqual(schemes["jwtAuth"], {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
        for word, security in {
            "session": {"cookieAuth": []},
            "basic": {"basicAuth": []},
            "token": {"tokenAuth": []},
            "jwt": {"jwtAuth": []},
            "callout": {"ticket": [], "ticketOffice": []},
        }.items():
            self.assertEqual(told["paths"][f"/{word}/"]["get"]["security"], [security])

    def test_one_class_for_all(self):
        """`PortcullisAuthentication` in their place, which takes what the gateway does."""
        for natively, told in self.both("before", "after"):
            self.assertFalse(GENERATOR_STATS)
            validate_schema(told)
            for schema in [natively, told]:
                for methods in schema["paths"].values():
                    for operation in methods.values():
                        # Which of them comes first says nothing.
                        operation["security"].sort(key=str)
            self.assertEqual(told, natively)

    def test_named_in_auth_alone(self):
        told = self.behind("after", settings={**SETTINGS, "AUTH": {"token": PRINTED["token"]}})
        self.assertEqual(told["paths"]["/private/"]["get"]["security"], [{"tokenAuth": []}])
        self.assertEqual(told["paths"]["/public/"]["get"]["security"], [{"tokenAuth": []}, {}])

    def test_two_of_one_scheme(self):
        """Both are described by one name."""
        two = [PRINTED["jwt"], f"{JWTStatelessUserAuthentication.__module__}.JWTStatelessUserAuthentication"]
        told = self.behind("after", settings={**SETTINGS, "CLASSES": {"jwt": two}})
        self.assertEqual(told["paths"]["/private/"]["get"]["security"], [{"jwtAuth": []}])

    def test_what_cannot_be_described(self):
        """Nothing is made up, and the generator says so, as it does natively."""
        unknown = {"CLASSES": {"callout": f"{__name__}.Unknown", "basic": PRINTED["basic"]}}
        for more, security, said in [(unknown, [{"basicAuth": []}], "Unknown"), ({}, None, "CLASSES")]:
            with redirect_stderr(StringIO()) as told:
                schema = self.behind("after", settings={**SETTINGS, **more})
            self.assertEqual(schema["paths"]["/private/"]["get"].get("security"), security)
            self.assertIn(said, told.getvalue())


class Yasg(SchemaCase):
    """It describes what `SECURITY_DEFINITIONS` say, and no classes."""

    generator = "yasg"

    def test_the_same(self):
        for before, after in [("classes", "classes"), ("before", "after")]:
            for natively, told in self.both(before, after):
                self.assertEqual(told, natively)

    def test_what_clients_use(self):
        told = self.behind("classes")
        validator20.validate_spec(told)
        self.assertEqual(set(told["securityDefinitions"]), {"Basic", "Token", "Ticket"})
        self.assertEqual(told["security"], [{"Basic": []}, {"Ticket": []}, {"Token": []}])
        self.assertEqual(told["paths"]["/private/"]["post"]["security"], [{"Ticket": []}])
        self.assertNotIn("security", told["paths"]["/private/"]["get"])
