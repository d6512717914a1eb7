"""One small project for each shape of a user model. Behind the gateway it has the lines that `init` has printed."""

import os
from pathlib import Path

from project.database import database

SHAPE = os.environ["SHAPE"]
# What the gateway leaves to the project, for which nobody is told who the caller is.
LEFT = os.environ["LEFT"].split()
AUTH_USER_MODEL = "user_models.Member"

SECRET_KEY = "throwaway-secret-key-for-test-vectors-0123456789"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "user_models.urls"
# Connections are kept: tests ask for rows between any two requests.
DATABASES = {"default": {**database(os.environ["DATABASE_URL"]), "CONN_MAX_AGE": None}}
if SHAPE == "routed":
    DATABASES = {"default": {}, "people": DATABASES["default"]}
    DATABASE_ROUTERS = ["user_models.routed.Router"]
if SHAPE == "schema":
    DATABASES["default"]["OPTIONS"] = {"options": "-c search_path=accounts,public"}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
LOGIN_REDIRECT_URL = "/api/me/"
# Few rounds, so that tests are quick.
PASSWORD_HASHERS = ["project.hashers.QuickPBKDF2PasswordHasher"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent.parent / "project/templates"],
        "APP_DIRS": True,
        # The log-in page's.
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "rest_framework.authtoken",
    "rest_framework_simplejwt.token_blacklist",
    "knox",
    "user_models",
]
# All tables are made at once, in the shape of the day.
MIGRATION_MODULES = {
    name: None for name in ["auth", "contenttypes", "sessions", "authtoken", "token_blacklist", "knox"]
}
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "knox.auth.TokenAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Knox"}
SIMPLE_JWT = {"USER_ID_FIELD": os.environ["USER_ID_FIELD"]}

if lines := os.environ.get("PRINTED_LINES"):
    exec(Path(lines).read_text())
