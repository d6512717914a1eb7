"""From a live Django project to a protected one: `init`, the lines that it prints, and no client notices."""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from clients.gateway import BINARY, free_port
from clients.servers import ENVIRONMENT, Server, gunicorn, portcullis, with_package
from clients.test_django_settings import MANAGE, project

PASSWORD = "correct horse"
# Such as `startproject` makes, and not kind to YAML, to templates or to a shell.
SECRET_KEY = "django-insecure-#a: '${b}\"&*!@{x}%20"
# Nor this one to an address.
DATABASE_PASSWORD = "p@ss/w:rd?#%41"

SETTINGS = """
    import os
    from datetime import timedelta
    from pathlib import Path

    SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
    ALLOWED_HOSTS = ["127.0.0.1", "shop.test"]
    ROOT_URLCONF = "shop.urls"
    DATABASES = {"default": {
        "ENGINE": "django.db.backends.postgresql" if "DATABASE_HOST" in os.environ else "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE_NAME", Path(__file__).parent.parent / "db.sqlite3"),
        "USER": os.environ.get("DATABASE_USER", ""),
        "PASSWORD": os.environ.get("DATABASE_PASSWORD", ""),
        "HOST": os.environ.get("DATABASE_HOST", ""),
        "PORT": os.environ.get("DATABASE_PORT", ""),
    }}
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    USE_TZ = True
    STATIC_URL = "static/"
    # Few rounds, so that tests are quick.
    PASSWORD_HASHERS = ["shop.hashers.Quick"]
    LOGIN_URL = "rest_framework:login"
    LOGIN_REDIRECT_URL = "/account/"
    SESSION_COOKIE_NAME = "shop_session"
    CSRF_COOKIE_NAME = "shop_csrf"
    CSRF_TRUSTED_ORIGINS = ["https://shop.test"]
    INSTALLED_APPS = [
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "rest_framework",
        "rest_framework.authtoken",
        "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
        "knox",
        "shop",
    ]
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "shop.middleware.Static",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ]
    TEMPLATES = [{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]},
    }]
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.BasicAuthentication",
            "rest_framework.authentication.SessionAuthentication",
            "rest_framework.authentication.TokenAuthentication",
            "rest_framework_simplejwt.authentication.JWTAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_THROTTLE_CLASSES": [
            "rest_framework.throttling.AnonRateThrottle", "rest_framework.throttling.UserRateThrottle",
        ],
        "DEFAULT_THROTTLE_RATES": {"anon": "20/day", "user": "1000/day", "reports": "2/day"},
    }
    SIMPLE_JWT = {
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    }
    REST_KNOX = {"AUTH_HEADER_PREFIX": "Knox", "TOKEN_TTL": timedelta(days=7)}
"""

HASHERS = """
    from django.contrib.auth.hashers import PBKDF2PasswordHasher

    class Quick(PBKDF2PasswordHasher):
        iterations = 1000
"""

# What whitenoise does.
MIDDLEWARE = """
    from django.http import HttpResponse

    class Static:
        def __init__(self, get_response):
            self.get_response = get_response

        def __call__(self, request):
            if request.path == "/static/shop.css":
                return HttpResponse("body { color: black }", content_type="text/css")
            return self.get_response(request)
"""

