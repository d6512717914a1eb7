"""One view of each kind: Django REST framework's, Django's, and an asynchronous one."""

from django.contrib.auth.models import User
from django.http import JsonResponse
from django.urls import path
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response


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


urlpatterns = [
    path("private/", private),
    path("public/", public),
    path("reads-auth/", reads_auth),
    path("has-auth/", has_auth),
    path("plain/", plain),
    path("plain-async/", plain_async),
]
