"""Where things are: what is kept between runs stands in the build's folder, what a run makes in a temporary one."""

import os
import socket
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
CACHE = TARGET / "apps"
PACKAGE = ROOT / "deploy/django"

# Nothing else of the caller's: what is set there must not be what makes it work.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    # An application that shows its own commit must not find this one.
    "GIT_CEILING_DIRECTORIES": str(TARGET),
}


def free_ports(count):
    """All different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()
