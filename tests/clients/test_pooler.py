"""Behind PgBouncer, which gives each transaction whichever connection is free: nobody is taken for somebody else.

Attack, without an attacker: the gateway has the pooler prepare a statement, the pooler hands the connection on, and the
statement that is run is another client's. A right password is then wrong, or a stranger's token is alice's."""

import asyncio
import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx

from clients.gateway import BINARY, free_port
from clients.servers import ENVIRONMENT, Server, portcullis
from clients.test_django_settings import project

POSTGRES = os.environ.get("PORTCULLIS_TEST_POSTGRES")
# Debian keeps it where only root looks.
PGBOUNCER = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
PROJECT = Path(__file__).resolve().parents[1] / "django"
NAME = f"pooled_{os.getpid()}"
PASSWORD = "pooled"
USERS = 1000
CONNECTIONS = 64
# 100000 for a night.
LOOKUPS = int(os.environ.get("PORTCULLIS_TEST_LOOKUPS", 2000))

INI = """
[databases]
app = host={host} port={port} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 2
max_client_conn = 1000
# What every driver of JVMs needs, and no more.
ignore_startup_parameters = extra_float_digits
"""

# A password's hash in one round: the pooler is what is asked here.
SEED = f"""
import base64, hashlib
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
call_command("migrate", verbosity=0)
digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"pw", b"abc", 1)).decode()
users = [User(username=f"u{{i}}", password=f"pbkdf2_sha256$1$abc${{digest}}") for i in range({USERS})]
users = User.objects.bulk_create(users)
Token.objects.bulk_create(Token(user=user, key=f"{{i:040x}}") for i, user in enumerate(users[: {USERS} // 2]))
"""

YAML = """
listen: 127.0.0.1:{port}
store: {{ url: "{url}", connections: {connections}, timeout: 60s{more} }}
secret_key: throwaway-secret-key-for-tests-0123456789
# The first has a challenge, so that who is nobody gets 401.
authentication: [basic, token, session]
permission: authenticated
cache: {{ {cache} }}
lockout: false
auth_rate: 1000000/min
passwords: {{ iterations: 1000, upgrade: false }}
routes:
  - {{ path: /who, endpoint: whoami }}
  - {{ path: /token/, endpoint: token }}
  - {{ path: /api-auth/, endpoint: session }}
  - {{ path: /, permission: anyone, upstream: echo }}
"""
# Each request asks the store.
ASKS = "ttl: 1ms, negative_ttl: 1ms, grace: 0s"


def setUpModule():
    if not POSTGRES:
        raise unittest.SkipTest("PORTCULLIS_TEST_POSTGRES names no PostgreSQL")
    if not PGBOUNCER:
        raise unittest.SkipTest("PgBouncer is not installed")
    import psycopg
    from psycopg import sql

    global folder, server, direct, pooled, pooler_port
    holder = tempfile.TemporaryDirectory(prefix="portcullis-pooler.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    server = psycopg.connect(POSTGRES, autocommit=True)
    unittest.addModuleCleanup(server.close)
    for statement in ["DROP ROLE {}", "DROP DATABASE {} WITH (FORCE)"]:
        unittest.addModuleCleanup(server.execute, sql.SQL(statement).format(sql.Identifier(NAME)))
    server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(NAME), PASSWORD))
    server.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(NAME)))
    where = urlsplit(POSTGRES)
    direct = f"postgres://{NAME}:{PASSWORD}@{where.hostname}:{where.port}/{NAME}"
    made = subprocess.run(
        [sys.executable, PROJECT / "manage.py", "shell", "--no-imports", "--command", SEED],
        env={**ENVIRONMENT, "MODE": "native", "DATABASE_URL": direct}, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    pooler_port = start_pgbouncer(where)
    pooled = f"postgres://{NAME}:{PASSWORD}@127.0.0.1:{pooler_port}/app"


def start_pgbouncer(where):
    port = free_port()
    (folder / "users").write_text(f'"{NAME}" "{PASSWORD}"\n')
    text = INI.format(host=where.hostname, port=where.port, name=NAME, listen=port, folder=folder)
    (folder / "pgbouncer.ini").write_text(text)
    as_user = []
    if os.geteuid() == 0:
        # It refuses to run as root.
        folder.chmod(0o755)
        as_user = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]
    with (folder / "pgbouncer.log").open("w") as log:
        process = subprocess.Popen([*as_user, PGBOUNCER, folder / "pgbouncer.ini"], stdout=log, stderr=log)
    unittest.addModuleCleanup(process.wait)
    unittest.addModuleCleanup(process.terminate)
    import psycopg

    for _ in range(500):
        try:
            with psycopg.connect(f"postgres://{NAME}:{PASSWORD}@127.0.0.1:{port}/app"):
                return port
        except psycopg.OperationalError:
            assert process.poll() is None, (folder / "pgbouncer.log").read_text()
            time.sleep(0.02)
    raise RuntimeError((folder / "pgbouncer.log").read_text())


