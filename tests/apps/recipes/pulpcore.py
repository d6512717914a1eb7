"""Pulp: https://pulpproject.org/pulpcore/docs/admin/"""

PACKAGES = ["pulpcore==3.123.1"]
SETTINGS = "pulpcore.app.settings"
MANAGE = "bin/pulpcore-manager"
# Where its documentation has an operator write settings.
LINES_IN = "settings.py"
DATABASE = "postgres"
PASSWORD = "correct horse 1"
PREPARE = [
    ["pulpcore-manager", "migrate", "--noinput"],
    ["pulpcore-manager", "reset-admin-password", "--password", PASSWORD],
]
SEED = f"""
from django.contrib.auth import get_user_model
users = get_user_model().objects
users.create_user("alice", password="{PASSWORD}")
users.create_user("off", password="{PASSWORD}", is_active=False)
"""


def files(place):
    return {
        "key": "VGhpcyBpcyBhIHRocm93YXdheSBrZXkgZm9yIHRlc3Q=",
        "settings.py": f"""
SECRET_KEY = "pulp-throwaway-secret-key-0123456789"
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "{place.database}", "USER": "{place.server.username}",
    "PASSWORD": "{place.server.password}", "HOST": "{place.server.hostname}", "PORT": "{place.server.port}",
}}}}
DB_ENCRYPTION_KEY = "{place.state}/key"
CONTENT_ORIGIN = "http://localhost"
MEDIA_ROOT = "{place.state}/media"
STATIC_ROOT = "{place.state}/assets"
WORKING_DIRECTORY = "{place.state}/tmp"
FILE_UPLOAD_TEMP_DIR = "{place.state}/tmp"
ANALYTICS = False
""",
        "tmp/.keep": "",
        "media/.keep": "",
        "assets/.keep": "",
    }


def environment(place):
    return {"PULP_SETTINGS": place.state / "settings.py"}


def serve(place):
    return ["pulpcore-api", "--bind", f"127.0.0.1:{place.port}", "--workers", "1", "--access-logfile", "-"]


def calls(talk):
    api = "/pulp/api/v3"
    reads = ("/status/", "/users/", "/groups/", "/tasks/", "/workers/", "/repositories/", "/access_policies/")
    nobody = talk.client("nobody")
    for path in (*reads, "/docs/api.json"):
        nobody.get(api + path)
    nobody.get("/")
    nobody.get("/auth/login/")
    nobody.post(api + "/users/", {"username": "mallory", "is_staff": True})
    nobody.get(api + "/users/", X_Requested_With="XMLHttpRequest")

    for name, password in (("admin", PASSWORD), ("alice", PASSWORD), ("admin", "wrong"), ("off", PASSWORD)):
        user = name if (name, password) in (("admin", PASSWORD), ("alice", PASSWORD)) else None
        basic = talk.basic(f"basic {name}:{password}", name, password)
        basic.user = user
        for path in (*reads[1:], "/docs/api.json"):
            basic.get(api + path)
        basic.post(api + "/groups/", {"name": f"of {name}"})
        basic.get(api + "/login/")
    made = talk.basic("maker", "admin", PASSWORD)
    made.post(api + "/users/", {"username": "bob", "password": "correct horse 2", "is_staff": False})
    talk.basic("made", "bob", "correct horse 2").get(api + "/status/")

    session = talk.client("session admin", "admin")
    entered = talk.basic("entering", "admin", PASSWORD)
    entered.post(api + "/login/")
    session.cookies, session.logged_in = entered.cookies, True
    for path in ("/users/", "/groups/"):
        session.get(api + path)
    session.post(api + "/groups/", {"name": "no CSRF"})
    session.write("POST", api + "/groups/", {"name": "with CSRF"})
    session.write("DELETE", api + "/login/")
    session.get(api + "/users/")


REASONS = {
    r"/auth/login/: body": "the gateway's log-in page has a template of its own",
}