VIEWS = """
    from django.contrib.auth.decorators import login_required
    from django.http import HttpResponse, JsonResponse
    from django.middleware.csrf import get_token
    from django.views.decorators.csrf import csrf_exempt
    from knox.auth import TokenAuthentication
    from knox.views import LoginView
    from rest_framework.authentication import BasicAuthentication
    from rest_framework.decorators import api_view, permission_classes
    from rest_framework.permissions import AllowAny, IsAdminUser
    from rest_framework.response import Response
    from rest_framework.throttling import ScopedRateThrottle
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSet

    def describe(request):
        auth = getattr(request, "auth", None)
        kind = None if auth is None else auth.__class__.__name__
        return {"user": request.user.get_username(), "id": request.user.pk, "auth": kind}

    class Me(APIView):
        def get(self, request):
            return Response(describe(request))

        post = get

    class Orders(ViewSet):
        def list(self, request):
            return Response(describe(request))

        def retrieve(self, request, pk):
            return Response({**describe(request), "order": pk})

    class Staff(Me):
        permission_classes = [IsAdminUser]

    class Device(Me):
        authentication_classes = [TokenAuthentication]

    class DeviceLogin(LoginView):
        authentication_classes = [BasicAuthentication]

    class Reports(Me):
        throttle_classes = [ScopedRateThrottle]
        throttle_scope = "reports"

    class Health(APIView):
        permission_classes = [AllowAny]
        throttle_classes = []

        def get(self, request):
            return Response({"well": True})

    @api_view(["GET"])
    @permission_classes([AllowAny])
    def catalogue(request):
        return Response(describe(request))

    def home(request):
        return HttpResponse("Welcome")

    def page(request, slug):
        return HttpResponse(slug)

    @csrf_exempt
    def hook(request, provider):
        return JsonResponse({"well": provider})

    @login_required
    def account(request):
        return JsonResponse({**describe(request), "token": get_token(request)})
"""

URLS = """
    from django.contrib import admin
    from django.urls import include, path
    from knox.views import LogoutView
    from rest_framework.authtoken.views import obtain_auth_token
    from rest_framework.routers import DefaultRouter
    from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

    from . import views

    router = DefaultRouter()
    router.register("orders", views.Orders, basename="order")
    urlpatterns = [
        path("", views.home),
        path("pages/<slug:slug>/", views.page),
        path("account/", views.account),
        path("admin/", admin.site.urls),
        path("api/", include(router.urls)),
        path("api/me/", views.Me.as_view()),
        path("api/staff/", views.Staff.as_view()),
        path("api/device/", views.Device.as_view()),
        path("api/reports/", views.Reports.as_view()),
        path("api/health/", views.Health.as_view()),
        path("api/catalogue/", views.catalogue),
        path("api-auth/", include("rest_framework.urls")),
        path("api/<slug:provider>/hook/", views.hook),
        path("api/token/", obtain_auth_token),
        path("api/jwt/", TokenObtainPairView.as_view()),
        path("api/jwt/refresh/", TokenRefreshView.as_view()),
        path("api/device/login/", views.DeviceLogin.as_view()),
        path("api/device/logout/", LogoutView.as_view()),
    ]
"""

WSGI = """
    import os
    from django.core.wsgi import get_wsgi_application

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    application = get_wsgi_application()
"""

SHOP = {
    "manage.py": MANAGE,
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/hashers.py": HASHERS,
    "shop/middleware.py": MIDDLEWARE,
    "shop/views.py": VIEWS,
    "shop/urls.py": URLS,
    "shop/wsgi.py": WSGI,
}

USERS = """
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
call_command("migrate", verbosity=0)
alice = User.objects.create_user("alice", password="correct horse")
User.objects.create_user("bob", password="correct horse", is_active=False)
User.objects.create_superuser("staff", password="correct horse")
print(Token.objects.create(user=alice).key)
"""


