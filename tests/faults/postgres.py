"""A PostgreSQL of the test's own, with Django's tables, that can be killed, stopped and slowed down."""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import psycopg

from clients.servers import Threaded
from faults.support import free_port, until

# Django's tables are copied from where tests/run has made them.
MODEL = os.environ.get("PORTCULLIS_TEST_POSTGRES")
# Debian keeps the servers where only root looks, each version in a folder.
FOLDER = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name), default=None)


class Postgres:
    """One server; everything it has started ends with it."""

    def __init__(self):
        if not MODEL or not FOLDER:
            raise unittest.SkipTest("no PostgreSQL: tests/run starts one")
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-postgres.")
        self.data = Path(self.folder.name, "data")
        self.port = free_port()
        # It refuses to run as root.
        self.owner = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
        os.chmod(self.folder.name, 0o755)
        self.data.mkdir()
        if self.owner:
            shutil.chown(self.data, "nobody", "nogroup")
        words = ["--username", "django", "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
        self.call("initdb", "--pgdata", self.data, *words)
        self.process = None
        self.url = f"postgres://django@127.0.0.1:{self.port}/django"
        self.start()
        self.call("createdb", "--host", "127.0.0.1", "--port", str(self.port), "--username", "django", "django")
        self.call("psql", "--quiet", self.url, given=self.call("pg_dump", "--schema-only", MODEL))

    def call(self, name, *words, given=None):
        done = subprocess.run([FOLDER / name, *words], input=given, capture_output=True, cwd="/", **self.owner)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.decode()}")
        return done.stdout

    def start(self):
        """What it has said is done is written, as where it must not be lost; the machine stays, and so does what is not
        on its disk yet."""
        command = [FOLDER / "postgres", "-D", self.data, "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "timezone=UTC"]
        command += ["-c", "fsync=off"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

        def begin():
            # While a process of one that was killed is still there, it does not.
            if not self.process or self.process.poll() is not None:
                self.process = subprocess.Popen(command, cwd="/", **quiet, **self.owner)
            return self.answers()

        until("PostgreSQL answers", begin)

    def answers(self):
        command = [FOLDER / "pg_isready", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0

    def execute(self, *statements):
        """The rows of the last one."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def signal(self, number):
        """To it and to all that it has started, each of which has made a process group of its own."""
        # First, so that it starts no more of them.
        self.process.send_signal(signal.SIGSTOP)
        until("it has stopped", lambda: Path(f"/proc/{self.process.pid}/stat").read_text().split()[2] == "T")
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for process in [*map(int, children), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def stop(self):
        self.resume()
        self.kill()
        self.folder.cleanup()


class SlowRoad(Threaded):
    """A way to a server on which every answer is late by so many seconds."""

    def __init__(self, port):
        self.far_port, self.late = port, 0.0
        super().__init__()

    def serve(self, near):
        try:
            with near, socket.create_connection(("127.0.0.1", self.far_port)) as far:
                while True:
                    for ready in select.select([near, far], [], [])[0]:
                        said = ready.recv(65536)
                        if not said:
                            return
                        if ready is far and self.late:
                            time.sleep(self.late)
                        (near if ready is far else far).sendall(said)
        except OSError:
            pass
