"""Views that refuse or fail by themselves, after authentication: behind the gateway, all of it is the upstream's."""

from django.contrib.auth.models import User
from django.core.exceptions import SuspiciousOperation
from django.http import Http404
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import (
    AuthenticationFailed,
    NotAuthenticated,
    PermissionDenied,
    Throttled,
    ValidationError,
)
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

RAISED = {
    "not-found": Http404,
    "not-authenticated": NotAuthenticated,
    "failed": lambda: AuthenticationFailed("custom message"),
    "denied": lambda: PermissionDenied("custom message"),
    "throttled": lambda: Throttled(1),
    "invalid": lambda: ValidationError({"field": ["custom message"]}),
    "invalid-as-a-whole": lambda: ValidationError({"non_field_errors": ["custom message"]}),
    "suspicious": lambda: SuspiciousOperation("custom message"),
    "error": ValueError,
}


class Raises(APIView):
    permission_classes = [AllowAny]

    def get(self, request, what):
        if what == "no-user":
            get_object_or_404(User, pk=99)
        raise RAISED[what]()

    post = get


class Reads(APIView):
    """Its body is parsed when it is asked for, and not before."""

    permission_classes = [AllowAny]

    def get(self, request):
        return Response({})

    def post(self, request):
        return Response({"data": request.data})


class Never(BasePermission):
    def has_permission(self, request, view):
        return False


class InWords(Never):
    message = "Not on a Sunday."


class InAnObject(Never):
    message = {"reason": "Not on a Sunday.", "until": ["Monday"]}


class Refuses(APIView):
    """A permission that the gateway knows nothing of."""

    permission_classes = [Never]

    def get(self, request):
        return Response()

    post = get
