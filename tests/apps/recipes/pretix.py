"""pretix: https://docs.pretix.eu/self-hosting/installation/manual_smallscale/"""

PACKAGES = ["pretix==2026.8.0", "gunicorn==26.2.0"]
SETTINGS = "pretix.settings"
MANAGE = "{site}/pretix/__main__.py"
PREPARE = [["python", "-m", "pretix", "migrate", "--no-input"]]
PASSWORD = "correct horse 1"
SEED = f"""
from datetime import datetime, timezone
from django_scopes import scopes_disabled
from pretix.base.models import Device, Event, Organizer, Team, TeamAPIToken, User
with scopes_disabled():
    for name in "admin", "alice", "off":
        make = User.objects.create_superuser if name == "admin" else User.objects.create_user
        user = make(f"{{name}}@example.com", "{PASSWORD}")
        if name == "off":
            user.is_active = False
            user.save()
    organizer = Organizer.objects.create(name="Organizer", slug="organizer")
    begin = datetime(2030, 1, 1, tzinfo=timezone.utc)
    Event.objects.create(organizer=organizer, name="Event", slug="event", date_from=begin, currency="EUR")
    rights = dict(organizer=organizer, all_events=True, all_event_permissions=True, all_organizer_permissions=True)
    team = Team.objects.create(name="Team", **rights)
    team.members.add(User.objects.get(email="alice@example.com"))
    for letter, active in ("a", True), ("c", False):
        TeamAPIToken.objects.create(team=team, name=letter, token=letter * 64, active=active)
    for letter, revoked in ("a", False), ("c", True):
        Device.objects.create(
            organizer=organizer, name=letter, all_events=True, initialized=begin, api_token=letter * 64, revoked=revoked
        )
"""


def files(place):
    return {
        "pretix.cfg": f"""
[pretix]
instance_name=Throwaway
url=http://localhost
datadir={place.state}/data
[database]
backend=sqlite3
name={place.state}/db.sqlite3
[django]
secret=pretix-throwaway-secret-key-0123456789-0123456789
""",
        "data/.keep": "",
    }


def environment(place):
    return {"PRETIX_CONFIG_FILE": place.state / "pretix.cfg", "DATA_DIR": place.state / "data"}


def serve(place):
    return ["gunicorn", "pretix.wsgi", "--bind", f"127.0.0.1:{place.port}", "--access-logfile", "-", "--timeout", "120"]


def calls(talk):
    api = "/api/v1"
    here = api + "/organizers/organizer"
    reads = (api + "/organizers/", here + "/", here + "/events/", here + "/teams/", here + "/customers/", api + "/me")
    nobody = talk.client("nobody")
    for path in ("/", "/control/", "/control/login", "/organizer/", "/organizer/event/", *reads, api + "/version"):
        nobody.get(path)
    for path in reads[:2]:
        nobody.request("OPTIONS", path)
        nobody.request("HEAD", path)
    nobody.post(here + "/events/", {"name": {"en": "of nobody"}, "slug": "nobody"})
    nobody.post(api + "/device/initialize", {"token": "wrong", "hardware_brand": "x", "hardware_model": "x"})
    nobody.get(reads[0], Origin="https://elsewhere.example")
    forged = talk.client("forged", Remote_User="admin@example.com", Portcullis_Assertion="forged")
    for path in (*reads[:2], "/control/"):
        forged.get(path)

    for name, letter in (("active", "a"), ("off", "c"), ("unknown", "d")):
        for keyword in ("Token", "Device"):
            token = talk.client(f"{keyword} {name}", Authorization=f"{keyword} " + letter * 64)
            for path in (*reads, "/control/"):
                token.get(path)
            token.request("HEAD", reads[0])
            token.request("OPTIONS", reads[0])
            token.post(here + "/teams/", {"name": f"of {name}", "all_events": True})
    talk.client("bearer", Authorization="Bearer " + "a" * 64).get(reads[0])
    talk.basic("basic", "alice@example.com", PASSWORD).get(reads[0])

    talk.client("wrong password").log_in("/control/login", email="alice@example.com", password="wrong")
    talk.client("inactive").log_in("/control/login", email="off@example.com", password=PASSWORD)
    for name in ("admin", "alice"):
        session = talk.client(f"session {name}")
        session.log_in("/control/login", email=f"{name}@example.com", password=PASSWORD)
        for path in ("/control/", "/control/settings/", *reads):
            session.get(path)
        session.post(here + "/teams/", {"name": f"no CSRF of {name}"})
        session.write("POST", here + "/teams/", {"name": f"CSRF of {name}"}, cookie="pretix_csrftoken")
        session.get("/control/logout")
        session.get(reads[0])
