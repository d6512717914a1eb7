"""One view of each kind: Django REST framework's, Django's, and an asynchronous one."""

from django.conf import settings
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.cache import never_cache
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet


def name(user):
    return user.get_username() if user.is_authenticated else None


@api_view(["GET", "POST"])
@permission_classes([IsAuthenticated])
def private(request):
    return Response({"user": name(request.user)})


@api_view(["GET"])
@permission_classes([AllowAny])
def public(request):
    return Response({"user": name(request.user)})


class Scopes(BaseAuthentication):
    """A class of a project's own, whose `request.auth` views read."""

    asked = 0

    def authenticate(self, request):
        Scopes.asked += 1
        name, _, scopes = request.META.get("HTTP_X_SCOPES", "").partition(":")
        return (User.objects.get(username=name), scopes.split()) if name else None


@api_view(["GET"])
def reads_auth(request):
    return Response({"auth": request.auth and list(request.auth)})


@api_view(["GET"])
def has_auth(request):
    return Response({"none": request.auth is None})


def plain(request):
    return JsonResponse({"user": name(request.user)})


async def plain_async(request):
    return JsonResponse({"user": name(await request.auser())})


# --- views that name the project's own classes ------------------------------------------------------


class FromTheOffice(TokenAuthentication):
    """A token opens nothing from elsewhere."""

    def authenticate(self, request):
        if request.META.get("HTTP_X_OFFICE") != "yes":
            raise AuthenticationFailed("not from the office")
        return super().authenticate(request)


class NoRevoked(TokenAuthentication):
    """Asks more of the token, where the base lets it."""

    def authenticate_credentials(self, key):
        raise AuthenticationFailed("revoked")


class OnlyCalled(TokenAuthentication):
    """Nothing more, and yet not the class that `CLASSES` names."""


class Blocks(BaseAuthentication):
    """Named before another class, to turn some away."""

    def authenticate(self, request):
        if "HTTP_X_BLOCKED" in request.META:
            raise AuthenticationFailed("blocked")


class Me(APIView):
    authentication_classes = [TokenAuthentication]

    def get(self, request):
        by = type(request.successful_authenticator).__name__ if request.successful_authenticator else None
        return Response({"user": name(request.user), "by": by, "auth": getattr(request.auth, "key", None)})

    post = get


class Several(ViewSet):
    authentication_classes = (TokenAuthentication,)
    list = Me.get


class Chooses(Me):
    def get_authenticators(self):
        return [FromTheOffice() if self.request.method == "POST" else TokenAuthentication()]


class Prepares(Me):
    def get_authenticators(self):
        token = TokenAuthentication()
        token.keyword = "Service"
        return [token]


class Passes(Me):
    """Lets another view answer."""

    def get(self, request):
        return views["stricter/"](request._request)


@api_view(["GET"])
@authentication_classes([TokenAuthentication])
def function(request):
    return Me.get(None, request)


@api_view(["GET"])
@authentication_classes([FromTheOffice])
def strict_function(request):
    return Me.get(None, request)


def with_classes(*classes):
    return Me.as_view(authentication_classes=list(classes))


views = {
    "class/": Me.as_view(),
    "function/": function,
    "viewset/": Several.as_view({"get": "list"}),
    "argument/": with_classes(TokenAuthentication),
    "decorated/": never_cache(Me.as_view()),
    "blocks-first/": with_classes(Blocks, TokenAuthentication),
    "session-first/": with_classes(SessionAuthentication, TokenAuthentication),
    "stricter/": with_classes(FromTheOffice),
    "stricter-function/": strict_function,
    "stricter-first/": with_classes(FromTheOffice, TokenAuthentication),
    "stricter-viewset/": Several.as_view({"get": "list"}, authentication_classes=[FromTheOffice]),
    "stricter-decorated/": never_cache(with_classes(FromTheOffice)),
    "no-revoked/": with_classes(NoRevoked),
    "only-called/": with_classes(OnlyCalled),
    "nobody/": with_classes(),
    "scopes/": with_classes(Scopes),
    "session/": with_classes(SessionAuthentication),
    "chooses/": Chooses.as_view(),
    "prepares/": Prepares.as_view(),
    "passes/": Passes.as_view(),
}

# --- for tests of single things ---------------------------------------------------------------------

BOTH = IsAuthenticated & IsAdminUser
EITHER = IsAuthenticated | IsAdminUser
NEITHER = ~EITHER


def fails(request):
    raise LookupError


def tells(request):
    """What the middleware has found, and the project's settings meanwhile."""
    told = vars(request.portcullis)
    return JsonResponse({**told, "settings": settings.PORTCULLIS, "header": request.headers.get("X-More")})


urlpatterns = [
    path("private/", private),
    path("public/", public),
    path("reads-auth/", reads_auth),
    path("has-auth/", has_auth),
    path("plain/", plain),
    path("plain-async/", plain_async),
    path("fails/", fails),
    path("tells/", tells),
    *[path(where, view) for where, view in views.items()],
]
