"""Django on its own and the gateway before Django, in every combination of settings that cases ask for."""

import atexit
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import gateway, http
from .environment import BIN, BINARY, DATABASES, PACKAGE, PROJECT

QUICK = [
    "project.hashers.QuickPBKDF2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",
]

# Pairs of servers at a time.
MOST = 8
GUNICORN = [
    *(BIN / "gunicorn", "--chdir", PROJECT, "--bind", "127.0.0.1:PORT", "--threads", "2", "--no-control-socket"),
    *("--log-level", "warning", "project.wsgi"),
]
# For both, tests are a proxy that they believe: `X-Forwarded-Proto: https` is HTTPS.
HTTPS = ["HTTP_X_FORWARDED_PROTO", "https"]


@dataclass(frozen=True)
class Variant:
    """The same settings in both languages: Django's, and lines of gateway.yaml."""

    django: dict = field(default_factory=dict)
    gateway: str = ""
    # More settings of the scheme remote_user, which has none of them at the top of the file.
    remote_user: str = ""
    # Views that anyone may see and only these cases ask for, each with more settings of its route.
    public: dict = field(default_factory=dict)
    # More of Django's, about languages: for the upstream too, and the gateway has what `init` makes of them.
    languages: dict = field(default_factory=dict)
    # `USERNAME_FIELD`, for all three.
    username_field: str = "username"
    # Whether the time is the case's to say, for all three.
    clock: bool = False

    def on(self, database):
        """Its two servers, started when first asked for."""
        key = (json.dumps(asdict(self)), database)
        if key not in _pairs:
            # Not again for each of its cases, if they do not start.
            _pairs[key] = None
            _pairs[key] = Pair(self, database)
        pair = _pairs[key] = _pairs.pop(key)
        if pair is None:
            raise RuntimeError("its servers have not started, see above")
        while len(_pairs) > MOST:
            # The one that has not been asked for the longest; a database has only so many connections.
            if oldest := _pairs.pop(next(iter(_pairs))):
                oldest.native.stop()
                oldest.gateway.stop()
        return pair


CLASSES = {
    "session": "rest_framework.authentication.SessionAuthentication",
    "token": "rest_framework.authentication.TokenAuthentication",
    "basic": "rest_framework.authentication.BasicAuthentication",
    "jwt": "rest_framework_simplejwt.authentication.JWTAuthentication",
    "knox": "knox.auth.TokenAuthentication",
}


def default_classes(*names, django=None, gateway="", languages=None, clock=False):
    """DEFAULT_AUTHENTICATION_CLASSES, under which pages of the packages are served, and more settings."""
    framework = {"DEFAULT_AUTHENTICATION_CLASSES": [CLASSES[name] for name in names]}
    lines = f"authentication: [{', '.join(names)}]\n"
    settings = {"REST_FRAMEWORK": framework, **(django or {})}
    return Variant(settings, lines + gateway, languages=languages or {}, clock=clock)


class Pair:
    def __init__(self, variant, database):
        settings = {**variant.django, **shared(variant)}
        self.native = Process("native", GUNICORN, {"MODE": "native", **django(settings, database)})
        config = folder() / f"gateway-{len(_processes)}.yaml"
        port, behind = free_port(), _ports.setdefault(upstream_key(variant, database), free_port())
        lines = variant.gateway + (init(settings, database) if variant.languages else "")
        store = f'url: "{DATABASES[database]}", connections: 2, username_field: {variant.username_field}'
        told = (lines, variant.remote_user, variant.public)
        admin = free_port()
        config.write_text(gateway.document(port, admin, store, self.native.port, behind, *told))
        environment = with_clock() if variant.clock else {}
        self.gateway = Process("gateway", [BINARY, "run", "--config", config], environment, port)
        self.gateway.asked_by(config, admin, environment)
        self.gateway.ready()
        upstream(variant, database, self.gateway).ready()
        self.native.ready()


