"""What deploy/ ships, and the programs of others that judge it."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from clients.gateway import BINARY, ROOT
from clients.servers import ENVIRONMENT

DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus/alerts.yaml"
# Programs that come as Python packages are beside the interpreter, the others where Debian puts them.
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def run(*command, folder=None, **environment):
    """The exit status, and all that was said."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**ENVIRONMENT, "PATH": PATH, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def check(configuration, **environment):
    """What `portcullis check` makes of a gateway.yaml."""
    with tempfile.TemporaryDirectory(prefix="portcullis-shipped.") as folder:
        file = Path(folder, "gateway.yaml")
        file.write_text(configuration)
        return run(BINARY, "check", "--config", file, folder=folder, **environment)


def read_yaml(*path):
    return yaml.safe_load(DEPLOY.joinpath(*path).read_text())


def fetch(url, form=None, **headers):
    """Status and body."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, urllib.parse.urlencode(form).encode() if form else None, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def lost(before, after, at=""):
    """Where a model does not hold what it was made of: it knows no such key."""
    if isinstance(before, dict):
        for key, value in before.items():
            if isinstance(after, dict) and key in after:
                yield from lost(value, after[key], f"{at}/{key}")
            else:
                yield f"{at}/{key}"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after)):
            yield from lost(*pair, f"{at}/{number}")
    elif before != after:
        yield f"{at}: {json.dumps(before)} is {json.dumps(after)}"
