"""What `portcullis init --django` learns from a project: the one in tests/django, and two made here."""

import json
import subprocess
import sys
import tempfile
import textwrap
import unittest
from pathlib import Path

from clients.gateway import BINARY

TESTS = Path(__file__).parent.parent

MANAGE = """
    import os, sys

    def main():
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
        from django.core.management import execute_from_command_line
        sys.exit(execute_from_command_line(sys.argv))

    if __name__ == "__main__":
        main()
"""

SETTINGS = """
    from datetime import timedelta

    print("a project that prints")
    SECRET_KEY = "hidden-secret-key-that-nobody-guesses"
    SECRET_KEY_FALLBACKS = ["hidden-older-key-that-nobody-guesses"]
    ROOT_URLCONF = "shop.urls"
    AUTH_USER_MODEL = "shop.Member"
    USE_TZ = True
    INSTALLED_APPS = [
        "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "django.contrib.messages", "rest_framework", "rest_framework.authtoken", "knox", "shop",
        "rest_framework_simplejwt.token_blacklist",
    ]
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop", "PASSWORD": "hidden-password",
        "HOST": "db", "PORT": 5433, "OPTIONS": {"sslmode": "require", "sslpassword": "hidden-ssl"},
    }}
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.locale.LocaleMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "shop.middleware.Tenant",
    ]
    TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
    AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "shop.backends.LDAP"]
    PASSWORD_HASHERS = [
        "shop.hashers.Slow",
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "shop.hashers.Own",
    ]
    SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    SESSION_COOKIE_AGE = 3600
    LOGIN_URL = "rest_framework:login"
    LOGIN_REDIRECT_URL = "nowhere"
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "shop.api.Bearer", "shop.api.Own", "rest_framework_simplejwt.authentication.JWTAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated", "shop.api.IsOwner"],
        "DEFAULT_THROTTLE_CLASSES": ["shop.api.Burst", "shop.api.ByTenant"],
        "DEFAULT_THROTTLE_RATES": {"burst": "60/min", "uploads": "20/day"},
        "NUM_PROXIES": 1,
    }
    SIMPLE_JWT = {
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=7), "SIGNING_KEY": "hidden-signing-key-that-nobody-guesses",
        "TOKEN_REFRESH_SERIALIZER": "shop.api.Refresh", "USER_AUTHENTICATION_RULE": "shop.api.rule",
    }
    REST_KNOX = {"TOKEN_TTL": None, "AUTO_REFRESH": True}
"""

MODELS = """
    import uuid
    from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
    from django.db import models

    class Member(AbstractBaseUser):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        email = models.EmailField(unique=True)
        USERNAME_FIELD = "email"
        objects = BaseUserManager()
"""

HASHERS = """
    from django.contrib.auth.hashers import BasePasswordHasher, PBKDF2PasswordHasher

    class Slow(PBKDF2PasswordHasher):
        iterations = 5_000_000

    class Own(BasePasswordHasher):
        algorithm = "own"
"""

API = """
    from rest_framework.authentication import SessionAuthentication, TokenAuthentication
    from rest_framework.permissions import BasePermission
    from rest_framework.throttling import SimpleRateThrottle, UserRateThrottle

    rule = lambda user: True

    class Bearer(TokenAuthentication):
        keyword = "Bearer"

    class Own(TokenAuthentication):
        def authenticate(self, request):
            return request.build_absolute_uri() and None

    class NoCsrf(SessionAuthentication):
        def enforce_csrf(self, request):
            return

    class IsOwner(BasePermission):
        pass

    class Burst(UserRateThrottle):
        scope = "burst"

    class ByTenant(SimpleRateThrottle):
        scope = "uploads"
"""

MIDDLEWARE = """
    class Tenant:
        def __init__(self, get_response):
            self.get_response = get_response

        def __call__(self, request):
            request.tenant = "shop"
            return self.get_response(request)
"""

