"""One view of each kind: Django REST framework's, Django's, and an asynchronous one."""

from django.http import JsonResponse
from django.urls import path
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


def plain(request):
    return JsonResponse({"user": name(request.user)})


async def plain_async(request):
    return JsonResponse({"user": name(await request.auser())})


urlpatterns = [
    path("private/", private),
    path("public/", public),
    path("plain/", plain),
    path("plain-async/", plain_async),
]
