"""A virtual environment for each application, made again only when its packages change."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from .places import CACHE, ENVIRONMENT, ROOT

# What the package of deploy/django needs; it is on PYTHONPATH itself, as it is in the work tree.
COMMON = ["PyJWT[crypto]>=2.10.1"]


class Unavailable(Exception):
    """The application cannot be tried here, and why."""


def environment(recipe):
    """The folder of the recipe's environment."""
    packages = [*checkout(recipe), *recipe.packages, *COMMON]
    stamp = hashlib.sha256("\n".join([recipe.python, *packages]).encode()).hexdigest()
    folder = CACHE / recipe.name / "venv"
    if (folder / "stamp").is_file() and (folder / "stamp").read_text() == stamp:
        return folder
    python = interpreter(recipe.python)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    quietly([python, "-m", "venv", folder])
    quietly([folder / "bin/pip", "install", "--disable-pip-version-check", *packages])
    recipe.installed(next(folder.glob("lib/python*/site-packages")))
    (folder / "stamp").write_text(stamp)
    return folder


def interpreter(version):
    """On the PATH, where pyenv has stand-ins that may not work, or among pyenv's own."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    for path in (shutil.which(f"python{version}"), *kept.glob(f"{version}.*/bin/python{version}")):
        if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
            return path
    raise Unavailable(f"there is no Python {version}")


def checkout(recipe):
    """The application itself, where no registry has it."""
    if recipe.checkout is None:
        return []
    path = os.environ.get(recipe.checkout)
    if not path:
        raise Unavailable(f"{recipe.checkout} names no checkout of it")
    return [path]


def quietly(command, **options):
    """Runs it behind whatever else the machine does; what it says is shown if it fails."""
    options = {"env": ENVIRONMENT | {"HOME": os.environ.get("HOME", "/")}, "cwd": ROOT, **options}
    done = subprocess.run(["nice", "-n", "10", *map(str, command)], capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
