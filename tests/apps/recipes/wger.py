"""wger, of its repository: https://wger.readthedocs.io/en/latest/installation/"""

CHECKOUT = "PORTCULLIS_APPS_WGER"
PACKAGES = ["gunicorn==26.2.0"]
PYTHON = "3.12"
SETTINGS = "settings.main"
MANAGE = "manage.py"
DATABASE = "postgres"
FIXTURES = (
    "gym languages groups users licenses setting_repetition_units setting_weight_units gym_config equipment muscles"
    " categories gym-config gym-adminconfig"
).split()
PREPARE = [
    ["python", "{manage}", "migrate", "--no-input"],
    *(["python", "{manage}", "loaddata", f"{name}.json"] for name in FIXTURES),
]
PASSWORD = "correct horse 1"
SEED = f"""
import io, os, subprocess, sys
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
from wger.weight.models import WeightEntry
for name, letter in ("admin", "a"), ("alice", "b"), ("off", "c"):
    user, _ = User.objects.get_or_create(username=name, defaults=dict(email=f"{{name}}@example.com"))
    user.set_password("{PASSWORD}")
    user.is_active = name != "off"
    user.save()
    Token.objects.filter(user=user).delete()
    Token.objects.create(user=user, key=letter * 40)
    WeightEntry.objects.create(user=user, weight=80, date="2026-01-01T12:00:00Z")
keys = io.StringIO()
call_command("generate-jwt-keys", stdout=keys, no_color=True)
open("keys.env", "w").write("".join(line for line in keys.getvalue().splitlines(True) if line.startswith("JWT_")))
# Another process, since these settings have no keys yet.
os.environ.update(line.strip().split("=", 1) for line in open("keys.env"))
subprocess.run([sys.executable, "-c", '''import django; django.setup()
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import RefreshToken
open("refresh", "w").write(str(RefreshToken.for_user(User.objects.get(username="alice"))))'''], check=True)
"""


def environment(place):
    keys = place.state / "keys.env"
    lines = keys.read_text().splitlines() if keys.is_file() else []
    return {
        "SECRET_KEY": "wger-throwaway-secret-key-0123456789-0123456789",
        "DJANGO_DB_ENGINE": "django.db.backends.postgresql",
        "DJANGO_DB_DATABASE": place.database,
        "DJANGO_DB_USER": place.server.username,
        "DJANGO_DB_PASSWORD": place.server.password,
        "DJANGO_DB_HOST": place.server.hostname,
        "DJANGO_DB_PORT": place.server.port,
        "DJANGO_MEDIA_ROOT": place.state / "media",
        "DJANGO_STATIC_ROOT": place.state / "static",
        "SITE_URL": "http://localhost",
        **dict(line.split("=", 1) for line in lines),
    }


def serve(place):
    where = ["--bind", f"127.0.0.1:{place.port}"]
    return ["gunicorn", "wger.wsgi:application", *where, "--access-logfile", "-", "--timeout", "120"]


def calls(talk):
    api = "/api/v2"
    nobody = talk.client("nobody")
    for path in ("/", "/en/software/features", "/en/user/login", "/account/login/", "/en/user/preferences"):
        nobody.get(path)
    open_to_all = ("/", "/language/", "/exercise/", "/version/", "/min-app-version/", "/check-permission/?permission=x")
    own = ("/weightentry/", "/routine/", "/userprofile/", "/nutritionplan/", "/workoutsession/", "/templates/")
    for path in (*open_to_all, *own, "/schema"):
        nobody.get(api + path)
    nobody.get(api + "/language/", Origin="https://elsewhere.example")
    nobody.get("/robots.txt", Origin="https://elsewhere.example")
    asked = {"Origin": "https://elsewhere.example", "Access_Control_Request_Method": "GET"}
    nobody.request("OPTIONS", api + "/language/", **asked)
    nobody.post(api + "/weightentry/", {"weight": 81, "date": "2026-01-02T12:00:00Z"})

    for name, letter in (("admin", "a"), ("alice", "b"), ("off", "c"), ("unknown", "d")):
        user = name if name in ("admin", "alice") else None
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in ("/language/", *own[:3]):
            token.get(api + path)
        token.post(api + "/weightentry/", {"weight": 82, "date": "2026-01-03T12:00:00Z"})

    app = talk.client("app")
    log_in = "/allauth/app/v1/auth/login"
    app.post(log_in, {"username": "alice", "password": "wrong"})
    for name in ("alice", "off"):
        entered = app.post(log_in, {"username": name, "password": PASSWORD})
        access = entered.json.get("meta", {}).get("access_token", "none")
        bearer = talk.client(f"headless {name}", name if name == "alice" else None, Authorization=f"Bearer {access}")
        for path in ("/language/", *own[:3]):
            bearer.get(api + path)
        bearer.post(api + "/weightentry/", {"weight": 83, "date": "2026-01-04T12:00:00Z"})
    talk.client("issuing", "alice", Authorization="Token " + "b" * 40).post(api + "/issue-refresh-token")
    refreshed = app.post(api + "/token/refresh", {"refresh": (talk.place.state / "refresh").read_text()})
    app.post(api + "/token/refresh", {"refresh": "none"})
    simple = talk.client("simplejwt alice", "alice", Authorization=f"Bearer {refreshed.json.get('access', 'none')}")
    for path in ("/language/", *own[:3]):
        simple.get(api + path)

    talk.client("wrong password").log_in("/account/login/", login="alice", password="wrong")
    session = talk.client("session alice", "alice")
    session.log_in("/account/login/", login="alice", password=PASSWORD)
    for path in ("/en/user/preferences", "/en/user/api-key", "/", api + "/weightentry/", api + "/userprofile/"):
        session.get(path)
    session.post(api + "/weightentry/", {"weight": 84, "date": "2026-01-05T12:00:00Z"})
    session.write("POST", api + "/weightentry/", {"weight": 85, "date": "2026-01-06T12:00:00Z"})
    session.get("/en/user/logout")
    session.get(api + "/weightentry/")