VIEWS = """
    from django.contrib.auth.mixins import LoginRequiredMixin
    from django.views import View
    from knox.views import LoginView
    from rest_framework.authentication import BasicAuthentication
    from rest_framework.authtoken.views import ObtainAuthToken
    from rest_framework.decorators import action, api_view
    from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticatedOrReadOnly
    from rest_framework.throttling import ScopedRateThrottle
    from rest_framework.viewsets import ViewSet
    from .api import NoCsrf

    class Items(ViewSet):
        permission_classes = [IsAdminUser | IsAuthenticatedOrReadOnly & ~AllowAny]

        def list(self, request): ...
        def retrieve(self, request, pk): ...

        @action(detail=False, methods=["post"], permission_classes=[], authentication_classes=[NoCsrf])
        def open(self, request): ...

    class Upload(ViewSet):
        throttle_classes = [ScopedRateThrottle]
        throttle_scope = "uploads"

        def create(self, request): ...
        def get_permissions(self):
            return []

    class BasicLogin(LoginView):
        authentication_classes = [BasicAuthentication]

    class OtherToken(ObtainAuthToken):
        def post(self, request): ...

    class Page(LoginRequiredMixin, View):
        def get(self, request): ...

    def function(request): ...

    @api_view(["GET"])
    def decorated(request): ...
"""

URLS = """
    from django.contrib import admin
    from django.contrib.auth.views import LoginView
    from django.urls import include, path, re_path
    from knox.views import LogoutView
    from rest_framework.authtoken.views import obtain_auth_token
    from rest_framework.routers import DefaultRouter
    from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView
    from . import views

    router = DefaultRouter()
    router.register("items", views.Items, basename="items")
    router.register("uploads", views.Upload, basename="uploads")
    tenant = [path("page/", views.Page.as_view()), re_path(r"^old\\.html$", views.function)]
    urlpatterns = [
        path("admin/", admin.site.urls),
        path("api/", include(router.urls)),
        path("api-auth/", include("rest_framework.urls")),
        path("accounts/login/", LoginView.as_view(template_name="shop/login.html")),
        path("token/", obtain_auth_token),
        path("token/other/", views.OtherToken.as_view()),
        path("jwt/", TokenObtainPairView.as_view()),
        path("jwt/refresh/", TokenRefreshView.as_view()),
        path("knox/login/", views.BasicLogin.as_view()),
        path("knox/logout/", LogoutView.as_view()),
        path("t/<slug:tenant>/", include(tenant)),
        path("<slug:tenant>/", include(tenant)),
        re_path(r"^media/", views.function),
        re_path(r"^reports/(?:draft|final)/$", views.decorated),
    ]
"""

SHOP = {
    "manage.py": MANAGE,
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/models.py": MODELS,
    "shop/hashers.py": HASHERS,
    "shop/api.py": API,
    "shop/views.py": VIEWS,
    "shop/middleware.py": MIDDLEWARE,
    "shop/urls.py": URLS,
}

ADDRESSES_ONLY = """
    import os, sys
    from django.core.management import ManagementUtility

    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "config"))
    ManagementUtility(sys.argv).execute()
"""


def learn(manage, **environment):
    """The script's answer, as `init` gets it: the gateway's binary gives the script its tables."""
    command = [BINARY, "init", "--print-answer", "--django", manage, "--python", sys.executable]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/")


def project(folder, files):
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return folder / "manage.py"


def sentences(told):
    """Each note as one text: its group, what is said, and what it is true of."""
    return [": ".join([note["group"], note["text"], *note["about"]]) for note in told["notes"]]


class Ours(unittest.TestCase):
    """The project whose behaviour the gateway is measured against."""

    @classmethod
    def setUpClass(cls):
        run = learn(TESTS / "django/manage.py", DATABASE_URL="sqlite:///there/is/no/file.sqlite3", MODE="native")
        assert run.returncode == 0, run.stderr
        cls.told = json.loads(run.stdout)

    def test_database(self):
        self.assertEqual(self.told["settings_module"], "project.settings")
        self.assertEqual(self.told["database"]["vendor"], "sqlite")
        self.assertEqual(self.told["database"]["name"], "/there/is/no/file.sqlite3")

    def test_passwords_as_django_has_them(self):
        passwords = self.told["passwords"]
        self.assertEqual((passwords["preferred"], passwords["iterations"]), ("pbkdf2_sha256", 1_000_000))
        self.assertEqual(passwords["accept"], ["pbkdf2_sha256", "pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"])

    def test_classes(self):
        classes = [entry["gateway"] for entry in self.told["rest_framework"]["authentication"]]
        self.assertEqual(classes, ["session", "token", "basic"])
        self.assertEqual(self.told["rest_framework"]["permission"]["gateway"], "anyone")

    def test_what_a_view_says_for_itself(self):
        me = next(url for url in self.told["urls"] if url["path"] == "=/api/me/")
        self.assertEqual(me["permission"]["gateway"], "authenticated")
        self.assertEqual(me["methods"], ["GET", "HEAD", "OPTIONS", "POST"])
        self.assertNotIn("authentication", me)


