"""A hundred reloads under load: no request is lost, and none is judged by anything but a whole configuration."""

import os
import threading
import unittest
from collections import Counter
from http.client import HTTPConnection, HTTPException

import psycopg

from faults.http2 import Client
from faults.postgres import MODEL
from faults.service import Service
from faults.support import PATIENCE, Gateway, ask, basic, report, token, until

# What differs from one to the next is said to the service, too: which of the two has judged.
YAML = """
authentication: [token, basic]
permission: authenticated
identity: {{ headers: {{ X-Judged-By: "{name} {{user.username}}" }} }}
routes:
  - {{ path: /, upstream: echo }}
  - {{ path: /public/, permission: anyone, upstream: echo }}
  - {{ path: /staff/, permission: staff, upstream: echo }}
  - {{ path: /in-turns/, permission: {rule}, upstream: echo }}
  - {{ path: /drip/, upstream: "http://127.0.0.1:{port}" }}
"""
RULES = {"one": "authenticated", "two": "staff"}
BROKEN = "authentication: [tokn]\npermission: anyone\nroutes: [{ path: /, upstream: echo }]\n"


def cases(alice, bob):
    """What is asked, with which credential, and what may be answered: the status, and who the service is told it is."""
    unknown = f"Token {'0' * 40}"
    return [
        ("/", alice, {(200, "alice")}),
        ("/", bob, {(200, "bob")}),
        ("/", basic("alice"), {(200, "alice")}),
        ("/", None, {(401, None)}),
        ("/", unknown, {(401, None)}),
        ("/", basic("alice", "wrong"), {(401, None)}),
        ("/public/", None, {(200, None)}),
        ("/public/", unknown, {(401, None)}),
        ("/staff/", alice, {(403, None)}),
        ("/in-turns/", alice, {(200, "alice"), (403, None)}),
        ("/in-turns/", None, {(401, None)}),
    ]


class Asking(threading.Thread):
    """Asks everything in turns, and keeps what was answered otherwise than it has to be."""

    def __init__(self, gateway, cases, protocol):
        super().__init__(daemon=True)
        self.gateway, self.cases, self.protocol = gateway, cases, protocol
        self.over = threading.Event()
        self.count, self.wrong, self.turns = 0, [], Counter()

    def run(self):
        connection = self.connection()
        while not self.over.is_set():
            for target, credential, expected in self.cases:
                try:
                    self.see(target, expected, self.ask(connection, target, credential))
                except (OSError, HTTPException, AssertionError) as error:
                    self.wrong.append((self.protocol, target, repr(error)))
        if connection:
            connection.close()

    def connection(self):
        """None where each request has its own."""
        match self.protocol:
            case "http2":
                return Client(self.gateway.port)
            case "kept":
                return HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)

    def ask(self, connection, target, credential):
        if self.protocol != "http2":
            return ask(self.gateway.port, target, credential, connection=connection)
        return connection.answer(connection.get(target, credential))

    def see(self, target, expected, answer):
        self.count += 1
        user = answer.user if answer.status == 200 else None
        good = answer.whole and (answer.status, user) in expected
        if user:
            # By a whole configuration: this one lets her in.
            judge, _, name = answer.headers_upstream.get("x-judged-by", "nobody").partition(" ")
            good &= name == user and (target != "/in-turns/" or RULES.get(judge) == "authenticated")
        if target == "/in-turns/":
            self.turns[answer.status] += 1
        if not good:
            self.wrong.append((self.protocol, target, answer))


class Reload(unittest.TestCase):
    def test_a_hundred(self):
        """Attack (an accident): in the moment of a reload a request finds no route, another's rule, a scheme that has
        no store yet, or a connection that is closed; or a broken file opens what it was to protect."""
        service = Service()
        self.addCleanup(service.stop)

        def yaml(number):
            name = list(RULES)[number % 2]
            return YAML.format(name=name, rule=RULES[name], port=service.port)

        gateway = Gateway(yaml(0), ["alice", "bob"])
        self.addCleanup(gateway.stop)
        alice, bob = token(gateway, "alice"), token(gateway, "bob")
        asking = [Asking(gateway, cases(alice, bob), protocol) for protocol in ("new", "kept", "http2") * 2]
        # A long answer, which many reloads pass by.
        long = threading.Thread(target=lambda: drips.append(gateway.ask("/drip/40", alice)))
        drips = []
        for thread in [long, *asking]:
            thread.start()
        for number in range(1, 101):
            if number % 10 == 0:
                self.refuse(gateway)
            gateway.write(yaml(number))
            gateway.reload()
        long.join()
        for thread in asking:
            thread.over.set()
            thread.join()
        self.assertEqual([wrong for thread in asking for wrong in thread.wrong][:5], [])
        self.assertEqual([(drip.status, drip.whole, drip.body[-4:]) for drip in drips], [(200, True, b"end\n")])
        turns = sum((thread.turns for thread in asking), Counter())
        self.assertTrue(turns[200] and turns[403], "one of the two was never seen")
        report(self, reloads=100, refused=10, requests=sum(thread.count for thread in asking), wrong=0)

    def refuse(self, gateway):
        before = gateway.metric("reloads_total", 'result="refused"')
        gateway.write(BROKEN)
        gateway.hangup()
        until("it is refused", lambda: gateway.metric("reloads_total", 'result="refused"') > before)

    def test_nothing_is_left_of_the_old(self):
        """Attack (time): each reload leaves something behind, and some day there is no room for the next.

        Where each leaves the connection on which it heard revocations for a minute only, a hundred within it are
        enough: the database takes no more, from the gateway or from anybody else."""
        if not MODEL:
            self.skipTest("no PostgreSQL: tests/run starts one")
        name = f"reloads-{os.getpid()}"
        store = f'store: "{MODEL}?application_name={name}"'
        gateway = Gateway(YAML.format(name="one", rule="staff", port=1), [], store=store)
        self.addCleanup(gateway.stop)
        database = psycopg.connect(MODEL, autocommit=True)
        self.addCleanup(database.close)

        def held():
            of_it = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
            return gateway.descriptors(), database.execute(of_it, [name]).fetchone()[0]

        gateway.reload()
        before = held()
        for _ in range(20):
            gateway.reload()
        report(self, reloads=20, descriptors=f"{before[0]} to {held()[0]}", connections=f"{before[1]} to {held()[1]}")
        until("what the old ones held is free", lambda: held()[0] < before[0] + 10 and held()[1] < before[1] + 5, 5)


if __name__ == "__main__":
    unittest.main()
