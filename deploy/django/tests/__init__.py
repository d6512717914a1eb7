"""A throw-away Django project for these tests: `python -m unittest discover -s tests -t .`, in the folder above."""

import django
from django.conf import settings
from django.db import connection
from django.test.utils import setup_test_environment

settings.configure(
    SECRET_KEY="throwaway",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="tests.urls",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        "portcullis_django",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "rest_framework",
        "rest_framework.authtoken",
        "drf_spectacular",
        "drf_yasg",
        "tests",
    ],
    MIDDLEWARE=["portcullis_django.middleware.PortcullisMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["portcullis_django.authentication.PortcullisAuthentication"],
    },
)
django.setup()
setup_test_environment()
connection.creation.create_test_db(verbosity=0)
