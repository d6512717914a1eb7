"""Label Studio: https://labelstud.io/guide/start"""

PACKAGES = ["label-studio==1.23.2"]
SETTINGS = "core.settings.label_studio"
MANAGE = "{site}/label_studio/manage.py"
PASSWORD = "correct horse 1"
ADMIN, ALICE, LATER = "admin@example.com", "alice@example.com", "later@example.com"
PREPARE = [
    ["label-studio", "init", "demo", "-q", "--username", ADMIN, "--password", PASSWORD, "--user-token", "a" * 40]
    + ["--enable-legacy-api-token", "--no-browser"],
]
# The second organisation has switched tokens of the old kind off.
SEED = f"""
from organizations.models import Organization
from rest_framework.authtoken.models import Token
from users.models import User
for email, letter in ("{ALICE}", "b"), ("{LATER}", "c"):
    user = User.objects.create_user(email=email, password="{PASSWORD}")
    Token.objects.filter(user=user).update(key=letter * 40)
    if letter == "b":
        Organization.objects.first().add_user(user)
        user.active_organization = Organization.objects.first()
    else:
        user.active_organization = Organization.create_organization(
            created_by=user, title="Later", legacy_api_tokens_enabled=False)
    user.save()
"""


def environment(place):
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": place.state / "data",
        "SECRET_KEY": "label-studio-throwaway-secret-key-0123456789",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
    }


def serve(place):
    return ["label-studio", "start", "--no-browser", "--port", place.port, "--internal-host", "127.0.0.1"]


def calls(talk):
    nobody = talk.client("nobody")
    for path in ("/", "/user/login/", "/user/login", "/projects/", "/admin/", "/health", "/version", "/api/version"):
        nobody.get(path)
    reads = ("/api/current-user/whoami", "/api/projects/", "/api/projects/1/", "/api/users/", "/api/token/")
    for path in (*reads, "/api/projects", "/static/images/favicon.ico"):
        nobody.get(path)
    nobody.get("/api/projects/", Origin="https://elsewhere.example")
    nobody.request("OPTIONS", "/api/projects/", Origin="https://elsewhere.example", Access_Control_Request_Method="GET")
    nobody.post("/api/projects/", {"title": "of nobody"})

    for name, letter in (("admin", "a"), ("alice", "b"), ("later", "c"), ("unknown", "d")):
        user = {"admin": ADMIN, "alice": ALICE}.get(name)
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in reads:
            token.get(path)
        token.post("/api/projects/", {"title": f"of {name}"})
        token.post("/api/projects/1/", {"title": f"by {name}"}, "PATCH")
    talk.client("no scheme", Authorization="a" * 40).get("/api/current-user/whoami")

    talk.client("wrong password").log_in("/user/login/", email=ADMIN, password="wrong")
    for name, email in (("admin", ADMIN), ("alice", ALICE)):
        session = talk.client(f"session {name}", email)
        session.log_in("/user/login/", email=email, password=PASSWORD, persist_session="on")
        for path in ("/", "/projects/", "/api/current-user/whoami", "/api/projects/", "/user/account/", "/admin/"):
            session.get(path)
        session.post("/api/projects/", {"title": f"no CSRF token of {name}"})
        made = session.write("POST", "/api/token/")
        refreshed = talk.client(f"refresh {name}").post("/api/token/refresh/", {"refresh": made.json.get("token", "")})
        bearer = talk.client(f"bearer {name}", email, Authorization=f"Bearer {refreshed.json.get('access')}")
        for path in ("/api/current-user/whoami", "/api/projects/"):
            bearer.get(path)
        bearer.post("/api/projects/", {"title": f"of a JWT of {name}"})
        session.get("/logout")
        session.get("/api/current-user/whoami")


REASONS = {
    r"^40[13] .*: body '\{\"id\"": "EXCEPTION_HANDLER is the project's own, which is noted: refusals are the gateway's",
}