def write(name, url, *, port=0, connections=CONNECTIONS, cache=ASKS, **more):
    """A configuration; `more` are settings of the store."""
    more = "".join(f', {key}: "{value}"' if isinstance(value, str) else f", {key}: true" for key, value in more.items())
    text = YAML.format(port=port or free_port(), url=url, connections=connections, cache=cache, more=more)
    (folder / name).write_text(text)
    return name


def gateway(test, name, url, **options):
    port = free_port()
    started = Server([BINARY, "run", "--config", write(name, url, port=port, **options)], port, folder)
    test.addClassCleanup(started.stop) if isinstance(test, type) else test.addCleanup(started.stop)
    return started


class Client:
    """One connection that is kept, and is opened anew where the gateway has closed it."""

    def __init__(self, port):
        self.port = port
        self.wire = None

    async def send(self, method, path, *headers, body=b""):
        """The status, and what the body says."""
        if self.wire is None:
            self.wire = await asyncio.open_connection("127.0.0.1", self.port)
        reader, writer = self.wire
        lines = [f"{method} {path} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = [line for line in head.split("\r\n") if line.startswith("content-length:")]
        text = await reader.readexactly(int(length[0].split(":")[1])) if length else b""
        if "connection: close" in head:
            self.close()
        return int(head.split()[1]), json.loads(text or b"null")

    def close(self):
        if self.wire:
            self.wire[1].close()
            self.wire = None


def basic(name, password):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Lookups(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = gateway(cls, "lookups.yaml", pooled, pooler=True)

    def tally(self, one):
        """What became of look-ups on all connections; `one(client, random)` says in a word what was wrong, or None."""
        found = {}

        async def worker(number):
            client, dice = Client(self.server.port), random.Random(number)
            for _ in range(max(1, LOOKUPS // CONNECTIONS)):
                try:
                    word = await one(client, dice)
                except (OSError, asyncio.IncompleteReadError) as error:
                    word = f"no answer: {error!r}"
                    client.close()
                found[word] = found.get(word, 0) + 1
            client.close()

        async def all_of_them():
            await asyncio.gather(*(worker(number) for number in range(CONNECTIONS)))

        asyncio.run(all_of_them())
        return found

    def assert_well(self, found):
        wrong = {word: times for word, times in found.items() if word}
        said = self.server.said()
        self.assertFalse(wrong, f"{sum(wrong.values())} of {sum(found.values())}: {list(wrong)[:3]}\n{said[-1000:]}")
        self.assertGreaterEqual(found[None], LOOKUPS // CONNECTIONS * CONNECTIONS)
        self.assertNotIn("prepared statement", said)

    def test_mixed_lookups(self):
        async def one(client, dice):
            number, kind = dice.randrange(USERS // 2), dice.random()
            if kind < 0.45:
                header, expected = f"Authorization: Token {number:040x}", 200
            elif kind < 0.75:
                number = dice.randrange(USERS)
                header, expected = basic(f"u{number}", "pw"), 200
            elif kind < 0.76:
                # Each costs a whole hash.
                header, expected = basic(f"u{number}", "wrong"), 401
            elif kind < 0.77:
                header, expected = basic(f"nobody{number}", "pw"), 401
            else:
                header, expected = f"Authorization: Token {number + USERS * 5:040x}", 401
            status, told = await client.send("GET", "/who", header)
            if status == 200 and (expected != 200 or told["username"] != f"u{number}"):
                return f"wrong identity: {header}: {told}"
            return None if status == expected else f"{status} where it is {expected}: {header}: {told}"

        self.assert_well(self.tally(one))

    def test_tokens_made(self):
        """Two transactions of the gateway's own at a time, and rows that are made in them."""
        made = {}

        async def one(client, dice):
            number = dice.randrange(USERS // 2, USERS)
            body = json.dumps({"username": f"u{number}", "password": "pw"}).encode()
            status, told = await client.send("POST", "/token/", "Content-Type: application/json", body=body)
            if status != 200:
                return f"{status}: {told}"
            if made.setdefault(number, told["token"]) != told["token"]:
                return "two tokens of one user"
            status, who = await client.send("GET", "/who", f"Authorization: Token {told['token']}")
            return None if (status, who["username"]) == (200, f"u{number}") else f"wrong identity: {status} {who}"

        self.assert_well(self.tally(one))
        self.assertEqual(len(set(made.values())), len(made))

    def test_sessions_made(self):
        def log_in(number):
            with httpx.Client(base_url=self.server.url, timeout=120) as browser:
                browser.get("/api-auth/login/")
                form = {"username": f"u{number}", "password": "pw", "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                answer = browser.post("/api-auth/login/", data=form, headers={"Referer": self.server.url})
                return answer.status_code, browser.get("/who").json()["username"]

        numbers = range(0, USERS, USERS // CONNECTIONS)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for number, found in zip(numbers, pool.map(log_in, numbers), strict=True):
                self.assertEqual(found, (302, f"u{number}"))


class Commands(unittest.TestCase):
    def test_check(self):
        write("good.yaml", pooled, pooler=True)
        done = portcullis(folder, "check", "--store", "--config", "good.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_again_and_again(self):
        """What one has left behind at the pooler's connections must not stop the next."""
        write("again.yaml", pooled, pooler=True)
        for _ in range(5):
            done = portcullis(folder, "check", "--store", "--config", "again.yaml")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_check_says_what_is_missing(self):
        """A pooler on a port that tells nothing, in a project whose settings tell nothing, is found: without the
        setting right credentials would be refused."""
        write("untold.yaml", pooled)
        done = portcullis(folder, "check", "--store", "--config", "untold.yaml")
        self.assertIn("pooler: true", done.stdout + done.stderr)

    def test_users(self):
        write("users.yaml", pooled, pooler=True)
        for _ in range(3):
            done = portcullis(folder, "token", "list", "--config", "users.yaml")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("u17", done.stdout)


class Revocation(unittest.TestCase):
    """What is changed in the database ends what is remembered: the gateway listens to PostgreSQL itself."""

    @classmethod
    def setUpClass(cls):
        forever = "ttl: 1h, negative_ttl: 1ms"
        name = write("triggers.yaml", pooled, pooler=True)
        done = portcullis(folder, "store", "triggers", "--config", name)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.server = gateway(cls, "listens.yaml", pooled, pooler=True, listen_url=direct, cache=forever)
        import psycopg

        cls.rows = psycopg.connect(direct, autocommit=True)
        cls.addClassCleanup(cls.rows.close)

    def who(self, header):
        return httpx.get(self.server.url + "/who", headers=[header.split(": ")]).status_code

    def assert_ends(self, header):
        """Soon, where it would be remembered for an hour."""
        for _ in range(1000):
            if self.who(header) == 401:
                return
            time.sleep(0.02)
        self.fail("it is still good")

    def listens(self):
        """It connects by itself, after it has begun to serve."""
        for _ in range(1000):
            row = self.rows.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%%' AND datname = %s", [NAME]
            )
            if row.fetchone()[0]:
                return
            time.sleep(0.02)
        self.fail("nobody listens")

    def test_token_deleted(self):
        self.listens()
        header = f"Authorization: Token {499:040x}"
        self.assertEqual([self.who(header) for _ in range(3)], [200] * 3)
        self.rows.execute("DELETE FROM authtoken_token WHERE key = %s", [f"{499:040x}"])
        self.assert_ends(header)

    def test_user_disabled(self):
        self.listens()
        header = basic("u498", "pw")
        self.assertEqual([self.who(header) for _ in range(3)], [200] * 3)
        self.rows.execute("UPDATE auth_user SET is_active = false WHERE username = 'u498'")
        self.assert_ends(header)

    def test_command(self):
        header = f"Authorization: Token {497:040x}"
        self.assertEqual(self.who(header), 200)
        done = portcullis(folder, "token", "delete", "u497", "--config", "listens.yaml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assert_ends(header)


SETTINGS = """
    SECRET_KEY = "throwaway-secret-key-for-tests-0123456789"
    ROOT_URLCONF = "shop.urls"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
    DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "USER": "%(user)s", "PASSWORD": "%(password)s",
        "NAME": "app", "HOST": "127.0.0.1", %(more)s}}
    INSTALLED_APPS = [
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework",
        "rest_framework.authtoken",
    ]
    MIDDLEWARE = []
    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    }
"""
URLS = """
    from django.urls import path
    from rest_framework.authtoken.views import obtain_auth_token

    urlpatterns = [path("token/", obtain_auth_token)]
"""
MANAGE = """
    import os, sys
    from django.core.management import execute_from_command_line

    os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
    execute_from_command_line(sys.argv)
"""


class Init(unittest.TestCase):
    """`init` finds what tells of a pooler in Django's settings."""

    def init(self, **database):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-init.")
        self.addCleanup(holder.cleanup)
        self.place = Path(holder.name)
        more = ", ".join(f'"{name}": {value!r}' for name, value in database.items())
        settings = SETTINGS % {"user": NAME, "password": PASSWORD, "more": more}
        files = {"manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": settings, "shop/urls.py": URLS}
        done = portcullis(self.place, "init", "--django", project(self.place, files), "--python", sys.executable)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout, (self.place / "gateway.yaml").read_text()

    def test_no_server_side_cursors(self):
        """As Django's documentation wants it behind a pooler of transactions."""
        told, text = self.init(PORT=pooler_port, DISABLE_SERVER_SIDE_CURSORS=True)
        self.assertRegex(text, r"(?m)^  pooler: true\b")
        self.assertIn("listen_url", told)
        secrets = {"DJANGO_SECRET_KEY": "throwaway-secret-key-for-tests-0123456789", "DATABASE_PASSWORD": PASSWORD}
        done = portcullis(self.place, "check", "--store", **secrets)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_port_of_pgbouncer(self):
        for port in ["6432", 6432]:
            with self.subTest(port=port):
                _, text = self.init(PORT=port)
                self.assertRegex(text, r"(?m)^  pooler: true\b")

    def test_none(self):
        _, text = self.init(PORT=urlsplit(POSTGRES).port)
        self.assertNotIn("pooler", text)


if __name__ == "__main__":
    unittest.main()
