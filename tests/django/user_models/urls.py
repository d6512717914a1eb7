"""The same addresses on both sides; behind the gateway, its own pages answer for some of them."""

from django.contrib.auth import get_user_model
from django.urls import include, path
from knox.views import LoginView
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView, TokenVerifyView

from . import views

urlpatterns = [
    path("api/me/", views.Me.as_view()),
    path("api/public/", views.Public.as_view()),
    path("plain/me/", views.plain_me),
    path("api-token-auth/", obtain_auth_token),
    path("api-auth/", include("rest_framework.urls")),
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/verify/", TokenVerifyView.as_view()),
    path("api/auth/login/", LoginView.as_view()),
]
# Where no user can be staff, no project asks for it.
if hasattr(get_user_model(), "is_staff"):
    urlpatterns.append(path("api/staff/", views.Staff.as_view()))