class Visit:
    """What clients do with the project, and the answers that they get."""

    def __init__(self, url):
        self.url = url
        self.seen = {}
        # A server may close what has been idle for two seconds.
        self.connections = httpx.HTTPTransport(limits=httpx.Limits(keepalive_expiry=1))

    def client(self, **headers):
        return httpx.Client(base_url=self.url, headers=headers, transport=self.connections)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connections.close()

    def see(self, what, answer):
        where = re.sub(r"/\d+/", "/1/", answer.headers.get("Location", "").removeprefix(self.url))
        told = json_of(answer)
        told = {key: told[key] for key in ("user", "id", "auth", "order", "detail", "non_field_errors", "well") if key in told}
        self.seen[what] = answer.status_code, told, where, answer.headers.get("WWW-Authenticate")
        return answer

    def nobody(self):
        client = self.client()
        # More of the last than strangers may ask for elsewhere in a day.
        for path in [
            "/", "/pages/about/", "/account/", "/admin/", "/admin/login/", "/api-auth/login/", "/static/shop.css",
            "/api/", "/api/me/", "/api/orders/", "/api/staff/", "/api/device/", "/api/reports/", "/api/catalogue/",
            "/api/token/", "/api/jwt/", *["/api/health/"] * 25, "/account", "/api/catalogue", "/admin",
        ]:  # fmt: skip
            self.see(f"nobody GET {path}", client.get(path))
        for path in [
            "/api/me/", "/api/token/", "/api/jwt/", "/api/device/login/", "/api/device/logout/", "/api/bank/hook/",
        ]:  # fmt: skip
            self.see(f"nobody POST {path}", client.post(path))

    def basic(self):
        client = self.client()
        for name, password in [("alice", PASSWORD), ("alice", "wrong"), ("bob", PASSWORD), ("staff", PASSWORD)]:
            for path in ["/api/me/", "/api/orders/7/", "/api/staff/", "/api/catalogue/", "/api/device/"]:
                self.see(f"basic {name}:{password} {path}", client.get(path, auth=(name, password)))
        self.see("basic alice without the slash", client.get("/api/me", auth=("alice", PASSWORD)))

    def token(self, token):
        for key in [token, "0" * 40]:
            client = self.client(Authorization=f"Token {key}")
            for path in ["/api/me/", "/api/orders/", "/api/staff/", "/api/device/"]:
                self.see(f"token {key == token} {path}", client.get(path))
        got = self.see("token obtain", self.client().post("/api/token/", json=credentials("alice")))
        self.seen["token obtained is the one"] = got.json() == {"token": token}
        self.see("token wrong password", self.client().post("/api/token/", json=credentials("alice", "wrong")))

    def jwt(self):
        client = self.client()
        obtained = self.see("jwt obtain", client.post("/api/jwt/", json=credentials("alice")))
        pair = {"access": "none", "refresh": "none", **obtained.json()}
        self.see("jwt wrong password", client.post("/api/jwt/", json=credentials("alice", "wrong")))
        for kind in ["access", "refresh"]:
            bearer = self.client(Authorization=f"Bearer {pair[kind]}")
            self.see(f"jwt {kind} /api/me/", bearer.get("/api/me/"))
        refreshed = self.see("jwt refresh", client.post("/api/jwt/refresh/", json={"refresh": pair["refresh"]}))
        next_pair = {"access": "none", "refresh": "none", **refreshed.json()}
        self.see("jwt refresh again", client.post("/api/jwt/refresh/", json={"refresh": pair["refresh"]}))
        bearer = self.client(Authorization=f"Bearer {next_pair['access']}")
        self.see("jwt refreshed /api/me/", bearer.get("/api/me/"))
        return next_pair["refresh"]

    def knox(self):
        client = self.client()
        log_in = {"url": "/api/device/login/", "auth": ("alice", PASSWORD)}
        got, kept = self.see("knox login", client.post(**log_in)), client.post(**log_in)
        device = self.client(Authorization=f"Knox {got.json().get('token')}")
        for path in ["/api/device/", "/api/me/"]:
            self.see(f"knox {path}", device.get(path))
        self.see("knox logout", device.post("/api/device/logout/"))
        self.see("knox over", device.get("/api/device/"))
        return kept.json().get("token")

    def knox_login_by_other_means(self, token):
        """The view has one class: no other credential makes a token for a device."""
        self.see("knox login by token", self.client(Authorization=f"Token {token}").post("/api/device/login/"))
        self.see("knox login by session", self.browser("alice").post("/api/device/login/"))

    def browser(self, name, password=PASSWORD, login="/api-auth/login/", **form):
        client = self.client(Referer=self.url + login)
        client.get(login)
        form = {**credentials(name, password), "csrfmiddlewaretoken": client.cookies.get("shop_csrf", ""), **form}
        self.see(f"log in {name}:{password} {login} {sorted(form)}", client.post(login, data=form))
        return client

    def session(self):
        self.browser("alice", "wrong")
        self.browser("bob")
        self.browser("alice", next="/api/me/")
        client = self.browser("alice")
        for path in ["/api/me/", "/account/", "/api/staff/", "/api/catalogue/", "/api/device/", "/admin/"]:
            self.see(f"session {path}", client.get(path))
        self.writes(client)
        out = self.browser("alice")
        form = {"csrfmiddlewaretoken": out.cookies.get("shop_csrf", "")}
        self.see("log out", out.post("/api-auth/logout/", data=form))
        self.see("logged out /api/me/", out.get("/api/me/"))
        return dict(client.cookies)

    def writes(self, client):
        """DRF asks a session for its CSRF token, and Django asks for the same in its own pages."""
        secret = client.cookies.get("shop_csrf", "")
        masked = json_of(client.get("/account/")).get("token", "none")
        for path in ["/api/me/", "/account/"]:
            self.see(f"session POST {path}", client.post(path))
            for kind, token in [("secret", secret), ("masked", masked), ("wrong", "x" * 32)]:
                self.see(f"session POST {path} {kind}", client.post(path, headers={"X-CSRFToken": token}))
            for origin in ["https://shop.test", "https://evil.test"]:
                headers = {"X-CSRFToken": masked, "Origin": origin}
                self.see(f"session POST {path} from {origin}", client.post(path, headers=headers))

    def admin(self):
        client = self.browser("staff", login="/admin/login/", next="/admin/")
        for path in ["/admin/", "/admin/auth/user/", "/account/", "/api/me/", "/api/staff/"]:
            self.see(f"admin {path}", client.get(path))
        form = {"username": "carol", "password1": "a fine password", "password2": "a fine password"}
        form |= {"usable_password": "true", "csrfmiddlewaretoken": client.cookies.get("shop_csrf", "")}
        added = client.post("/admin/auth/user/add/", data=form)
        self.see("admin adds a user", added)
        delete = added.headers.get("Location", "").replace("change", "delete")
        self.see("admin deletes the user", client.post(delete, data={**form, "post": "yes"}))
        # Django's admin does not know DRF's ways.
        self.see("basic /admin/", self.client().get("/admin/", auth=("staff", PASSWORD)))

    def throttles(self):
        client = self.client()
        for number in range(3):
            self.see(f"report {number}", client.get("/api/reports/", auth=("staff", PASSWORD)))

    def everything(self, token):
        self.nobody()
        self.basic()
        self.token(token)
        self.knox_login_by_other_means(token)
        self.admin()
        self.throttles()
        return {"refresh": self.jwt(), "knox": self.knox(), "cookies": self.session()}

    def with_what_is_kept(self, kept):
        """What clients have from before still counts."""
        self.see("kept refresh", self.client().post("/api/jwt/refresh/", json={"refresh": kept["refresh"]}))
        self.see("kept knox", self.client(Authorization=f"Knox {kept['knox']}").get("/api/device/"))
        client = self.client()
        client.cookies.update(kept["cookies"])
        for path in ["/api/me/", "/account/"]:
            self.see(f"kept session {path}", client.get(path))
            headers = {"X-CSRFToken": kept["cookies"]["shop_csrf"]}
            self.see(f"kept session POST {path}", client.post(path, headers=headers))


