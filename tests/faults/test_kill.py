"""The gateway, or its database, is killed with SIGKILL while credentials are issued and ended. What a client was told
is so afterwards: what was issued is good, what was ended is not. What it was not told may be either."""

import random
import sqlite3
import threading
import unittest
from http.client import HTTPException
from pathlib import Path

from faults import pages
from faults.postgres import Postgres
from faults.support import Gateway, report, until

USERS = [f"user{number}" for number in range(4)]
ROUNDS = 4


class Clients:
    """Some who log in and out without pause, each remembering what was confirmed."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.good, self.ended, self.wrong = [], [], []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=[name], daemon=True) for name in USERS]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def go_on(self, name):
        while not self.over.is_set():
            for act in (self.knox, self.jwt):
                try:
                    act(name)
                except (OSError, HTTPException):
                    # It is dead: what was asked may have been done or not.
                    self.over.wait(0.01)

    def knox(self, name):
        made = pages.knox_login(self.gateway, name)
        if self.is_done(made, 200):
            key = made.json["token"]
            # Half of them stay.
            if random.random() < 0.5:
                self.good.append(f"Knox {key}")
            elif self.is_done(pages.knox_logout(self.gateway, key), 204):
                self.ended.append(f"Knox {key}")

    def jwt(self, name):
        made = pages.jwt(self.gateway, name)
        if self.is_done(made, 200):
            refresh = made.json["refresh"]
            if random.random() < 0.5:
                self.good.append(refresh)
            elif self.is_done(pages.jwt_blacklist(self.gateway, refresh), 200):
                self.ended.append(refresh)

    def is_done(self, answer, status):
        """503 is an honest answer while the database is dead."""
        if answer.status not in (status, 503):
            self.wrong.append((answer.status, answer.body))
        return answer.status == status and answer.whole

    def status(self, credential):
        if credential.startswith("Knox"):
            return self.gateway.ask("/", credential).status
        return self.gateway.ask("/jwt/verify/", method="POST", data={"token": credential}).status


class Killed:
    def check(self, gateway, kill, start):
        clients = Clients(gateway)
        for _ in range(ROUNDS):
            self.let_some_pass(clients)
            kill()
            start()
        clients.stop()
        until("the store answers", gateway.store_answers)
        self.assertEqual(clients.wrong, [])
        self.assertEqual([clients.status(credential) for credential in clients.good], [200] * len(clients.good))
        dead = [401 if credential.startswith("Knox") else 400 for credential in clients.ended]
        self.assertEqual([clients.status(credential) for credential in clients.ended], dead)
        report(self, kills=ROUNDS, issued_and_good=len(clients.good), ended_and_dead=len(clients.ended))

    def let_some_pass(self, clients):
        """Until some moment between two answers."""
        good = len(clients.good) + 1 + random.randrange(30)
        ended = len(clients.ended) + 1 + random.randrange(30)
        until("they log in and out", lambda: len(clients.good) >= good and len(clients.ended) >= ended)


class OnSqlite(Killed, unittest.TestCase):
    def test_the_gateway(self):
        """Attack: the gateway is killed between what it does in the store and what it tells the client, and in the
        middle of a write to the file."""
        gateway = Gateway(pages.YAML, USERS)
        self.addCleanup(gateway.stop)
        self.check(gateway, gateway.kill, gateway.start)
        with sqlite3.connect(Path(gateway.folder.name, "store.db")) as store:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(store.execute("PRAGMA foreign_key_check").fetchall(), [])


class OnPostgres(Killed, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = Postgres()
        cls.addClassCleanup(cls.database.stop)
        cls.gateway = Gateway(pages.YAML, USERS, store=f'store: {{ url: "{cls.database.url}", timeout: 2s }}')
        cls.addClassCleanup(cls.gateway.stop)

    def test_the_gateway(self):
        """Attack: the same, with a database that stays."""
        self.check(self.gateway, self.gateway.kill, self.gateway.start)

    def test_the_database(self):
        """Attack: the database is killed, and what the gateway was told of it was not kept."""
        self.check(self.gateway, self.database.kill, self.database.start)


if __name__ == "__main__":
    unittest.main()
