"""What Django does where no gateway does it: authentication classes and the pages that give credentials."""

from django.apps import apps
from django.conf import settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from hawkrest import HawkAuthentication
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from rest_framework_simplejwt.views import (
    TokenBlacklistView,
    TokenObtainPairView,
    TokenObtainSlidingView,
    TokenRefreshSlidingView,
    TokenRefreshView,
    TokenVerifyView,
)

from . import custom, views
from .class_lists import words
from .remote import NamedHeaderAuthentication, RemoteUserHeaderAuthentication


class RealmAuthentication(BasicAuthentication):
    www_authenticate_realm = "Staff only"


class KeywordAuthentication(TokenAuthentication):
    keyword = "Bearer"


CLASSES = {
    "basic": BasicAuthentication,
    "token": TokenAuthentication,
    "session": SessionAuthentication,
    "jwt": JWTAuthentication,
    "stateless": JWTStatelessUserAuthentication,
    "knox": KnoxTokenAuthentication,
    "hawk": HawkAuthentication,
    "realm": RealmAuthentication,
    "keyword": KeywordAuthentication,
    "remote": RemoteUserHeaderAuthentication,
    "forwarded": NamedHeaderAuthentication,
    "custom": custom.CustomAuthentication,
    "challenged": custom.ChallengedAuthentication,
    "other": custom.OtherAuthentication,
}


if apps.is_installed("allauth.account"):
    from . import headless

    CLASSES |= headless.CLASSES


def classes(name):
    """`session-token` is [SessionAuthentication, TokenAuthentication]."""
    return [CLASSES[word] for word in words(name)]


urlpatterns = [
    path("api-token-auth/", views.Obtain.as_view() if settings.SAYS_MORE else obtain_auth_token),
    path("api-auth/", include("rest_framework.urls")),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/verify/", TokenVerifyView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/sliding/", TokenObtainSlidingView.as_view()),
    path("api/sliding/refresh/", TokenRefreshSlidingView.as_view()),
    path("api/auth/", include("knox.urls")),
    path("accounts/password/", views.ChangePassword.as_view()),
    path("custom-service/", csrf_exempt(custom.service)),
    path("other-service/", csrf_exempt(custom.service), {"scheme": custom.OtherAuthentication}),
]
