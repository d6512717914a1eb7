"""NetBox: https://netboxlabs.com/docs/netbox/installation/"""

PACKAGES = ["netbox==4.7.3", "gunicorn==26.2.0"]
PYTHON = "3.12"
SETTINGS = "netbox.settings"
MANAGE = "bin/netbox"
DATABASE = "postgres"
PREPARE = [["netbox", "migrate", "--no-input"]]
PASSWORD = "Correct horse 1"
SEED = f"""
from dcim.models import Site
from users.models import Token, User
for name, letter in ("admin", "a"), ("alice", "b"), ("off", "c"):
    make = User.objects.create_superuser if name == "admin" else User.objects.create_user
    user = make(name, f"{{name}}@example.com", "{PASSWORD}", is_active=name != "off")
    Token(user=user, version=1, token=letter * 40).save()
    Token(user=user, version=2, key=letter * 12, token=letter * 40).save()
Token(user=User.objects.get(username="admin"), version=1, token="e" * 40, write_enabled=False).save()
Token(user=User.objects.get(username="admin"), version=1, token="f" * 40, allowed_ips=["192.0.2.0/24"]).save()
Site.objects.create(name="Site", slug="site")
"""


def files(place):
    return {
        "conf/configuration.py": f"""
ALLOWED_HOSTS = ["*"]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "{place.database}", "USER": "{place.server.username}",
    "PASSWORD": "{place.server.password}", "HOST": "{place.server.hostname}", "PORT": "{place.server.port}",
}}}}
CACHE = {{"HOST": "127.0.0.1", "PORT": {place.redis_server.port}, "DATABASE": {place.redis}}}
REDIS = {{"tasks": CACHE, "caching": CACHE}}
SECRET_KEY = "netbox-throwaway-secret-key-0123456789-0123456789-0123456789"
API_TOKEN_PEPPERS = {{1: "netbox-throwaway-pepper-0123456789-0123456789-0123456789"}}
CENSUS_REPORTING_ENABLED = False
RELEASE_CHECK_URL = None
"""
    }


def environment(place):
    return {"NETBOX_ROOT": place.state}


def serve(place):
    return ["gunicorn", "netbox.wsgi", "--bind", f"127.0.0.1:{place.port}", "--access-logfile", "-", "--timeout", "120"]


def calls(talk):
    nobody = talk.client("nobody")
    for path in ("/", "/login/", "/login", "/dcim/sites/", "/user/profile/", "/search/", "/graphql/", "/media/x.png"):
        nobody.get(path)
    sites = "/api/dcim/sites/"
    for path in ("/api/", "/api/status/", sites, sites + "1/", "/api/users/users/", "/api/schema/swagger-ui/"):
        nobody.get(path)
    nobody.post(sites, {"name": "new", "slug": "new"})

    tokens = (("admin", "a"), ("alice", "b"), ("off", "c"), ("unknown", "d"))
    for name, letter in (*tokens, ("read only", "e"), ("elsewhere", "f")):
        user = {"admin": "admin", "alice": "alice", "read only": "admin"}.get(name)
        token = talk.client(f"token {name}", user, Authorization="Token " + letter * 40)
        for path in (sites, "/api/users/users/", "/api/authentication-check/", "/dcim/sites/"):
            token.get(path)
        token.post(sites, {"name": f"of {name}", "slug": f"of-{letter}"})
        token.post(sites + "1/", {"description": f"by {name}"}, "PATCH")
    for name, letter in tokens:
        user = name if name in ("admin", "alice") else None
        bearer = talk.client(f"bearer {name}", user, Authorization=f"Bearer nbt_{letter * 12}.{letter * 40}")
        for path in (sites, "/api/authentication-check/"):
            bearer.get(path)
    nobody.post("/api/users/tokens/provision/", {"username": "alice", "password": PASSWORD})
    nobody.post("/api/users/tokens/provision/", {"username": "alice", "password": "wrong"})

    talk.client("wrong password").log_in("/login/", username="admin", password="wrong")
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}", name)
        session.log_in("/login/", username=name, password=PASSWORD)
        for path in ("/", "/dcim/sites/", "/user/profile/", "/users/users/", "/api/authentication-check/"):
            session.get(path)
        session.post(sites, {"name": f"no CSRF of {name}", "slug": f"no-csrf-{name}"})
        session.write("POST", sites, {"name": f"CSRF of {name}", "slug": f"csrf-{name}"})
        session.get("/logout/")
        session.get("/user/profile/")
