"""SQUAD: https://squad.readthedocs.io/en/latest/intro.html"""

PACKAGES = ["squad==1.98", "gunicorn==23.0.0", "setuptools<81"]
SETTINGS = "squad.settings"
MANAGE = "bin/squad-admin"
PREPARE = [["squad-admin", "migrate"], ["squad-admin", "collectstatic", "--no-input", "-v", "0"]]
PASSWORD = "correct horse"
SEED = f"""
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
from squad.core.models import Group
admin = User.objects.create_superuser("admin", "admin@example.com", "{PASSWORD}")
alice = User.objects.create_user("alice", "alice@example.com", "{PASSWORD}")
off = User.objects.create_user("off", "off@example.com", "{PASSWORD}", is_active=False)
for user, letter in (admin, "a"), (alice, "b"), (off, "c"):
    Token.objects.create(user=user, key=letter * 40)
group = Group.objects.create(slug="group", name="Group")
group.add_admin(admin)
group.projects.create(slug="project", name="Project", is_public=True)
group.projects.create(slug="secret", name="Secret", is_public=False)
"""


def installed(site):
    """Libraries for browsers, which it would load from elsewhere as it is imported."""
    static = site / "squad/frontend/static"
    rows = [line.split() for line in (static / "download.conf").read_text().splitlines()]
    rows = [row for row in rows if row and not row[0].startswith("#")]
    for name, *_ in rows:
        (static / name).parent.mkdir(parents=True, exist_ok=True)
        (static / name).touch()
    (static / "download.status").write_text("".join(" ".join(row) + "\n" for row in rows))


def environment(place):
    return {
        "ENV": "production",
        "SECRET_KEY": "squad-throwaway-secret-key-0123456789",
        "DATABASE": f"NAME={place.state}/db.sqlite3",
        "SQUAD_STATIC_DIR": place.state / "static",
        "SQUAD_STORAGE_DIR": place.state / "storage",
        "SQUAD_HOSTNAME": "localhost",
        "XDG_DATA_HOME": place.state,
    }


def serve(place):
    return ["squad", "--fast", "--bind", f"127.0.0.1:{place.port}", "--access-logfile", "-"]


def calls(talk):
    nobody = talk.client("nobody")
    for path in ("/", "/login/", "/login", "/group/project/", "/group/secret/", "/admin/", "/admin", "/_/settings/"):
        nobody.get(path)
    for path in ("/api/", "/api/projects/", "/api/projects/1/", "/api/projects/2/", "/api/groups/", "/api/version/"):
        nobody.get(path)
    for path in ("/api/users/", "/api/backends/", "/api/auth/login/", "/accounts/login/", "/static/squad/squad.js"):
        nobody.get(path)
    nobody.post("/api/groups/", {"slug": "new"})
    nobody.get("/api/projects/", Origin="https://elsewhere.example")
    nobody.request("OPTIONS", "/api/projects/", Origin="https://elsewhere.example", Access_Control_Request_Method="GET")

    for name, letter in (("admin", "a"), ("alice", "b"), ("off", "c"), ("unknown", "d")):
        user = name if name in ("admin", "alice") else None
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in ("/api/projects/", "/api/projects/2/", "/api/backends/", "/api/groups/1/", "/group/secret/"):
            token.get(path)
        token.post("/api/groups/", {"slug": f"of-{name}", "name": name})
        token.post("/api/backends/", {"name": f"of-{name}", "url": "http://127.0.0.1", "implementation_type": "null"})
        for path in ("/api/groups/1/", "/api/projects/1/"):
            token.post(path, {"name": f"by {name}"}, "PATCH")
        token.form("/api/submit/group/project/1/env", tests='{"a": "pass"}')
    for name, letter in (("admin", "a"), ("unknown", "d")):
        sent = talk.client(f"auth-token {name}", **{"Auth-Token": letter * 40})
        sent.form("/api/createbuild/group/project/2")
    talk.client("keyword", Authorization="Bearer " + "a" * 40).get("/api/projects/2/")

    wrong = talk.client("wrong password")
    wrong.log_in("/login/", username="admin", password="wrong")
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}", name)
        session.log_in("/login/", username=name, password=PASSWORD)
        for path in ("/", "/_/settings/", "/group/secret/", "/api/projects/2/", "/api/groups/", "/admin/auth/user/"):
            session.get(path)
        session.post("/api/groups/", {"slug": f"no-csrf-{name}"})
        session.write("POST", "/api/groups/", {"slug": f"with-csrf-{name}"})
        session.form("/logout/", csrfmiddlewaretoken=session.cookies.get("csrftoken", ""))
        session.get("/_/settings/")
    browsable = talk.client("browsable")
    browsable.log_in("/api/auth/login/", username="alice", password=PASSWORD)
    browsable.get("/api/groups/", Accept="text/html")
    browsable.get("/api/auth/logout/")
    browsable.get("/_/settings/")


REASONS = {
    r"body .*Settings from ": "the page of the debug toolbar shows the name of the settings module",
}
