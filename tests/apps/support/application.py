"""An application on this machine: its tables and users, made once and kept, and the server that its documentation
starts."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import databases
from .environments import environment, quietly
from .places import CACHE, ENVIRONMENT, PACKAGE, free_ports
from .talk import exchange

PATIENCE = 180
# Asked for around the gateway: what the log has before it has been there before.
SENTINEL = "/portcullis-sentinel-%d"

# Of each path, whether its view is Django REST framework's.
RESOLVE = """
import json
from django.urls import Resolver404, resolve
def drf(path):
    for end in "", "/":
        try:
            return hasattr(getattr(resolve(path + end).func, "cls", None), "authentication_classes")
        except Resolver404:
            pass
print("\\n" + json.dumps([path for path in %r if drf(path)]))
"""

SECRETS = {
    "DJANGO_SECRET_KEY": "settings.SECRET_KEY",
    "DATABASE_PASSWORD": "settings.DATABASES['default'].get('PASSWORD', '')",
    "JWT_SIGNING_KEY": "settings.SIMPLE_JWT.get('SIGNING_KEY', settings.SECRET_KEY)",
}


class Place:
    """What a recipe's functions get: where to keep things, and where to listen."""

    def __init__(self, recipe, number):
        self.recipe = recipe
        # The same in each run, since applications write it into their tables.
        self.state = CACHE / recipe.name / "state"
        self.kept = CACHE / recipe.name / "seed"
        self.venv = environment(recipe)
        self.bin = self.venv / "bin"
        self.checkout = recipe.checkout and Path(os.environ[recipe.checkout])
        self.site = next(self.venv.glob("lib/python*/site-packages"))
        self.manage = (self.checkout or self.venv) / recipe.manage.format(site=self.site, state=self.state)
        self.database = "app_" + recipe.name.replace("-", "_")
        self.redis = number
        self.server = databases.SERVER
        self.redis_server = databases.REDIS
        (self.port,) = free_ports(1)

    def variables(self):
        own = {"HOME": str(self.state), "DJANGO_SETTINGS_MODULE": self.recipe.settings}
        own["PATH"] = f"{self.bin}:{ENVIRONMENT['PATH']}"
        paths = [self.checkout] if self.checkout else []
        own["PYTHONPATH"] = os.pathsep.join(map(str, [*paths, PACKAGE]))
        return ENVIRONMENT | own | {key: str(value) for key, value in self.recipe.environment(self).items()}

    # --- tables and users ------------------------------------------------------------------------

    def seed(self):
        """Once for this recipe; afterwards from what was kept."""
        recipe = self.recipe
        told = [recipe.packages, recipe.prepare, recipe.seed, recipe.database, *sorted(self.files().values())]
        mark = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
        if not self.is_kept(mark):
            shutil.rmtree(self.kept, ignore_errors=True)
            shutil.rmtree(self.state, ignore_errors=True)
            self.state.mkdir(parents=True)
            self.write_files()
            if recipe.database == "postgres":
                databases.make(self.database)
            databases.forget(self.redis)
            for command in recipe.prepare:
                self.command(*(word.format(manage=self.manage) for word in command))
            self.shell(recipe.seed)
            if recipe.database == "postgres":
                databases.dump(self.database, self.state / "dump")
            shutil.copytree(self.state, self.kept, symlinks=True)
            (self.kept / "mark").write_text(mark)
        if recipe.database == "postgres":
            databases.restore(self.database + "_seed", self.kept / "dump")

    def is_kept(self, mark):
        return (self.kept / "mark").is_file() and (self.kept / "mark").read_text() == mark

    def files(self):
        # The ports differ from run to run, the rest does not.
        return {name: re.sub(r"\b\d{5}\b", "PORT", text) for name, text in self.recipe.files(self).items()}

    def write_files(self):
        for name, text in self.recipe.files(self).items():
            (self.state / name).parent.mkdir(parents=True, exist_ok=True)
            (self.state / name).write_text(text)

    def reset(self):
        """As after `seed`."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.kept, self.state, symlinks=True)
        self.write_files()
        if self.recipe.database == "postgres":
            databases.make(self.database, self.database + "_seed")
        databases.forget(self.redis)

    def command(self, name, *words):
        return quietly([self.bin / name, *words], env=self.variables(), cwd=self.state)

    def shell(self, text):
        """In the application's own Python, with its models."""
        begin = "import django; django.setup()\n"
        before = f"import sys; sys.path.insert(0, {str(self.manage.parent)!r})\n"
        return quietly([self.bin / "python", "-c", before + begin + text], env=self.variables(), cwd=self.state)

    def secrets(self, names):
        """What `init` says that these variables have to hold, out of the settings."""
        table = {**SECRETS, **self.recipe.secrets}
        missing = [name for name in names if name not in table]
        if missing:
            raise RuntimeError(f"the recipe does not say what is in {', '.join(missing)}")
        rows = ", ".join(f"{name!r}: str({table[name]})" for name in names)
        text = f"from django.conf import settings\nimport json\nprint('\\n' + json.dumps({{{rows}}}))"
        return json.loads(self.shell(text).splitlines()[-1])

    def paths_of_drf(self, paths):
        return set(json.loads(self.shell(RESOLVE % sorted(paths)).splitlines()[-1]))

    # --- the server ------------------------------------------------------------------------------

    def settings_file(self):
        if self.recipe.lines_in:
            return self.state / self.recipe.lines_in
        folders = [self.manage.parent, self.site, *([self.checkout] if self.checkout else [])]
        files = [folder / (self.recipe.settings.replace(".", "/") + ".py") for folder in folders]
        packages = [file.with_suffix("") / "__init__.py" for file in files]
        return next((file for file in (*files, *packages) if file.is_file()), None)

    def start(self, log, **more):
        return Server(self, log, more)


class Server:
    """It answers until it is stopped, and says what it was asked."""

    def __init__(self, place, log, more):
        self.port = place.port
        self.path = Path(log)
        self.log = self.path.open("w+")
        self.asked = 0
        command = [str(word) for word in place.recipe.serve(place)]
        command[0] = str(place.bin / command[0])
        self.process = subprocess.Popen(
            command, cwd=place.state, env=place.variables() | more, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"{' '.join(command)} does not answer:\n{self.said()[-3000:]}")
            time.sleep(0.2)

    def answers(self):
        try:
            exchange(self.port, "GET", SENTINEL % 0, {}, b"")
        except OSError:
            return False
        return True

    def said(self):
        return self.path.read_text(errors="replace")

    def requests(self):
        """What it has been asked since the last time. A line stands there only after its answer."""
        self.asked += 1
        mark = SENTINEL % self.asked
        exchange(self.port, "GET", mark, {}, b"")
        end = time.monotonic() + 10
        while mark not in (said := self.said()):
            if time.monotonic() > end:
                raise RuntimeError("the application's log names no requests")
            time.sleep(0.01)
        before = said.rpartition(SENTINEL % (self.asked - 1))[2] if self.asked > 1 else said
        return re.findall(r'"([A-Z]+) (/[^ ]*) HTTP', before.partition(mark)[0])

    def stop(self):
        for kind in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, kind)
                self.process.wait(timeout=15)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        self.log.close()
