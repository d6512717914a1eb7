"""Django on its own and the gateway before Django, in every combination of settings that cases ask for."""

import atexit
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
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

    def on(self, database):
        """Its two servers, started when first asked for."""
        key = (json.dumps([self.django, self.gateway, self.remote_user, self.public]), database)
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


def default_classes(*names, django=None, gateway=""):
    """DEFAULT_AUTHENTICATION_CLASSES, under which pages of the packages are served, and more settings."""
    framework = {"DEFAULT_AUTHENTICATION_CLASSES": [CLASSES[name] for name in names]}
    lines = f"authentication: [{', '.join(names)}]\n"
    return Variant({"REST_FRAMEWORK": framework, **(django or {})}, lines + gateway)


class Pair:
    def __init__(self, variant, database):
        self.native = Process("native", GUNICORN, {"MODE": "native", **django(variant.django, database)})
        config = folder() / f"gateway-{len(_processes)}.yaml"
        port, behind = free_port(), _ports.setdefault(database, free_port())
        told = (variant.gateway, variant.remote_user, variant.public)
        config.write_text(gateway.document(port, DATABASES[database], behind, *told))
        self.gateway = Process("gateway", [BINARY, "run", "--config", config], {}, port)
        self.gateway.ready()
        upstream(database, self.gateway).ready()
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


_pairs: dict[tuple, Pair | None] = {}
_upstreams: dict[str, Process] = {}
# Of the upstream of each database, which starts after the first gateway.
_ports: dict[str, int] = {}
_processes: list[Process] = []
_folders: list[tempfile.TemporaryDirectory] = []


def folder():
    if not _folders:
        _folders.append(tempfile.TemporaryDirectory(prefix="portcullis-differential."))
    return Path(_folders[0].name)


def upstream(database, first):
    """Django behind gateways: one a database, since it has no settings of theirs. All sign with the same key."""
    if database not in _upstreams:
        jwks = http.exchange(first.port, http.get("/.well-known/jwks.json")).json
        settings = {"PORTCULLIS": {"KEYS": jwks["keys"], "ISSUER": "portcullis", "AUDIENCE": "django"}}
        environment = {"MODE": "gateway", "PORTCULLIS_JWKS_URL": "", **django(settings, database)}
        _upstreams[database] = Process("upstream", GUNICORN, environment, _ports[database])
    return _upstreams[database]


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