class Process:
    """A server; it ends with the suite at the latest."""

    def __init__(self, name, command, environment, port=None):
        self.port = port or free_port()
        self._name = name
        self.log = folder() / f"{name}-{len(_processes)}.log"
        with open(self.log, "wb") as log:
            self._child = subprocess.Popen(
                [str(word).replace("PORT", str(self.port)) for word in command],
                env=os.environ | environment,
                cwd=folder(),
                stdout=log,
                stderr=log,
            )
        _processes.append(self)

    def asked_by(self, config, admin, environment):
        """What `explain` needs to know of a gateway."""
        self.config, self.admin, self.environment = config, admin, os.environ | environment

    def ready(self):
        for _ in range(2000):
            if self._child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"{self.log.name}:\n{self.log.read_text()}")

    def stop(self):
        """To end: gunicorn at once and with its workers, the gateway without more ado."""
        self._child.send_signal(signal.SIGKILL if self._name == "gateway" else signal.SIGQUIT)

    def wait(self):
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


# Whose `request.auth` views read.
AUTH = {
    "token": "rest_framework.authentication.TokenAuthentication",
    "jwt": "rest_framework_simplejwt.authentication.JWTAuthentication",
    "knox": "knox.auth.TokenAuthentication",
}

_pairs: dict[tuple, Pair | None] = {}
_upstreams: dict[tuple, Process] = {}
# Of each upstream, which starts after the first gateway.
_ports: dict[tuple, int] = {}
_processes: list[Process] = []
_folders: list[tempfile.TemporaryDirectory] = []


def folder():
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory(prefix="portcullis-differential."))
    return Path(_folders[0].name)


def upstream(variant, database, first):
    """Django behind gateways, of whose settings it has few. All sign with the same key."""
    key = upstream_key(variant, database)
    if key not in _upstreams:
        jwks = http.exchange(first.port, http.get("/.well-known/jwks.json")).json
        believes = {"KEYS": jwks["keys"], "ISSUER": "portcullis", "AUDIENCE": "django", "AUTH": AUTH}
        # A callout, and Hawk's keys, name users of this project by their names.
        believes["FOREIGN_USERS"] = "username"
        settings = django({"PORTCULLIS": believes, **shared(variant)}, database)
        environment = {"MODE": "gateway", "PORTCULLIS_JWKS_URL": "", **settings}
        _upstreams[key] = Process("upstream", GUNICORN, environment, _ports[key])
    return _upstreams[key]


def upstream_key(variant, database):
    return (json.dumps(shared(variant)), database)


def shared(variant):
    named = {} if variant.username_field == "username" else {"USERNAME_FIELD": variant.username_field}
    timed = {"CLOCK": str(clock_file())} if variant.clock else {}
    return {**variant.languages, **named, **timed}


def clock_file():
    """What time it is for those servers whose clock is a case's."""
    return folder() / "clock"


def with_clock():
    """The environment of a process whose time stands in that file. Its own waiting is not changed."""
    return {
        "LD_PRELOAD": str(next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))),
        "FAKETIME_TIMESTAMP_FILE": str(clock_file()),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def init(settings, database):
    """The lines about languages that `portcullis init` writes for the native project, with a file beside them."""
    config = folder() / f"init-{len(_processes)}.yaml"
    command = [BINARY, "init", "--django", PROJECT / "manage.py", "--python", sys.executable, "--config", config]
    environment = os.environ | {"MODE": "native", **django(settings, database)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"init: {done.stderr}")
    return "".join(re.findall(r"^language:\n(?:  .*\n)+", config.read_text(), re.MULTILINE))


def django(settings, database):
    settings = {"PASSWORD_HASHERS": QUICK, "SECURE_PROXY_SSL_HEADER": HTTPS, **settings}
    return {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": DATABASES[database],
        "EXTRA_SETTINGS": json.dumps(settings),
        "PYTHONPATH": str(PACKAGE),
    }


_taken: set[int] = set()


def free_port():
    """Below the range that outgoing connections take theirs from."""
    for port in random.sample(range(10000, 32000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _taken:
            _taken.add(port)
            return port
    raise RuntimeError("no free port")


@atexit.register
def end_all():
    for process in _processes:
        process.stop()
    for process in _processes:
        process.wait()
    _processes.clear()
    while _folders:
        _folders.pop().cleanup()
