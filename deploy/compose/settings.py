"""A Django project that leaves authentication to the gateway; deploy/django says why each line."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
# The gateway sends the client's own `Host`.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
# Where it is and the password: PGHOST, PGUSER and PGPASSWORD.
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"]}}
USE_TZ = True

INSTALLED_APPS = [
    "portcullis_django",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework",
    "rest_framework.authtoken",
]
MIDDLEWARE = ["portcullis_django.middleware.PortcullisMiddleware"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["portcullis_django.authentication.PortcullisAuthentication"]}
PORTCULLIS = {
    "JWKS_URL": os.environ["PORTCULLIS_JWKS_URL"],
    "ISSUER": "portcullis",
    "AUDIENCE": "api",
}
