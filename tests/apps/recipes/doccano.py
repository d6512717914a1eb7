"""doccano: https://doccano.github.io/doccano/"""

PACKAGES = ["doccano==1.8.4", "marshmallow<4", "numpy<2", "setuptools<81"]
SETTINGS = "config.settings.production"
MANAGE = "{site}/backend/manage.py"
PASSWORD = "correct horse 1"
PREPARE = [
    ["doccano", "init"],
    ["doccano", "createuser", "--username", "admin", "--password", PASSWORD, "--email", "admin@example.com"],
]
SEED = f"""
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token
User.objects.create_user("alice", "alice@example.com", "{PASSWORD}")
User.objects.create_user("off", "off@example.com", "{PASSWORD}", is_active=False)
for name, letter in ("admin", "a"), ("alice", "b"), ("off", "c"):
    Token.objects.create(user=User.objects.get(username=name), key=letter * 40)
"""


def environment(place):
    return {
        "DOCCANO_HOME": place.state,
        "STANDALONE": "True",
        "DATABASE_URL": f"sqlite:///{place.state}/db.sqlite3",
        "MEDIA_ROOT": place.state / "media",
        "SECRET_KEY": "doccano-throwaway-secret-key-0123456789",
    }


def serve(place):
    """As `doccano webserver` does, which keeps no access log."""
    where = ["--chdir", place.site / "backend", "--bind", f"127.0.0.1:{place.port}"]
    return ["gunicorn", "config.wsgi", *where, "--access-logfile", "-"]


def calls(talk):
    nobody = talk.client("nobody")
    for path in ("/", "/projects", "/admin/", "/admin", "/admin/login/", "/api-auth/login/", "/swagger/"):
        nobody.get(path)
    reads = ("/v1/projects", "/v1/users", "/v1/me", "/v1/roles", "/v1/tasks/status/1", "/v1/auth/user/")
    for path in (*reads, "/v1/social/links/", "/favicon.ico", "/static/index.html"):
        nobody.get(path)
    new = {"name": "new", "description": "new"}
    new |= {"project_type": "DocumentClassification", "resourcetype": "TextClassificationProject"}
    nobody.post("/v1/projects", new)

    for name, letter in (("admin", "a"), ("alice", "b"), ("off", "c"), ("unknown", "d")):
        user = name if name in ("admin", "alice") else None
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in reads:
            token.get(path)
        token.post("/v1/projects", new)
        token.get("/v1/projects/1")

    log_in = "/v1/auth/login/"
    nobody.post(log_in, {"username": "alice", "password": "wrong"})
    for name in ("admin", "alice", "off"):
        user = name if name != "off" else None
        entered = talk.client(f"entering {name}").post(log_in, {"username": name, "password": PASSWORD})
        talk.client(f"key of {name}", user, Authorization=f"Token {entered.json.get('key')}").get("/v1/me")
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}", name)
        session.log_in("/api-auth/login/", username=name, password=PASSWORD)
        for path in ("/v1/me", "/v1/projects", "/admin/", "/v1/projects/1"):
            session.get(path)
        session.post("/v1/projects", new)
        session.write("POST", "/v1/projects", new)
        session.write("POST", "/v1/auth/logout/")
        session.get("/v1/me")


REASONS = {
    r"GET /swagger/: (content-type|body)": "drf-yasg words a refusal by a renderer of its own; the gateway's are in JSON",
    r"/api-auth/login/: body": "the gateway's log-in page has a template of its own",
}
