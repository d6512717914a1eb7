"""The API: who is asking."""

from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view()
def whoami(request):
    return Response({"user": request.user.get_username(), "staff": request.user.is_staff})


urlpatterns = [path("", whoami)]
