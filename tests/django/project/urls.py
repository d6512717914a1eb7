"""The same addresses in both modes, so that a test can send one request to either.

Only what the gateway answers itself (pages that take passwords or make tokens) is missing behind it.
"""

from django.conf import settings
from django.urls import path
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated, IsAuthenticatedOrReadOnly
from rest_framework.settings import api_settings

from . import failing, views
from .class_lists import CLASS_LISTS, HEADLESS_LISTS

# Of `ScopedRateThrottle`; which rates they have, a test says.
SCOPES = ["day", "hour", "0-s", "0-sec", "0-second", "0-m", "none", "1-x", "abc", "1-30s", "negative", "missing"]


PERMISSIONS = {
    "": IsAuthenticated,
    "public/": AllowAny,
    "read/": IsAuthenticatedOrReadOnly,
    "staff/": IsAdminUser,
}


def class_list_paths(name, classes):
    for place, permission in PERMISSIONS.items():
        yield path(
            name + "/" + place, views.Me.as_view(authentication_classes=classes, permission_classes=[permission])
        )
    # Where the gateway lets everybody in, and the project has more to say.
    public = f"{name}/public/"
    yield path(public + "raises/<what>/", failing.Raises.as_view(authentication_classes=classes))
    yield path(public + "auth/", views.Credential.as_view(authentication_classes=classes))
    yield path(public + "reads/", failing.Reads.as_view(authentication_classes=classes))
    for place, permission in [("", failing.Never), ("words/", failing.InWords), ("object/", failing.InAnObject)]:
        view = failing.Refuses.as_view(authentication_classes=classes, permission_classes=[permission])
        yield path(public + "refuses/" + place, view)


urlpatterns = [
    path("api/me/", views.Me.as_view()),
    path("api/public/", views.Me.as_view(permission_classes=[AllowAny])),
    path("api/staff/", views.Me.as_view(permission_classes=[IsAdminUser])),
    path("api/echo/", views.Echo.as_view()),
    path("plain/me/", views.plain_me),
    path("plain/told/", views.plain_told),
    path("plain/form/", views.plain_form),
    path("plain/async/", views.plain_async),
    *(path(f"scoped/{scope}/", views.Scoped.as_view(throttle_scope=scope)) for scope in SCOPES),
    path("scoped/day/too/", views.Scoped.as_view(throttle_scope="day")),
]
if settings.GATEWAY:
    for name in CLASS_LISTS + HEADLESS_LISTS:
        classes = [] if name == "no-class" else api_settings.DEFAULT_AUTHENTICATION_CLASSES
        urlpatterns += class_list_paths(name, classes)
else:
    from . import native

    for name in CLASS_LISTS + (HEADLESS_LISTS if "headless" in native.CLASSES else []):
        urlpatterns += class_list_paths(name, native.classes(name))
    urlpatterns += native.urlpatterns
