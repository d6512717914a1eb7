"""Database URLs as Django's packages and libpq write them: each works, or `check` names the spelling that does."""

import os
import socket
import sqlite3
import tempfile
import threading
import unittest
from pathlib import Path
from urllib.parse import quote, urlsplit

from clients.servers import Threaded, portcullis

POSTGRES = os.environ.get("PORTCULLIS_TEST_POSTGRES")
MARIADB = os.environ.get("PORTCULLIS_TEST_MARIADB")
NAME = f"urls_{os.getpid()}"
# All that ends a part of a URL, and what only looks as if it were encoded.
PASSWORD = "p@ss/w:rd?#%41&=[x]"
ENCODED = quote(PASSWORD, safe="")

YAML = """
listen: 127.0.0.1:0
store: {{ url: '{url}'{more} }}
authentication: [basic]
routes: [{{ path: /, upstream: echo }}]
"""


class Forwarding(Threaded):
    """A Unix socket before a server's port."""

    def __init__(self, path, host, port):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        self.to = host, port
        threading.Thread(target=self.accept, daemon=True).start()

    def serve(self, connection):
        with connection, socket.create_connection(self.to) as server:
            back = threading.Thread(target=self.copy, args=[server, connection], daemon=True)
            back.start()
            self.copy(connection, server)
            back.join()

    def copy(self, source, target):
        try:
            while chunk := source.recv(65536):
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def answered(status, said):
    """Or the database says itself that it has no users."""
    return status == 0 or "auth_user" in said


class Urls(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="portcullis-urls.")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def check(self, url, password=None, store=False):
        """Its exit status, and what it says."""
        more = "" if password is None else f", password: '{password}'"
        # Of a store that is not there nothing is to be learned.
        more += "" if store else ", timeout: 100ms"
        (self.folder / "gateway.yaml").write_text(YAML.format(url=url, more=more))
        done = portcullis(self.folder, "check", *(["--store"] if store else []))
        self.assertNotIn("panicked", done.stderr)
        return done.returncode, done.stdout + done.stderr

    def assert_works(self, url, password=None):
        """It is not merely taken: the store has answered."""
        with self.subTest(url):
            status, said = self.check(url, password, store=True)
            self.assertTrue(answered(status, said), said)

    def assert_works_or_says(self, url, right):
        with self.subTest(url):
            status, said = self.check(url, store=True)
            self.assertTrue(answered(status, said) or "error: store:" in said and right in said, said)

    def assert_refused(self, url, *words):
        """Without a word to the store, whether or not it would answer."""
        with self.subTest(url):
            status, said = self.check(url)
            self.assertEqual(status, 1, said)
            self.assertIn("error: store", said)
            for word in words:
                self.assertIn(word, said)
            return said


