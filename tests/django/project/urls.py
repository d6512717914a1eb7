"""The same addresses in both modes, so that a test can send one request to either.

Only what the gateway answers itself (`/api-token-auth/`) is missing behind it.
"""

from django.conf import settings
from django.urls import path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.settings import api_settings

from . import views

# The first class decides between 401 and 403, so order is what differs here.
CLASS_LISTS = {
    "basic": [BasicAuthentication],
    "token": [TokenAuthentication],
    "session": [SessionAuthentication],
    "session-token": [SessionAuthentication, TokenAuthentication],
    "token-session": [TokenAuthentication, SessionAuthentication],
    "basic-token": [BasicAuthentication, TokenAuthentication],
    "token-basic": [TokenAuthentication, BasicAuthentication],
    "no-class": [],
}


def class_list_paths(name, classes):
    if settings.GATEWAY and classes:
        classes = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    return [
        path(f"{name}/", views.Me.as_view(authentication_classes=classes)),
        path(f"{name}/public/", views.Me.as_view(authentication_classes=classes, permission_classes=[AllowAny])),
    ]


urlpatterns = [
    path("api/me/", views.Me.as_view()),
    path("api/public/", views.Me.as_view(permission_classes=[AllowAny])),
    path("api/staff/", views.Me.as_view(permission_classes=[IsAdminUser])),
    path("api/echo/", views.Echo.as_view()),
    path("plain/me/", views.plain_me),
    path("plain/async/", views.plain_async),
]
for name, classes in CLASS_LISTS.items():
    urlpatterns += class_list_paths(name, classes)
if not settings.GATEWAY:
    urlpatterns.append(path("api-token-auth/", obtain_auth_token))
