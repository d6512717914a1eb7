"""The Compose file: its form, and its services run here without containers, each as the file says."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from urllib.parse import urlsplit

import compose_spec
import psycopg

from clients.gateway import BINARY, PASSWORD, free_port
from clients.servers import BIN, ENVIRONMENT, Server
from shipped.support import DEPLOY, check, fetch, read_yaml

FILE = "compose.yaml"
GIVEN = {"POSTGRES_PASSWORD": "throwaway", "SECRET_KEY": "throwaway" * 5}
VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::\?[^}]*)?\}")


def filled_in(text):
    """As Compose does it: two dollars are one, and a variable is what was given."""
    return VARIABLE.sub(lambda found: GIVEN[found[1]] if found[1] else "$", text)


class Form(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (DEPLOY / FILE).read_text()
        cls.file = read_yaml(FILE)
        cls.services = cls.file["services"]

    def test_it_is_what_the_specification_says(self):
        compose_spec.PyOptions(apply_merge=True).from_yaml(self.text)

    def test_the_specification_is_strict(self):
        for right, wrong in (("depends_on", "depend_on"), ("service_healthy", "healthy"), ("1536m", "1536x")):
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                compose_spec.PyOptions(apply_merge=True).from_yaml(self.text.replace(right, wrong))

    def test_what_is_named_exists(self):
        for name, service in self.services.items():
            self.assertLessEqual(set(service["networks"]), self.file["networks"].keys(), name)
            self.assertLessEqual(set(service.get("depends_on", [])), self.services.keys(), name)
            if "build" in service:
                folder = DEPLOY / service["build"]["context"]
                self.assertTrue((folder / service["build"]["dockerfile"]).is_file(), name)
        for config in self.services["gateway"]["configs"]:
            self.assertIn(config["source"], self.file["configs"])

    def test_only_the_gateway_is_reached(self):
        self.assertTrue(self.file["networks"]["back"]["internal"])
        for name, service in self.services.items():
            if name != "gateway":
                self.assertEqual((service["networks"], service.get("ports")), (["back"], None), name)

    def test_what_is_ours_is_locked_down(self):
        for name in ("gateway", "api", "migrate"):
            service = self.services[name]
            self.assertIs(service["read_only"], True, name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"], name)

    def test_there_is_time_to_end(self):
        """`limits.drain` is 30 s where nothing is said."""
        self.assertRegex(self.services["gateway"]["stop_grace_period"], r"^3[5-9]s$")


class Example(unittest.TestCase):
    """Django's tables, the API and the gateway, on one PostgreSQL."""

    @classmethod
    def setUpClass(cls):
        cls.file = read_yaml(FILE)
        cls.folder = tempfile.TemporaryDirectory(prefix="portcullis-compose.")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.make_database()
        gateway_port, api_port = free_port(), free_port()
        environment = cls.environment(gateway_port)
        for command in (
            cls.file["services"]["migrate"]["command"],
            ["django-admin", "createsuperuser", "--noinput", "--username=alice", "--email=alice@example.com"],
        ):
            command = [BIN / command[0], *command[1:]]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        cls.gateway = cls.start_gateway(gateway_port, api_port)
        cls.addClassCleanup(cls.gateway.stop)
        cls.api = cls.start_api(api_port, environment)
        cls.addClassCleanup(cls.api.stop)

    @classmethod
    def make_database(cls):
        url = os.environ["PORTCULLIS_TEST_POSTGRES"]
        cls.database = urlsplit(url)._replace(path="/compose")

        def execute(statement):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(statement)

        execute("DROP DATABASE IF EXISTS compose WITH (FORCE)")
        execute("CREATE DATABASE compose")
        cls.addClassCleanup(execute, "DROP DATABASE compose WITH (FORCE)")

    @classmethod
    def environment(cls, gateway_port):
        """The API's, but for where the database and the gateway are."""
        said = cls.file["services"]["api"]["environment"]
        said = {name: filled_in(value) for name, value in said.items()}
        elsewhere = {
            "PGHOST": cls.database.hostname,
            "PGPORT": str(cls.database.port),
            "PGUSER": cls.database.username,
            "PGPASSWORD": cls.database.password,
            "PGDATABASE": "compose",
            "PORTCULLIS_JWKS_URL": said["PORTCULLIS_JWKS_URL"].replace("gateway:8080", f"127.0.0.1:{gateway_port}"),
        }
        assert elsewhere.keys() - {"PGPORT"} == said.keys() - {"SECRET_KEY"}
        return {
            **ENVIRONMENT,
            **said,
            **elsewhere,
            "DJANGO_SETTINGS_MODULE": "settings",
            "PYTHONPATH": f"{DEPLOY / 'compose'}:{DEPLOY / 'django'}",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }

    @classmethod
    def start_gateway(cls, port, api_port):
        text = filled_in(cls.file["configs"]["gateway"]["content"])
        host = f"{cls.database.username}@{cls.database.hostname}:{cls.database.port}/compose"
        for there, here in (
            ("0.0.0.0:8080", f"127.0.0.1:{port}"),
            ("api@database/api", host),
            ("http://api:8000", f"http://127.0.0.1:{api_port}"),
        ):
            assert there in text
            text = text.replace(there, here)
        with open(f"{cls.folder.name}/gateway.yaml", "w") as file:
            file.write(text)
        variables = {"DATABASE_PASSWORD": cls.database.password, "SECRET_KEY": GIVEN["SECRET_KEY"]}
        return Server([BINARY, "run"], port, cls.folder.name, **variables)

    @classmethod
    def start_api(cls, port, environment):
        """With the very command of its image."""
        recipe = (DEPLOY / "compose/Dockerfile").read_text()
        program, *options = json.loads(re.search(r"(?m)^CMD (.*)$", recipe)[1])
        options = [option.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for option in options]
        return Server([BIN / program, *options], port, cls.folder.name, **environment)

    def test_nobody_is_refused(self):
        self.assertEqual(fetch(self.gateway.url)[0], 401)

    def test_a_password_and_a_token_are_taken(self):
        form = {"username": "alice", "password": PASSWORD}
        status, body = fetch(f"{self.gateway.url}/api-token-auth/", form)
        self.assertEqual(status, 200, body)
        status, body = fetch(self.gateway.url, Authorization=f"Token {json.loads(body)['token']}")
        self.assertEqual((status, json.loads(body)), (200, {"user": "alice", "staff": True}))

    def test_the_api_answers_nobody_else(self):
        self.assertEqual(fetch(self.api.url, Remote_User="alice")[0], 403)

    def test_the_configuration_as_it_stands_is_good(self):
        text = filled_in(self.file["configs"]["gateway"]["content"])
        status, said = check(text, DATABASE_PASSWORD="throwaway", SECRET_KEY=GIVEN["SECRET_KEY"])
        self.assertEqual(status, 0, said)

    def test_the_api_has_the_versions_that_are_tested(self):
        ours = set((DEPLOY / "compose/requirements.txt").read_text().splitlines())
        tested = set((DEPLOY.parent / "tests/django/requirements.txt").read_text().splitlines())
        self.assertLessEqual(ours, tested)