class Shop(unittest.TestCase):
    """A project with something of everything."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            run = learn(project(Path(folder), SHOP))
        assert run.returncode == 0, run.stderr
        cls.output, cls.told = run.stdout, json.loads(run.stdout)
        cls.notes = sentences(cls.told)
        cls.urls = {url["pattern"]: url for url in cls.told["urls"]}

    def noted(self, *words):
        """In one note, of which each is said once."""
        found = [note for note in self.notes if all(word in note for word in words)]
        self.assertEqual(len(found), 1, f"{words} in {self.notes}")

    def test_no_secret_is_told(self):
        self.assertNotIn("hidden", self.output)
        self.assertEqual(self.told["secret_key"], {"short": False, "short_fallbacks": [False]})
        self.assertEqual(self.told["packages"]["SIMPLE_JWT"]["SIGNING_KEY"], {"set": True, "is_secret_key": False, "fault": None})
        self.assertTrue(self.told["database"]["password_set"])

    def test_database(self):
        database = self.told["database"]
        self.assertEqual((database["vendor"], database["host"], database["port"]), ("postgresql", "db", "5433"))
        self.assertEqual(database["options"], {"sslmode": "require"})
        self.noted("information", "Database options", "sslpassword")

    def test_user_model(self):
        user = self.told["user"]
        self.assertEqual((user["model"], user["table"]), ("shop.Member", "shop_member"))
        email = {"field": "email", "column": "email", "type": "text", "collates": False}
        self.assertEqual(user["username"], email)
        self.assertEqual((user["pk"], user["key_field"]), ({"column": "id", "type": "uuid"}, "id"))
        self.assertEqual((user["columns"]["last_login"], user["columns"]["is_staff"]), ("last_login", None))
        self.assertEqual((user["groups"], user["permissions"]), (None, None))
        self.assertEqual((user["readable"], user["own"]), (True, []))
        # Every user of AbstractBaseUser is active, and what the model has not needs no word.
        self.assertFalse([note for note in self.notes if "is_active" in note or "shop.Member" in note])

    def test_passwords(self):
        self.assertEqual(self.told["passwords"], {
            "preferred": "pbkdf2_sha256", "accept": ["pbkdf2_sha256", "md5"], "iterations": 5_000_000, "rows": False,
        })  # fmt: skip
        self.noted("Passwords are judged by the project", "shop.hashers.Own")

    def test_settings(self):
        settings = self.told["settings"]
        self.assertEqual((settings["SESSION_COOKIE_AGE"], settings["CSRF_COOKIE_NAME"]), (3600, "csrftoken"))
        self.assertEqual((settings["LOGIN_URL"], settings["LOGIN_REDIRECT_URL"]), ("/api-auth/login/", None))
        for words in [
            ["Passwords are judged by the project", "shop.backends.LDAP"], ["information", "shop.middleware.Tenant"],
            ["information", "LOGIN_REDIRECT_URL"],
        ]:  # fmt: skip
            self.noted(*words)

    def test_authentication(self):
        classes = [entry["gateway"] for entry in self.told["rest_framework"]["authentication"]]
        self.assertEqual(classes, [{"token": {"keyword": "Bearer"}}, None, "jwt"])
        self.noted("differs", "left to the project whole", "shop.api.Own (it is the project's own)")

    def test_permission_and_rates(self):
        told = self.told["rest_framework"]
        self.assertEqual(told["permission"]["gateway"], "authenticated")
        self.noted("information", "Permissions", "shop.api.IsOwner")
        self.assertEqual([entry["gateway"] for entry in told["throttle"]], [{"user": "60/min"}, None])
        self.noted("information", "Throttles", "shop.api.ByTenant")
        self.assertEqual(told["num_proxies"], 1)

    def test_package_settings(self):
        jwt, knox = self.told["packages"]["SIMPLE_JWT"], self.told["packages"]["REST_KNOX"]
        self.assertEqual((jwt["ACCESS_TOKEN_LIFETIME"], jwt["REFRESH_TOKEN_LIFETIME"]), (420, 86400))
        self.noted("USER_AUTHENTICATION_RULE", "shop.api.rule")
        self.assertEqual((knox["TOKEN_TTL"], knox["AUTO_REFRESH"]), (None, True))
        self.assertIn("token_blacklist", self.told["installed"])

    def test_pages_of_packages(self):
        """None that takes a password: LDAP has a say in those. Knox's log-in asks whatever chain it has."""
        pages = {pattern: url["endpoint"] for pattern, url in self.urls.items() if url["endpoint"]}
        self.assertEqual(pages, {
            "api-auth/logout/": {"session": {"page": "logout"}},
            "knox/login/": {"knox": {"page": "login"}},
            "knox/logout/": {"knox": {"page": "logout"}},
        })  # fmt: skip
        basic = self.urls["knox/login/"]["authentication"][0]["gateway"]
        self.assertEqual(basic, {"upstream": {"keywords": ["Basic"], "challenge": 'Basic realm="api"'}})
        self.assertEqual((self.urls["admin/"]["kind"], self.urls["admin/"]["path"]), ("admin", "/admin/"))
        self.noted(
            "Pages stay the project's", "shop.views.OtherToken", "TokenRefreshView (its serializer is shop.api.Refresh)",
            "LoginView (its template is shop/login.html)", "ObtainAuthToken (the project judges passwords)",
        )  # fmt: skip

    def test_paths(self):
        paths = {pattern: url["path"] for pattern, url in self.urls.items()}
        for pattern, path in {
            "api/^items/$": "=/api/items/",
            "api/^items/(?P<pk>[^/.]+)/$": "=/api/items/{pk:label}/",
            # A format suffix is a part of a segment, which routes do not tell.
            "api/^items\\.(?P<format>[a-z0-9]+)/?$": "/api/",
            "t/<slug:tenant>/page/": "=/t/{tenant:slug}/page/",
            "<slug:tenant>/page/": "=/{tenant:slug}/page/",
            "<slug:tenant>/^old\\.html$": "=/{tenant:slug}/old.html",
            "^media/": "/media/",
            "^reports/(?:draft|final)/$": "/reports/",
        }.items():
            self.assertEqual(paths[pattern], path, pattern)

    def test_viewsets(self):
        items, opened = self.urls["api/^items/$"], self.urls["api/^items/open/$"]
        self.assertEqual((items["view"], items["methods"]), ("shop.views.Items", ["GET", "HEAD", "OPTIONS"]))
        self.assertEqual(items["permission"]["gateway"], {
            "any": ["staff", {"all": ["authenticated_or_read_only", {"not": "anyone"}]}],
        })  # fmt: skip
        self.assertEqual((opened["methods"], opened["permission"]["gateway"]), (["OPTIONS", "POST"], "anyone"))
        self.assertEqual(opened["authentication"], [
            {"class": "shop.api.NoCsrf", "base": None, "gateway": None, "asks_more": False},
        ])  # fmt: skip

    def test_scope_of_a_view(self):
        uploads = self.urls["api/^uploads/$"]
        self.assertEqual(uploads["throttle"][0]["gateway"], {"scope": {"name": "uploads", "rate": "20/day"}})
        # `get_permissions` is asked, and lets everybody in.
        self.assertEqual(uploads["permission"], {"classes": [], "gateway": "anyone"})

    def test_views_without_rest_framework(self):
        page, function = self.urls["t/<slug:tenant>/page/"], self.urls["^media/"]
        self.assertEqual((page["kind"], page["view"]), ("django", "shop.views.Page"))
        self.assertEqual((function["view"], function["methods"]), ("shop.views.function", None))
        self.assertEqual(self.urls["^reports/(?:draft|final)/$"]["view"], "shop.views.decorated")