class Spellings(Urls):
    """No server is needed to say that a URL is not right."""

    def test_characters_that_end_a_password(self):
        """The host would be what is before them, and the password in the error of whoever looks it up."""
        for character, encoded in [("#", "%23"), ("?", "%3F"), ("/", "%2F")]:
            for scheme in ["postgres", "psql", "mysql"]:
                for password in [f"s3cret{character}word", f"{character}s3cret", f"s3cret{character}:#@"]:
                    said = self.assert_refused(f"{scheme}://app:{password}@127.0.0.1:1/app", encoded, "`password`")
                    self.assertNotIn("s3cret", said or "")

    def test_fragment(self):
        """What is behind a # is nothing that a server is asked for: the name of a database is cut short, or a
        password."""
        for url in ["postgres://app@127.0.0.1:1/shop#old", "postgres://app@127.0.0.1:1/shop?password=x#y"]:
            self.assert_refused(url, "%23")

    def test_service(self):
        for url in ["postgres://?service=shop", "postgres:///?service=shop", "postgresql://app@db/app?service=shop"]:
            self.assert_refused(url, "service", "host, port, user and database")

    def test_unknown_parameters(self):
        for url, name in [
            ("postgres://app@db/app?conn_max_age=600", "conn_max_age"),
            ("postgres://app@db/app?sslmode=require&ssl=true", "ssl"),
            ("postgres://app@db/app?connect_timeout=10", "connect_timeout"),
            ("postgres://app@db/app?SSLMODE=require", "SSLMODE"),
            ("postgres://app@db/app?sslmodes=verify-full", "sslmodes"),
            ("mysql://app@db/app?unix_socket=/run/mysqld/mysqld.sock", "unix_socket"),
            ("mysql://app@db/app?sslmode=required&ssl_ca=/x", "ssl_ca"),
        ]:
            self.assert_refused(url, f"`{name}`", "known are")

    def test_misspelt_value(self):
        """No server would ever be asked with it, which looks like one that is away."""
        for url in ["postgres://app@127.0.0.1:1/app?sslmode=mandatory", "mysql://app@127.0.0.1:1/app?ssl-mode=mandatory"]:
            self.assert_refused(url, "mandatory")

    def test_other_databases(self):
        for scheme in ["oracle", "mssql", "redshift", "cockroach", "postgresql+psycopg2", "pgsql2", ""]:
            self.assert_refused(f"{scheme}://app@db/app", "sqlite://", "postgres://", "mysql://")

    def test_no_url(self):
        for url in ["", "app:secret@db/app", "/var/lib/app.db", "postgres//app@db/app", "postgres:app@db/app"]:
            self.assert_refused(url, "postgres://")

    def test_several_hosts(self):
        """libpq tries one after the other."""
        self.assert_refused("postgres://app@one,two/app", "host")

    def test_spellings_of_a_scheme(self):
        for scheme in ["postgres", "postgresql", "psql", "pgsql", "postgis", "mysql", "mysql2", "mysqlgis", "mariadb"]:
            with self.subTest(scheme):
                status, said = self.check(f"{scheme}://app:secret@127.0.0.1:1/app")
                self.assertEqual(status, 0, said)
                self.assertIn("does not answer", said)


class Sqlite(Urls):
    def setUp(self):
        super().setUp()
        sqlite3.connect(self.folder / "db.sqlite3").execute("CREATE TABLE x (y)").connection.close()

    def test_own(self):
        for url in ["sqlite://db.sqlite3", "sqlite:db.sqlite3", f"sqlite://{self.folder}/db.sqlite3"]:
            self.assert_works(url)

    def test_three_slashes(self):
        """A relative path for Django's packages, and an absolute one for others: there is no such file in /."""
        status, said = self.check("sqlite:///db.sqlite3", store=True)
        self.assertTrue(answered(status, said) or "sqlite://db.sqlite3" in said, said)

    def test_four_slashes(self):
        self.assert_works(f"sqlite:///{self.folder}/db.sqlite3")

    def test_file_that_is_not_there(self):
        """It is named, since whoever reads it has to know which folder is meant; and it is not made."""
        status, said = self.check("sqlite://nonsuch.sqlite3", store=True)
        self.assertEqual(status, 1, said)
        self.assertIn("nonsuch.sqlite3", said)
        self.assertFalse((self.folder / "nonsuch.sqlite3").exists())


