"""Where things are, as `tests/run` has exported it."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "tests/django"
PACKAGE = ROOT / "deploy/django"
BINARY = Path(os.environ.get("PORTCULLIS_TEST_BINARY", ROOT / "target/debug/portcullis"))
BIN = Path(sys.prefix) / "bin"
sys.path.append(str(PROJECT))

DEFAULT = "postgres"
DATABASES = {
    "postgres": os.environ["PORTCULLIS_TEST_POSTGRES"],
    "mariadb": os.environ["PORTCULLIS_TEST_MARIADB"],
    "sqlite": os.environ["PORTCULLIS_TEST_SQLITE"],
}