OWN_SETTINGS = """
    SECRET_KEY = "hidden-key-that-nobody-guesses-0123456789"
    ROOT_URLCONF = "addresses"
    AUTH_USER_MODEL = "people.Person"
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "people"]
"""
OWN_MODELS = """
    import uuid
    from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
    from django.db import models

    class Person(AbstractBaseUser, PermissionsMixin):
        uid = models.UUIDField(primary_key=True, default=uuid.uuid4, db_column="person_uid")
        handle = models.CharField(max_length=50, unique=True)
        email = models.EmailField(db_column="mail")
        is_active = models.BooleanField(default=True)
        USERNAME_FIELD = "handle"
        objects = BaseUserManager()

        class Meta:
            db_table = "persons"

        @property
        def is_staff(self):
            return self.handle == "root"
"""


class OwnUsers(unittest.TestCase):
    """A user model with a key, a table and columns of its own is carried."""

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            manage = project(Path(folder), {
                "manage.py": ADDRESSES_ONLY, "config/settings.py": OWN_SETTINGS,
                "config/addresses.py": "urlpatterns = []", "people/__init__.py": "", "people/models.py": OWN_MODELS,
            })  # fmt: skip
            migrate = [sys.executable, manage, "migrate", "--run-syncdb", "--verbosity=0"]
            subprocess.run(migrate, check=True, env={}, cwd=folder)
            init = [BINARY, "init", "--django", manage, "--python", sys.executable]
            cls.done = subprocess.run(init, capture_output=True, text=True, env={}, cwd=folder)
            assert cls.done.returncode == 0, cls.done.stderr
            cls.text = Path(folder, "gateway.yaml").read_text()
            own = {"DJANGO_SECRET_KEY": "hidden-key-that-nobody-guesses-0123456789"}
            cls.check = subprocess.run([BINARY, "check"], capture_output=True, text=True, env=own, cwd=folder)

    def test_the_file_names_all_of_it(self):
        written = """
            user_model:
              name: people.Person
              table: "persons"
              key_column: "person_uid"
              key_field: "uid"
              key: uuid
              columns: { email: "mail", first_name: null, last_name: null, is_staff: null, date_joined: null }
            username_field: handle
        """
        self.assertIn(textwrap.indent(textwrap.dedent(written), "  ").strip(" "), self.text)

    def test_the_file_is_good(self):
        self.assertEqual(self.check.returncode, 0, self.check.stderr)

    def test_what_a_model_computes_is_noted(self):
        noted = """
            What the project goes on deciding, and what differs:
              - people.Person has no columns for what the gateway takes to be empty or false:
                  is_staff
        """
        noted = textwrap.indent(textwrap.dedent(noted).strip(), "# ")
        self.assertIn(noted + "\n", self.text)
        self.assertEqual(self.text.count("people.Person has"), 1)