def json_of(answer):
    return answer.json() if answer.headers.get("Content-Type") == "application/json" else {}


def credentials(name, password=PASSWORD):
    return {"username": name, "password": password}


def make_database():
    """The project's environment: PostgreSQL with a user of its own where tests have it, else SQLite."""
    url = os.environ.get("PORTCULLIS_TEST_POSTGRES")
    if not url:
        return {}
    import psycopg
    from psycopg import sql

    name = f"shop_{os.getpid()}"
    server = psycopg.connect(url, autocommit=True)
    unittest.addModuleCleanup(server.close)
    for statement in ["DROP ROLE {}", "DROP DATABASE {} WITH (FORCE)"]:
        unittest.addModuleCleanup(server.execute, sql.SQL(statement).format(sql.Identifier(name)))
    server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), DATABASE_PASSWORD))
    server.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
    where = urlsplit(url)
    return {
        "DATABASE_HOST": where.hostname, "DATABASE_PORT": str(where.port), "DATABASE_NAME": name,
        "DATABASE_USER": name, "DATABASE_PASSWORD": DATABASE_PASSWORD,
    }  # fmt: skip


def setUpModule():
    """The project before the move, the move, and the project after it."""
    global folder, environment, before, after, direct, gateway, done, check, doctor, minutes
    holder = tempfile.TemporaryDirectory(prefix="portcullis-init.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    manage = project(folder, SHOP)
    (folder / ".venv").symlink_to(sys.prefix)
    environment = {"DJANGO_SECRET_KEY": SECRET_KEY, **make_database()}
    made = subprocess.run(
        [sys.executable, manage, "shell", "--no-imports", "--command", USERS],
        env={**ENVIRONMENT, **environment}, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()

    port = free_port()
    live = gunicorn(folder, port, "shop.wsgi", **environment)
    try:
        with Visit(live.url) as before:
            before.with_what_is_kept(before.everything(token))
            kept = {"refresh": before.jwt(), "knox": before.knox(), "cookies": dict(before.browser("alice").cookies)}
    finally:
        live.stop()

    begin = time.monotonic()
    done = portcullis(folder, "init", "--django", manage, "--upstream", f"http://127.0.0.1:{port}", **environment)
    assert done.returncode == 0, done.stderr
    own = {name: environment[name] for name in ("DJANGO_SECRET_KEY", "DATABASE_PASSWORD") if name in environment}
    check = portcullis(folder, "check", **own)
    own_port = free_port()
    replace(folder / "gateway.yaml", "listen: 127.0.0.1:8080\n", f"listen: 127.0.0.1:{own_port}\n")
    gateway = Server([BINARY, "run"], own_port, folder, **own)
    unittest.addModuleCleanup(gateway.stop)
    follow(done.stdout, own_port)
    direct = gunicorn(folder, port, "shop.wsgi", **environment)
    unittest.addModuleCleanup(direct.stop)
    doctor = portcullis(folder, *re.search(r"^7\. portcullis (doctor .*)", done.stdout, re.MULTILINE)[1].split(), **own)
    minutes = (time.monotonic() - begin) / 60
    with Visit(gateway.url) as after:
        after.with_what_is_kept(kept)
        after.everything(token)


def replace(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def follow(told, own_port):
    """Does what `init` says, word for word; the gateway listens elsewhere than it says."""
    lines = re.search(r"^Put these lines at the end of shop\.settings:\n\n((?:  .*\n)+)", told, re.MULTILINE)[1]
    lines = textwrap.dedent(lines).replace("127.0.0.1:8080", f"127.0.0.1:{own_port}")
    with (folder / "shop/settings.py").open("a") as settings:
        settings.write(lines)


class Clients(unittest.TestCase):
    """Status, user and refusal are what they were."""

    maxDiff = None

    def test_everything_is_as_it_was(self):
        for what, was in before.seen.items():
            with self.subTest(what):
                self.assertEqual(after.seen[what], was)

    def test_it_was_worth_comparing(self):
        alice = {"user": "alice", "id": 1, "auth": None}
        for what, status, told in [
            ("basic alice:correct horse /api/me/", 200, alice),
            ("basic alice:correct horse /api/orders/7/", 200, {**alice, "order": "7"}),
            ("basic alice:wrong /api/me/", 401, {"detail": "Invalid username/password."}),
            ("token True /api/me/", 200, alice | {"auth": "Token"}),
            ("jwt access /api/me/", 200, alice | {"auth": "AccessToken"}),
            ("jwt refreshed /api/me/", 200, alice | {"auth": "AccessToken"}),
            ("jwt refresh again", 401, {"detail": "Token is blacklisted"}),
            ("knox /api/device/", 200, alice | {"auth": "AuthToken"}),
            ("knox over", 401, {"detail": "Invalid token."}),
            ("session /api/me/", 200, alice),
            ("session /account/", 200, alice),
            ("session POST /api/me/", 403, {"detail": "CSRF Failed: CSRF token missing."}),
            ("session POST /api/me/ masked", 200, alice),
            ("session POST /account/ masked", 200, alice),
            ("session POST /account/ from https://evil.test", 403, {}),
            ("admin /admin/", 200, {}),
            ("admin adds a user", 302, {}),
            ("nobody GET /admin/", 302, {}),
            ("nobody GET /static/shop.css", 200, {}),
            ("nobody POST /api/bank/hook/", 200, {"well": "bank"}),
            ("report 1", 200, {"user": "staff", "id": 3, "auth": None}),
        ]:
            with self.subTest(what):
                self.assertEqual(before.seen[what][:2], (status, told))
        self.assertEqual(before.seen["report 2"][0], 429)

    def test_the_gateway_was_asked(self):
        """Not the project itself, which would have answered alike."""
        self.assertTrue(httpx.get(after.url + "/.well-known/jwks.json").json()["keys"])
        self.assertNotIn("panicked", gateway.said())


class Move(unittest.TestCase):
    def test_under_five_minutes(self):
        self.assertLess(minutes, 5)

    def test_the_file_is_good(self):
        self.assertEqual(check.returncode, 0, check.stderr)
        self.assertIn("gateway.yaml is valid", check.stdout)

    def test_no_secret_is_told(self):
        told = done.stdout + done.stderr + (folder / "gateway.yaml").read_text() + check.stdout + doctor.stdout
        for secret in [SECRET_KEY, DATABASE_PASSWORD, PASSWORD]:
            self.assertNotIn(secret, told)

    def test_nobody_gets_around_the_gateway(self):
        for path in ["/", "/account/", "/admin/", "/api/me/", "/api/catalogue/", "/api/jwt/", "/static/shop.css"]:
            for headers in [{}, {"Remote-User": "alice"}, {"Remote-User": "alice", "Portcullis-Assertion": "x.y.z"}]:
                answer = httpx.get(direct.url + path, headers=headers, auth=("alice", PASSWORD))
                self.assertEqual(answer.status_code, 403, path)
                self.assertIn("only requests that come through its gateway", answer.text)

    def test_doctor_finds_no_way_in(self):
        self.assertEqual(doctor.returncode, 0, doctor.stdout + doctor.stderr)
        self.assertIn("No request gets in around the gateway.", doctor.stdout)
        self.assertIn("what the gateway itself sends: 200", doctor.stdout)
        self.assertNotIn("WAY IN", doctor.stdout)
        self.assertNotIn("unsure", doctor.stdout)
        self.assertRegex(doctor.stdout, r"well      \d+ answers are those that the project gave natively")


# Paths that Django has and no route can be, or not as they are; an entry is its view's rule.
ODD_URLS = """
    from django.urls import path
    from rest_framework.authentication import BaseAuthentication
    from . import views

    class Signed(BaseAuthentication):
        def authenticate(self, request):
            return request.path and None

    def only(rule):
        return views.Me.as_view(permission_classes=[rule])

    urlpatterns = [
        path("über/", only(views.IsAdminUser)),
        path("a b/", only(views.IsAdminUser)),
        path("percent%20/", only(views.IsAdminUser)),
        path("a//b/", only(views.IsAdminUser)),
        path("a;b/", only(views.IsAdminUser)),
        path("dots/../up/", only(views.IsAdminUser)),
        path("case/", only(views.AllowAny)),
        path("Case/", only(views.IsAdminUser)),
        path("hook/", views.Me.as_view(authentication_classes=[Signed])),
        path("twice/", only(views.AllowAny)),
        path("twice/", only(views.IsAdminUser)),
        path("<slug:anything>/", views.page),
    ]
"""
ODD_SETTINGS = """
    SECRET_KEY_FALLBACKS = ["hidden-older-key-that-nobody-guesses"]
    SESSION_COOKIE_SAMESITE = None
    CSRF_COOKIE_AGE = None
    SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
    CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    CORS_ALLOW_CREDENTIALS = True
    PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "django.contrib.auth.hashers.BCryptPasswordHasher",
    ]
    SIMPLE_JWT = {
        "ACCESS_TOKEN_LIFETIME": timedelta(days=36500), "AUDIENCE": ["one", "two"], "SIGNING_KEY": "hidden-signing-key-that-nobody-guesses",
    }
"""


class Odd(unittest.TestCase):
    """A project that cannot be carried as it is: the file is good all the same, and says what is missing."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-init.")
        cls.addClassCleanup(holder.cleanup)
        odd = Path(holder.name)
        settings = textwrap.dedent(SETTINGS) + textwrap.dedent(ODD_SETTINGS)
        manage = project(odd, {**SHOP, "shop/urls.py": ODD_URLS, "shop/settings.py": settings})
        migrate = [sys.executable, manage, "migrate", "--verbosity=0"]
        subprocess.run(migrate, check=True, env={**ENVIRONMENT, **environment})
        cls.done = portcullis(odd, "init", "--django", manage, "--python", sys.executable, **environment)
        assert cls.done.returncode == 0, cls.done.stderr
        cls.text = (odd / "gateway.yaml").read_text()
        # As many as the file names, and each is told.
        cls.names = set(re.findall(r"\${(\w+)", cls.text))
        values = {name: environment.get(name, "hidden-key-that-nobody-guesses-0123456789") for name in cls.names}
        cls.check = portcullis(odd, "check", **values)

    def test_the_file_is_good(self):
        self.assertEqual(self.check.returncode, 0, self.check.stderr)

    def test_what_is_missing_is_said(self):
        """Once on the terminal, and once in the file. Of paths that the gateway refuses, whatever the view says, as
        clients that will be refused."""
        notes = self.done.stdout.split("\n1. ")[0]
        refused = re.search(r"^Clients that will be refused:\n((?:  .*\n)+)", notes, re.MULTILINE)
        for words in ["percent%(25)?20/", "a//b/", "a(;|%3B)b/", "dots/../up/"]:
            with self.subTest(words):
                self.assertRegex(refused[1] if refused else "", words)
        for words in ["ACCESS_TOKEN_LIFETIME", "cached_db", "trusted_proxies", "shop.urls.Signed"]:
            with self.subTest(words):
                said = [line for line in notes.splitlines() if line.startswith("  ") and words in line]
                self.assertEqual(len(said), 1, notes)
                self.assertIn(f"# {said[0]}\n", self.text)

    def test_of_two_equal_patterns_the_first_decides(self):
        """As in Django: the second is no view's."""
        self.assertRegex(self.text, r'path: "=/twice/"\n    permission: anyone\n')

    def test_old_passwords(self):
        """Or whoever's row is of an older algorithm is told that the password is wrong."""
        self.assertIn("passwords: { preferred: argon2, accept: [argon2, bcrypt, md5] }", self.text)

    def test_pages_of_other_origins(self):
        self.assertIn('cors:\n  origins: ["https://app.example.com"]\n  credentials: true\n', self.text)

    def test_a_view_that_knows_its_own_credentials(self):
        self.assertNotRegex(self.text, r'path: "=?/hook/"\n')
        for path in re.findall(r'\{ path: "=?(/(?:hook/)?)", (.*), upstream:', self.text):
            self.assertEqual(path[1], "authentication: [], permission: anyone, throttle: []")

    def test_the_doctor_is_sent_where_the_gateway_judges(self):
        """Where nobody is let in for what the gateway sends, the doctor could tell nothing. There is no other path."""
        self.assertRegex(self.done.stdout, r"(?m)^7\. portcullis doctor --config gateway.yaml --path /(\w+/)?$")
        self.assertNotIn("--path /hook/", self.done.stdout)

    def test_several_audiences(self):
        self.assertIn('audience: ["one","two"]', self.text)

    def test_paths_as_routes_have_them(self):
        for path in ["=/%C3%BCber/", "=/a%20b/"]:
            self.assertIn(f'path: "{path}"', self.text)

    def test_variables(self):
        self.assertLessEqual({"DJANGO_SECRET_KEY", "DJANGO_SECRET_KEY_FALLBACK_1", "JWT_SIGNING_KEY"}, self.names)
        for name in self.names:
            self.assertIn(name, self.done.stdout)
        for secret in [SECRET_KEY, DATABASE_PASSWORD, "hidden"]:
            self.assertNotIn(secret, self.text + self.done.stdout + self.done.stderr)


class Refusals(unittest.TestCase):
    """What stops `init` is said, and nothing is written."""

    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-init.")
        cls.addClassCleanup(holder.cleanup)
        cls.manage = project(Path(holder.name), SHOP)
        (Path(holder.name) / ".venv").symlink_to(sys.prefix)

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-init.")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.file = self.folder / "gateway.yaml"

    def init(self, *words, **extra):
        done = portcullis(self.folder, "init", *words, **{**environment, **extra})
        self.assertNotIn(SECRET_KEY, done.stdout + done.stderr)
        return done

    def refused(self, *words, **extra):
        done = self.init(*words, **extra)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertFalse(self.file.exists())
        return done.stderr

    def test_a_file_that_is_there(self):
        self.file.write_text("mine")
        done = self.init("--django", self.manage)
        self.assertEqual((done.returncode, self.file.read_text()), (1, "mine"))
        for word in ["gateway.yaml", "--force", "--config"]:
            self.assertIn(word, done.stderr)
        done = self.init("--django", self.manage, "--force")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("routes:", self.file.read_text())

    def test_a_file_that_is_there_outlives_a_failure(self):
        self.file.write_text("mine")
        done = self.init("--django", "nowhere/manage.py", "--force")
        self.assertEqual((done.returncode, self.file.read_text()), (1, "mine"))

    def test_another_name(self):
        done = self.init("--django", self.manage, "--config", "other.yaml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(file.name for file in self.folder.iterdir()), ["other.natively.yaml", "other.yaml"])

    def test_no_manage_py(self):
        self.assertIn("there is no nowhere/manage.py", self.refused("--django", "nowhere/manage.py"))

    def test_no_python(self):
        said = self.refused("--django", self.manage, "--python", "nowhere/python")
        self.assertIn("nowhere/python cannot be run", said)
        self.assertIn("--python", said)

    def test_python_without_django(self):
        """A virtual environment beside manage.py comes before whatever the system has."""
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.folder / ".venv"], check=True)
        said = self.refused("--django", project(self.folder, SHOP))
        self.assertIn("this Python has no Django", said)
        self.assertIn(".venv/bin/python", said)

    def test_project_that_does_not_load(self):
        manage = project(self.folder, {**SHOP, "shop/urls.py": "import nonsuch"})
        said = self.refused("--django", manage, "--python", sys.executable)
        self.assertIn("No module named 'nonsuch'", said)
        self.assertIn("the project could not be read", said)

    def test_project_that_believes_a_gateway_already(self):
        """Its classes are not what clients came with: a file made of them would let nobody in."""
        said = self.refused("--django", folder / "manage.py", **with_package(environment))
        self.assertIn("already trusts a gateway", said)

    def test_environment_that_the_project_misses(self):
        said = self.refused("--django", self.manage, DJANGO_SECRET_KEY="")
        self.assertIn("SECRET_KEY", said)

    def test_folder_that_is_not_there(self):
        said = self.refused("--django", self.manage, "--config", "nowhere/gateway.yaml")
        self.assertIn("nowhere/gateway.yaml cannot be written", said)


if __name__ == "__main__":
    unittest.main()
