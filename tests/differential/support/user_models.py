"""A project with a user model of its own, natively, and behind the gateway that `init` has written for it, unaided."""

import os
import re
import subprocess
import sys
import textwrap
from urllib.parse import urlencode, urlsplit

from . import http
from .case import Differential
from .differences import Rule
from .environment import BINARY, DATABASES, PACKAGE, PROJECT
from .servers import GUNICORN, Process, folder, free_port
from .tokens import SECRET

# What `init` does not write: where tests find it, and that they may change rows and fail as often as they like.
FOR_TESTS = """\
admin: 127.0.0.1:{admin}
cache: {{ ttl: 0s, negative_ttl: 0s, grace: 0s }}
lockout: false
auth_rate: 1000000/min
"""


def says_no_methods(request, django):
    """Of the gateway's refusals: it answers before the view, whose methods `init` does not write."""
    view = request.split()[1].startswith((b"/api/me/", b"/api/public/", b"/api/staff/"))
    return {"allow": None} if view and django["status"] in (401, 403) else {}


NO_METHODS = Rule("A refusal names a view's methods only where its route does; `init` writes none", says_no_methods)


# Of these the project judges what is sent in a form, or in JSON.
SESSION_PAGES = (b"/api-auth/login/", b"/api-auth/logout/", b"/plain/me/")
PASSWORD_PAGES = (b"/api-auth/login/", b"/api-token-auth/", b"/api/token/")


class UserModel(Differential):
    """Cases with the shape of a user model that this file's project has under this name."""

    shape = ""
    # simplejwt's, which has to be a field of the model.
    user_id_field = "id"

    # What `init` leaves to the project, "all", or who sends "passwords" or "sessions", or who is "staff": there its own
    # answer arrives, and no difference has a reason.
    left: set[str] = set()
    # Where there is less to do.
    part = "sqlite"

    rules = [*Differential.rules, NO_METHODS]

    @property
    def variant(self):
        return self

    def is_left(self, request, django):
        """Whether it is the project that answers."""
        if "status" not in django:
            return False
        head = request.partition(b"\r\n\r\n")[0]
        path = request.split()[1]
        return (
            "all" in self.left
            # Whoever has a session is the project's to judge; nobody else is.
            or ("sessions" in self.left and (b"sessionid=" in head or path in SESSION_PAGES))
            or ("passwords" in self.left and (b"\r\nAuthorization: Basic " in head or path in PASSWORD_PAGES))
            or ("staff" in self.left and path == b"/api/staff/" and django["status"] == 403)
        )

    def apply_rules(self, request, answer):
        if not self.is_left(request, answer):
            super().apply_rules(request, answer)

    def apply_careful(self, request, django, gateway):
        if not self.is_left(request, django):
            super().apply_careful(request, django, gateway)

    def on(self, database):
        """Its servers; those of the shape before end, since nobody comes back to it."""
        key = (self.shape, database)
        if key not in _pairs:
            for pair in _pairs.values():
                pair and pair.stop()
            _pairs.clear()
            # Not again for each of its cases, if they do not start.
            _pairs[key] = None
            _pairs[key] = Pair(self, database)
        if _pairs[key] is None:
            raise RuntimeError("its servers have not started, see above")
        return _pairs[key]

    @property
    def tables(self):
        return self.on(self.database)


_pairs: dict[tuple, "Pair | None"] = {}


class Pair:
    def __init__(self, model, database):
        shape = model.shape
        project = {
            "DJANGO_SETTINGS_MODULE": "user_models.settings",
            "SHAPE": shape,
            "USER_ID_FIELD": model.user_id_field,
            "LEFT": " ".join(model.left),
            "DATABASE_URL": made(f"user_models_{shape}", database),
            "PYTHONPATH": str(PACKAGE),
        }
        self.native = Process("native", gunicorn("native"), project)
        self.native.ready()
        # Makes the tables, too.
        self.reset()
        behind, port, self.admin = free_port(), free_port(), free_port()
        config = folder() / f"{shape}-{database}-{port}.yaml"
        told = init(project, config, behind)
        lines = config.with_suffix(".py")
        lines.write_text(printed(told).replace("127.0.0.1:8080", f"127.0.0.1:{port}"))
        text = config.read_text().replace("listen: 127.0.0.1:8080\n", f"listen: 127.0.0.1:{port}\n")
        config.write_text(text + FOR_TESTS.format(admin=self.admin))
        secrets = {"DJANGO_SECRET_KEY": SECRET, "DATABASE_PASSWORD": urlsplit(DATABASES[database]).password or ""}
        run([BINARY, "check", "--config", config], secrets)
        self.gateway = Process("gateway", [BINARY, "run", "--config", config], secrets, port)
        self.gateway.asked_by(config, self.admin, secrets)
        self.gateway.ready()
        self._upstream = Process("upstream", gunicorn("behind"), {**project, "PRINTED_LINES": str(lines)}, behind)
        self._upstream.ready()
        # With the first request the project asks for the gateway's keys: let it be none of a case.
        http.exchange(port, http.get("/api/public/"))

    def stop(self):
        for process in (self.native, self.gateway, self._upstream):
            process.stop()

    def command(self, *words):
        """What one of the gateway's commands prints."""
        return run([BINARY, *words, "--config", self.gateway.config], self.gateway.environment)

    # --- the tables that both share ---

    def use(self, database):
        """It has one."""

    def reset(self):
        self.ask("reset")

    def footprint(self):
        return self.ask("footprint")

    def ask(self, function, **arguments):
        """A function of the project's `rows`."""
        answer = http.exchange(self.native.port, http.get(f"/rows/{function}?{urlencode(arguments)}"))
        if answer.status != 200:
            raise RuntimeError(f"{function}: {self.native.log.read_text()}")
        return answer.json


def gunicorn(module):
    return [*GUNICORN[:-1], f"user_models.{module}"]


def init(environment, config, behind):
    """As a person calls it, who has the project's environment."""
    command = [BINARY, "init", "--django", PROJECT / "manage.py", "--python", sys.executable, "--config", config]
    return run([*command, "--upstream", f"http://127.0.0.1:{behind}"], environment)


def run(command, environment):
    done = subprocess.run(
        command, env=os.environ | environment, cwd=folder(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[1]}: {done.stdout}{done.stderr}")
    return done.stdout


def printed(told):
    """The lines that the project needs, word for word."""
    return textwrap.dedent(re.search(r"^1\. What the project needs(?:.*\n)+?\n((?:  .*\n)+)", told, re.MULTILINE)[1])


def made(name, database):
    """The URL of a new and empty database on a server that tests have."""
    url = DATABASES[database]
    if database == "sqlite":
        file = folder() / f"{name}.sqlite3"
        file.unlink(missing_ok=True)
        return f"sqlite://{file}"
    where = urlsplit(url)
    if database == "postgres":
        import psycopg

        connection = psycopg.connect(url, autocommit=True)
    else:
        import pymysql

        connection = pymysql.connect(
            host=where.hostname, port=where.port, user=where.username, password=where.password, autocommit=True
        )
    with connection:
        # There is one where somebody has come back to a shape after all.
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}" + " WITH (FORCE)" * (database == "postgres"))
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return where._replace(path=f"/{name}").geturl()