class Bare(unittest.TestCase):
    """Django alone, and what can be wrong with a project."""

    def learn(self, files):
        with tempfile.TemporaryDirectory() as folder:
            return learn(project(Path(folder), files))

    def test_without_rest_framework(self):
        settings = """
            SECRET_KEY = "hidden"
            ROOT_URLCONF = "addresses"
            DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
            INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
        """
        run = self.learn({
            "manage.py": ADDRESSES_ONLY, "config/settings.py": settings, "config/addresses.py": "urlpatterns = []",
        })  # fmt: skip
        self.assertEqual(run.returncode, 0, run.stderr)
        told = json.loads(run.stdout)
        self.assertEqual((told["rest_framework"], told["urls"]), (None, []))
        self.assertEqual((told["packages"]["SIMPLE_JWT"], told["packages"]["REST_KNOX"]), (None, None))
        self.assertTrue(Path(told["database"]["name"]).is_absolute())
        self.assertEqual(told["notes"], [])

    def test_a_project_that_does_not_load(self):
        run = self.learn({"manage.py": ADDRESSES_ONLY, "config/settings.py": "import nonsuch"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("No module named 'nonsuch'", run.stderr)

    def test_a_file_that_is_no_manage_py(self):
        run = self.learn({"manage.py": "pass"})
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn("sets no DJANGO_SETTINGS_MODULE", run.stderr)


if __name__ == "__main__":
    unittest.main()
