"""A scheme of a project's own: what becomes of a request stands in its header. And the same as a service, which is how
the gateway has it."""

from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied, Throttled


class CustomAuthentication(BaseAuthentication):
    def authenticate(self, request):
        said = request.headers.get("X-Custom", "none")
        if said in RAISED:
            raise RAISED[said]()
        if said == "none":
            return None
        return User.objects.get(username=said), "custom"


class ChallengedAuthentication(CustomAuthentication):
    def authenticate_header(self, request):
        return 'Custom realm="x"'


RAISED = {
    "fail": AuthenticationFailed,
    "text": lambda: AuthenticationFailed("custom message", "custom_code"),
    "empty": lambda: AuthenticationFailed(""),
    "1024": lambda: AuthenticationFailed("x" * 1024),
    "1025": lambda: AuthenticationFailed("x" * 1025),
    "dict": lambda: AuthenticationFailed({"a": "b", "c": ["d"]}),
    "dict-with-detail": lambda: AuthenticationFailed({"detail": "custom message", "code": "custom_code"}),
    "list": lambda: AuthenticationFailed(["a", "b"]),
    "nobody": NotAuthenticated,
    "denied": PermissionDenied,
    "throttled": lambda: Throttled(3.2),
    "error": ValueError,
}


def service(request):
    """Who the class says it is, or 204, or its refusal; what it does not foresee is an error here too."""
    try:
        answer = CustomAuthentication().authenticate(request)
    except (AuthenticationFailed, NotAuthenticated, PermissionDenied, Throttled) as refusal:
        body = refusal.detail if isinstance(refusal.detail, (dict, list)) else {"detail": refusal.detail}
        return JsonResponse(body, status=refusal.status_code, safe=False)
    if answer is None:
        return HttpResponse(status=204)
    user, _ = answer
    return JsonResponse({"username": user.username, "id": user.pk, "staff": user.is_staff})
