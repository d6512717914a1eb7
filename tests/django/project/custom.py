"""A scheme of a project's own: what becomes of a request stands in its header. And the same as a service, which is how
the gateway has it."""

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ParseError,
    PermissionDenied,
    Throttled,
    ValidationError,
)
from rest_framework.renderers import JSONRenderer
from rest_framework.views import exception_handler


class CustomAuthentication(BaseAuthentication):
    header = "X-Custom"

    def authenticate(self, request):
        said = request.headers.get(self.header, "none")
        if said in RAISED:
            raise RAISED[said]()
        if said == "none":
            return None
        if said == "nameless":
            return None, "custom"
        return User.objects.get(username=said), "custom"


class ChallengedAuthentication(CustomAuthentication):
    def authenticate_header(self, request):
        return 'Custom realm="x"'


class OtherAuthentication(CustomAuthentication):
    """A second one, for lists that have both."""

    header = "X-Other"

    def authenticate_header(self, request):
        return 'Other realm="y"'


class Down(APIException):
    status_code = 503
    default_detail = "The directory is down."


RAISED = {
    "fail": AuthenticationFailed,
    "text": lambda: AuthenticationFailed("custom message", "custom_code"),
    "empty": lambda: AuthenticationFailed(""),
    "1024": lambda: AuthenticationFailed("x" * 1024),
    "1025": lambda: AuthenticationFailed("x" * 1025),
    "beyond-ascii": lambda: AuthenticationFailed('é 日本 <"\\> \u2028'),
    "dict": lambda: AuthenticationFailed({"a": "b", "c": ["d"]}),
    "dict-with-code": lambda: AuthenticationFailed({"a": "b"}, "custom_code"),
    "dict-with-detail": lambda: AuthenticationFailed({"detail": "custom message", "code": "custom_code"}),
    "dict-with-detail-last": lambda: AuthenticationFailed({"code": "custom_code", "detail": "custom message"}),
    "dict-in-detail": lambda: AuthenticationFailed({"detail": {"a": "b"}}),
    "dict-of-values": lambda: AuthenticationFailed({"n": 1, "t": True, "z": None, "d": {"l": [1.5, []]}}),
    "dict-empty": lambda: AuthenticationFailed({}),
    "list": lambda: AuthenticationFailed(["a", "b"]),
    "list-empty": lambda: AuthenticationFailed([]),
    "list-of-1024": lambda: AuthenticationFailed(["x" * 1020]),
    "list-of-1025": lambda: AuthenticationFailed(["x" * 1021]),
    "nobody": NotAuthenticated,
    "nobody-text": lambda: NotAuthenticated("custom message"),
    "denied": PermissionDenied,
    "denied-text": lambda: PermissionDenied("custom message"),
    "denied-dict": lambda: PermissionDenied({"a": "b"}),
    "denied-by-django": lambda: DjangoPermissionDenied("nope"),
    "throttled": lambda: Throttled(3.2),
    "throttled-for-one": lambda: Throttled(1),
    "throttled-text": lambda: Throttled(3.2, "custom message"),
    "throttled-for-ever": Throttled,
    "down": Down,
    "api-error": APIException,
    "not-found": Http404,
    "invalid": lambda: ValidationError({"field": ["custom message"]}),
    "unreadable": lambda: ParseError("custom message"),
    "error": ValueError,
}


def service(request, scheme=CustomAuthentication):
    """Who the class says it is, or 204, or what DRF answers when the class raises, which it does not foresee all."""
    try:
        answer = scheme().authenticate(request)
    except Exception as raised:
        answer = exception_handler(raised, {})
        if answer is None:
            raise
        headers = {"Retry-After": answer["Retry-After"]} if "Retry-After" in answer else {}
        body = JSONRenderer().render(answer.data)
        return HttpResponse(body, status=answer.status_code, content_type="application/json", headers=headers)
    if answer is None:
        return HttpResponse(status=204)
    user, _ = answer
    if user is None:
        return JsonResponse({"username": None})
    return JsonResponse({"username": user.username, "id": user.pk, "staff": user.is_staff})
