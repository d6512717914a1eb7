"""Views that tell who the caller is: as the project has it, and as the gateway says, or natively would have to say."""

from django.conf import settings
from django.contrib.auth.models import Group
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BasicAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser
from rest_framework.response import Response
from rest_framework.views import APIView

BEHIND = hasattr(settings, "PORTCULLIS")


def describe(request):
    user = request.user
    return {
        "user": user.get_username() or None,
        "id": None if user.pk is None else str(user.pk),
        "authenticated": user.is_authenticated,
        "auth": request.auth.__class__.__name__ if getattr(request, "auth", None) else None,
    }


def told(request):
    """What the headers of the gateway say of the caller."""
    if BEHIND:
        return said(request)
    user = request.user
    if not user.is_authenticated or is_left(request):
        return {}
    return {name: value for name, value in known(user).items() if value}


def is_left(request):
    """Whether the gateway would not know the caller, since it leaves such credentials to the project."""
    if "all" in settings.LEFT:
        return True
    if "sessions" in settings.LEFT and settings.SESSION_COOKIE_NAME in request.COOKIES:
        return True
    return "passwords" in settings.LEFT and isinstance(request.successful_authenticator, BasicAuthentication)


def known(user):
    groups = getattr(user, "groups", None)
    names = [getattr(user, name, None) for name in ("first_name", "last_name")]
    return {
        "user": str(user.get_username()),
        "email": getattr(user, "email", None),
        "name": " ".join(filter(None, names)),
        # Groups of the project's own are not Django's.
        "groups": sorted(group.name for group in groups.all()) if groups and groups.model is Group else None,
        "subject": str(user.pk),
    }


def said(request):
    from portcullis_django.identity import decode_groups, decode_identity

    told = {}
    for name, header in [("user", "HTTP_REMOTE_USER"), ("email", "HTTP_REMOTE_EMAIL"), ("name", "HTTP_REMOTE_NAME")]:
        if header in request.META:
            told[name] = decode_identity(request.META[header])
    if "HTTP_REMOTE_GROUPS" in request.META:
        told["groups"] = sorted(decode_groups(request.META["HTTP_REMOTE_GROUPS"]))
    if request.portcullis.subject:
        told["subject"] = request.portcullis.subject
    return told


class Me(APIView):
    def get(self, request):
        return Response(describe(request) | {"told": told(request)})

    post = get


class Public(Me):
    permission_classes = [AllowAny]


class Staff(Me):
    permission_classes = [IsAdminUser]


@csrf_exempt
def plain_me(request):
    """A view without Django REST framework."""
    return JsonResponse(describe(request))
