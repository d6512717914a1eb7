"""PostgreSQL databases of one server: made from a dump that is kept, so that each pass begins with the same rows."""

import os
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

SERVER = urlsplit(os.environ.get("PORTCULLIS_TEST_POSTGRES", ""))
REDIS = urlsplit(os.environ.get("PORTCULLIS_TEST_REDIS", ""))
TOOLS = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name), default=Path())


def tool(name, *words):
    there = ["--host", SERVER.hostname, "--port", str(SERVER.port), "--username", SERVER.username]
    command = [TOOLS / name, *there, *words]
    done = subprocess.run(command, env={"PGPASSWORD": SERVER.password}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr}")


def make(name, like="template0"):
    tool("dropdb", "--if-exists", "--force", name)
    tool("createdb", "--template", like, name)


def dump(name, file):
    tool("pg_dump", "--format", "custom", "--file", file, name)


def restore(name, file):
    make(name)
    tool("pg_restore", "--dbname", name, "--no-owner", file)


def forget(number):
    """Empties one database of the Redis server."""
    with socket.create_connection((REDIS.hostname, REDIS.port), timeout=5) as wire:
        wire.sendall(b"SELECT %d\r\nFLUSHDB\r\n" % number)
        if wire.recv(64).count(b"+OK") < 1:
            raise RuntimeError("Redis does not answer")
