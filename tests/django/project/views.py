"""Views that tell what reached them."""

from django.contrib.auth import update_session_auth_hash
from django.http import JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authtoken.models import Token
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


def describe(user):
    if user is None:
        # A class of the project's own has found credentials, and nobody whose they are.
        return {"user": None, "id": None, "authenticated": False}
    return {
        "user": user.get_username() or None,
        "id": user.pk,
        "authenticated": user.is_authenticated,
    }


class Me(APIView):
    """Who the caller is."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response(describe(request.user))

    def post(self, request):
        return Response(describe(request.user))


class Obtain(ObtainAuthToken):
    """`CustomAuthToken` of DRF's documentation."""

    def post(self, request, *args, **kwargs):
        serializer = self.serializer_class(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        user = serializer.validated_data["user"]
        token, created = Token.objects.get_or_create(user=user)
        more = {"user_id": user.pk, "email": user.email, "name": user.get_full_name(), "staff": user.is_staff}
        return Response({"token": token.key, **more})


class Credential(APIView):
    """What the view finds in `request.auth`."""

    permission_classes = [AllowAny]

    def get(self, request):
        auth = request.auth
        # Rows have an owner, and random keys.
        what = auth and (getattr(auth, "user", None) or auth)
        return Response(describe(request.user) | {"auth": auth and [auth.__class__.__qualname__, str(what)]})


class Scoped(Me):
    """Counted in a scope, which its address names."""

    permission_classes = [AllowAny]
    throttle_scope = None


class ChangePassword(APIView):
    """What Django's own view does: this session goes on, the user's others end."""

    permission_classes = [IsAuthenticated]

    def post(self, request):
        request.user.set_password(request.data["password"])
        request.user.save()
        update_session_auth_hash(request, request.user)
        return Response(describe(request.user))


class Echo(APIView):
    """The request as Django received it."""

    permission_classes = [AllowAny]

    def get(self, request):
        meta = request.META
        return Response(
            {
                "method": request.method,
                "path": request.path,
                "query": meta.get("QUERY_STRING", ""),
                "script_name": meta.get("SCRIPT_NAME", ""),
                "remote_user": meta.get("REMOTE_USER"),
                "content_type": meta.get("CONTENT_TYPE"),
                "body_length": len(request.body),
                "headers": {name: value for name, value in meta.items() if name.startswith("HTTP_")},
            }
        )

    post = put = patch = delete = get


@csrf_exempt
def plain_me(request):
    """A view without Django REST framework."""
    return JsonResponse(describe(request.user))


def plain_told(request):
    """The same, and whom the gateway has told of, who may have no row."""
    return JsonResponse(describe(request.user) | {"told": request.portcullis.username})


def plain_form(request):
    """The same under Django's CSRF middleware, where there is one."""
    return JsonResponse(describe(request.user))


@csrf_exempt
async def plain_async(request):
    return JsonResponse(describe(await request.auser()))
