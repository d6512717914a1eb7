"""One project, two ways of knowing the caller: MODE=native is Django REST framework's own classes,
MODE=gateway believes the gateway. Differential tests compare the two."""

import os
from pathlib import Path

from .database import database
from .given import given

MODE = os.environ.get("MODE", "native")
GATEWAY = MODE == "gateway"

SECRET_KEY = "throwaway-secret-key-for-test-vectors-0123456789"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project.urls"
DATABASES = {"default": database(os.environ["DATABASE_URL"])}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "static/"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "APP_DIRS": True,
        # The log-in page's.
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

# The same in both modes: the tables are.
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
    "rest_framework.authtoken",
    # For its translations.
    "rest_framework_simplejwt",
    "rest_framework_simplejwt.token_blacklist",
    "knox",
]

# hawkrest's, and whose key it is.
HAWK_CREDENTIALS = {
    name: {"id": name, "key": f"{name}-throwaway-key", "algorithm": algorithm}
    for name, algorithm in [("hawk-id", "sha256"), ("hawk-512", "sha512"), ("hawk-sha1", "sha1")]
}
HAWK_USER_LOOKUP = "project.remote.hawk_user"

# Whether the page for tokens is that of DRF's documentation.
SAYS_MORE = False

# allauth's: SECRET_KEY signs.
HEADLESS_JWT_ALGORITHM = "HS256"

# Django's defaults, written out: the gateway must read all five.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]

if GATEWAY:
    MIDDLEWARE = [
        "portcullis_django.middleware.PortcullisMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    AUTHENTICATION_CLASSES = ["portcullis_django.authentication.PortcullisAuthentication"]
    PORTCULLIS = {
        "JWKS_URL": os.environ["PORTCULLIS_JWKS_URL"],
        "ISSUER": "portcullis",
        "AUDIENCE": "django",
        # A callout, and Hawk's keys, name users of this project by their names.
        "FOREIGN_USERS": "username",
        # Tests start one gateway after another, each with a key of its own.
        "COOLDOWN": 1,
    }
else:
    # What `startproject` writes.
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    AUTHENTICATION_CLASSES = [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.BasicAuthentication",
    ]

REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": AUTHENTICATION_CLASSES}

EXTRA = given(os.environ.get("EXTRA_SETTINGS", "{}"))
WITHOUT_APPS = EXTRA.pop("WITHOUT_APPS", [])
INSTALLED_APPS = [name for name in INSTALLED_APPS if name not in WITHOUT_APPS]
if EXTRA.get("USERNAME_FIELD"):
    INSTALLED_APPS.append("project.username_field.UsernameField")
if EXTRA.get("CLOCK"):
    MIDDLEWARE.insert(0, "project.clock.ClockMiddleware")
if EXTRA.pop("CHOOSE_LANGUAGE", False):
    # Where Django's documentation wants it.
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.common.CommonMiddleware"), "django.middleware.locale.LocaleMiddleware"
    )
globals().update(EXTRA)