class Postgres(Urls):
    @classmethod
    def setUpClass(cls):
        if not POSTGRES:
            raise unittest.SkipTest("PORTCULLIS_TEST_POSTGRES names no PostgreSQL")
        import psycopg
        from psycopg import sql

        server = psycopg.connect(POSTGRES, autocommit=True)
        cls.addClassCleanup(server.close)
        for statement in ["DROP ROLE {}", "DROP DATABASE {} WITH (FORCE)"]:
            cls.addClassCleanup(server.execute, sql.SQL(statement).format(sql.Identifier(NAME)))
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(NAME), PASSWORD))
        server.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(NAME)))
        cls.where = urlsplit(POSTGRES)
        cls.place = f"{cls.where.hostname}:{cls.where.port}"
        holder = tempfile.TemporaryDirectory(prefix="portcullis-urls.")
        cls.addClassCleanup(holder.cleanup)
        cls.sockets = Path(holder.name)
        forwarding = Forwarding(cls.sockets / ".s.PGSQL.5432", cls.where.hostname, cls.where.port)
        cls.addClassCleanup(forwarding.stop)

    def test_schemes(self):
        for scheme in ["postgres", "postgresql", "psql", "pgsql", "postgis", "timescale"]:
            self.assert_works(f"{scheme}://{NAME}:{ENCODED}@{self.place}/{NAME}")

    def test_password_apart(self):
        """As it is."""
        self.assert_works(f"psql://{NAME}@{self.place}/{NAME}", PASSWORD)

    def test_wrong_password(self):
        """So that the others have shown something."""
        for url, password in [
            (f"postgres://{NAME}:x@{self.place}/{NAME}", None), (f"postgres://{NAME}@{self.place}/{NAME}", ENCODED),
        ]:  # fmt: skip
            status, said = self.check(url, password, store=True)
            self.assertEqual(status, 1, said)
            self.assertIn("password authentication failed", said)

    def test_socket_as_host(self):
        """As dj-database-url has it."""
        host = quote(str(self.sockets), safe="")
        for place in [host, f"{host}:5432"]:
            self.assert_works(f"postgres://{NAME}:{ENCODED}@{place}/{NAME}")

    def test_socket_in_the_query(self):
        folder = self.sockets
        for url in [
            f"postgres://{NAME}:{ENCODED}@localhost/{NAME}?host={folder}",
            f"postgres://{NAME}:{ENCODED}@/{NAME}?host={folder}",
            f"postgres:///{NAME}?host={quote(str(folder), safe='')}&user={NAME}&password={ENCODED}",
            f"postgresql:///?dbname={NAME}&host={folder}&user={NAME}&password={ENCODED}&port=5432",
        ]:
            self.assert_works_or_says(url, "@localhost/")

    def test_socket_as_a_path(self):
        """As django-environ has it."""
        self.assert_works_or_says(f"postgres://{NAME}:{ENCODED}@/{self.sockets}/{NAME}", "host=")

    def test_parameters(self):
        for query in ["sslmode=prefer", "sslmode=disable", "application_name=gateway", "options=-c%20search_path%3Dx"]:
            self.assert_works(f"postgres://{NAME}:{ENCODED}@{self.place}/{NAME}?{query}")

    def test_encryption_that_the_server_has_not(self):
        status, said = self.check(f"postgres://{NAME}:{ENCODED}@{self.place}/{NAME}?sslmode=require", store=True)
        self.assertEqual(status, 1, said)
        self.assertRegex(said, "(?i)tls|ssl")


class Mariadb(Urls):
    @classmethod
    def setUpClass(cls):
        if not MARIADB:
            raise unittest.SkipTest("PORTCULLIS_TEST_MARIADB names no MariaDB")
        cls.where = urlsplit(MARIADB)
        holder = tempfile.TemporaryDirectory(prefix="portcullis-urls.")
        cls.addClassCleanup(holder.cleanup)
        cls.socket = Path(holder.name) / "mysqld.sock"
        cls.addClassCleanup(Forwarding(cls.socket, cls.where.hostname, cls.where.port).stop)

    def url(self, scheme="mysql", place=None, query=""):
        where = self.where
        place = place or f"{where.hostname}:{where.port}"
        return f"{scheme}://{where.username}:{where.password}@{place}{where.path}{query}"

    def test_schemes(self):
        for scheme in ["mysql", "mariadb", "mysql2", "mysqlgis"]:
            self.assert_works(self.url(scheme))

    def test_parameters(self):
        self.assert_works(self.url(query="?charset=utf8mb4"))

    def test_socket(self):
        self.assert_works(self.url(place="localhost", query=f"?socket={self.socket}"))

    def test_socket_elsewhere(self):
        self.assert_works_or_says(self.url(place=quote(str(self.socket), safe="")), "socket=")
        self.assert_works_or_says(self.url(place="localhost", query=f"?unix_socket={self.socket}"), "socket")


if __name__ == "__main__":
    unittest.main()
