"""RDMO, with django-allauth: https://rdmo.readthedocs.io/en/latest/installation/"""

PACKAGES = ["rdmo[allauth]==2.5.2", "gunicorn==26.2.0"]
SETTINGS = "config.settings"
MANAGE = "{state}/app/manage.py"
PREPARE = [["python", "{manage}", "migrate", "--no-input"], ["python", "{manage}", "setup_groups"]]
PASSWORD = "correct horse 1"
SEED = f"""
from django.contrib.auth.models import Group, User
from rest_framework.authtoken.models import Token
for name, letter in ("admin", "a"), ("alice", "b"), ("off", "c"):
    make = User.objects.create_superuser if name == "admin" else User.objects.create_user
    user = make(name, f"{{name}}@example.com", "{PASSWORD}", is_active=name != "off")
    Token.objects.create(user=user, key=letter * 40)
"""


def files(place):
    """As the template project rdmo-app has them."""
    return {
        "app/manage.py": """
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
""",
        "app/config/__init__.py": "",
        "app/config/settings/__init__.py": """
from split_settings.tools import include, optional
include("base.py", optional("local.py"))
""",
        "app/config/settings/base.py": "from rdmo.core.settings import *\n",
        "app/config/settings/local.py": f"""
SECRET_KEY = "rdmo-throwaway-secret-key-0123456789-0123456789"
ALLOWED_HOSTS = ["localhost"]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{place.state}/db.sqlite3"}}}}
STATIC_ROOT = "{place.state}/static"
MEDIA_ROOT = "{place.state}/media"
COMPRESS_ENABLED = False
ACCOUNT = True
ACCOUNT_SIGNUP = True
ACCOUNT_ALLOW_USER_TOKEN = True
INSTALLED_APPS += ["allauth", "allauth.account"]
AUTHENTICATION_BACKENDS.append("allauth.account.auth_backends.AuthenticationBackend")
MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")
""",
        "app/config/urls.py": """
from django.contrib import admin
from django.urls import include, path
from rdmo.core.views import about, home
urlpatterns = [
    path("", home, name="home"),
    path("about/", about, name="about"),
    path("", include("rdmo.core.urls")),
    path("api/v1/", include("rdmo.core.urls.v1")),
    path("admin/", admin.site.urls),
]
handler400 = "rdmo.core.views.bad_request"
handler403 = "rdmo.core.views.forbidden"
handler404 = "rdmo.core.views.not_found"
handler500 = "rdmo.core.views.internal_server_error"
""",
        "app/config/wsgi.py": """
import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
""",
    }


def serve(place):
    where = ["--chdir", place.state / "app", "--bind", f"127.0.0.1:{place.port}"]
    return ["gunicorn", "config.wsgi", *where, "--access-logfile", "-", "--timeout", "120"]


def calls(talk):
    api = "/api/v1"
    nobody = talk.client("nobody")
    for path in ("/", "/about/", "/account/login/", "/account/signup/", "/projects/", "/admin/", "/account/"):
        nobody.get(path)
    reads = ("/projects/projects/", "/accounts/users/", "/domain/attributes/", "/core/settings/", "/options/options/")
    for path in (*reads, "/core/sites/"):
        nobody.get(api + path)
    nobody.post(api + "/projects/projects/", {"title": "of nobody"})

    for name, letter in (("admin", "a"), ("alice", "b"), ("off", "c"), ("unknown", "d")):
        user = name if name in ("admin", "alice") else None
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in reads:
            token.get(api + path)
        token.post(api + "/domain/attributes/", {"uri_prefix": "https://example.com", "key": name})
    for name, password in (("admin", PASSWORD), ("alice", PASSWORD), ("admin", "wrong"), ("off", PASSWORD)):
        basic = talk.basic(f"basic {name}:{password}", name, password)
        basic.user = name if password == PASSWORD and name != "off" else None
        for path in reads[:3]:
            basic.get(api + path)

    talk.client("wrong password").log_in("/account/login/", login="alice", password="wrong")
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}", name)
        session.log_in("/account/login/", login=name, password=PASSWORD)
        for path in ("/", "/projects/", "/account/", "/account/token/", "/admin/", *(api + path for path in reads[:3])):
            session.get(path)
        session.post(api + "/domain/attributes/", {"uri_prefix": "https://example.com", "key": f"no-csrf-{name}"})
        session.write("POST", api + "/domain/attributes/", {"uri_prefix": "https://example.com", "key": f"csrf-{name}"})
        session.form("/account/logout/", csrfmiddlewaretoken=session.cookies.get("csrftoken", ""))
        session.get("/account/")
