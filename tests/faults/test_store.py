"""The database is killed, stopped, slow, read-only, and out of room."""

import ctypes
import os
import resource
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import pages
from faults.postgres import Postgres, SlowRoad
from faults.support import Gateway, Others, basic, report, token, until

USERS = ["alice", "bob", "carol", "dave", "erin", "frank"]
STORE = 'store: {{ url: "{url}", timeout: {timeout} }}\n'
# Nothing is believed without asking, so that no test has to wait for anything to expire.
ASKING = "cache: { ttl: 0s, negative_ttl: 0s, grace: 1h }\n"


def setUpModule():
    global database
    database = Postgres()
    unittest.addModuleCleanup(database.stop)
    # The command line makes them.
    Gateway("routes: [{ path: /, upstream: echo }]", USERS, store=STORE.format(url=database.url, timeout="5s")).stop()


def gateway_on(test, url, yaml, timeout="20s"):
    gateway = Gateway(yaml, [], store=STORE.format(url=url, timeout=timeout))
    test.addCleanup(gateway.stop)
    return gateway


class Gone(unittest.TestCase):
    """Attack: the database goes away, and "cannot ask" is read as "no", which throws out everybody, or as "nobody",
    which lets them in as strangers; or whoever is known waits behind whoever is not."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(ASKING + pages.YAML, [], store=STORE.format(url=database.url, timeout="500ms"))
        cls.addClassCleanup(cls.gateway.stop)
        cls.alice, cls.bob = token(cls.gateway, "alice"), token(cls.gateway, "bob")

    def unknown(self):
        """Everything that nobody could check: a good credential that was not seen before, too."""
        unknown = [f"Token {'0' * 40}", self.bob, basic("bob"), f"Knox {'0' * 64}"]
        answers = [self.gateway.ask("/", credential) for credential in unknown]
        return answers + [pages.token(self.gateway, "bob"), pages.knox_login(self.gateway, "bob")]

    def outage(self, begin, end):
        gateway = self.gateway
        until("alice is let in", lambda: gateway.ask("/", self.alice).status == 200)
        with Others(gateway, "/", self.alice) as others:
            others.more()
            begin()
            until("the gateway knows", lambda: not gateway.store_answers())
            for _ in range(3):
                for answer in self.unknown():
                    self.assertEqual((answer.status, answer.headers.get("retry-after")), (503, "1"))
                    self.assertNotIn("www-authenticate", answer.headers)
            self.assertEqual(gateway.health("live"), 200)
            # Who brings nothing needs no database to be refused.
            self.assertEqual(gateway.ask("/").status, 401)
            others.more(20)
            end()
            until("bob is let in", lambda: gateway.ask("/", self.bob).status == 200)
            until("it is there again", gateway.store_answers)
        self.assertIsInstance(others.served(), int)
        self.assertEqual({answer.user for answer in others.answers}, {"alice"})
        until("who is nobody is refused", lambda: gateway.ask("/", f"Token {'0' * 40}").status == 401)
        report(self, known_served=others.served())

    def setUp(self):
        # What one outage has taught is not known in the next.
        self.gateway.reload()

    def test_stopped(self):
        """Attack: it hangs. Connections to it stand, and nothing comes back."""
        self.outage(database.pause, database.resume)

    def test_killed(self):
        """Attack: it dies, and is started again."""
        self.outage(database.kill, database.start)

    def test_no_longer_than_the_grace(self):
        """The rule: the grace is what the file says; none is none."""
        gateway = gateway_on(self, database.url, ASKING.replace("1h", "0s") + pages.YAML, timeout="1s")
        until("alice is let in", lambda: gateway.ask("/", self.alice).status == 200)
        database.pause()
        self.addCleanup(database.resume)
        self.assertEqual([gateway.ask("/", self.alice).status for _ in range(3)], [503] * 3)

    def test_nobody_is_locked_out_by_it(self):
        """Attack: whoever loses patience during an outage and asks again is counted as somebody who guesses."""
        gateway = Gateway(ASKING + pages.YAML, [], store=STORE.format(url=database.url, timeout="30s"), lockout="")
        self.addCleanup(gateway.stop)
        database.pause()
        self.addCleanup(database.resume)
        self.lose_patience(gateway, "bob")
        database.resume()
        until("he is let in", lambda: gateway.ask("/", basic("bob")).status == 200)

    def test_told_to_end_in_the_middle_of_it(self):
        """Attack: the gateway is ended while questions to the database are open: none of them may panic."""
        gateway = Gateway(ASKING + pages.YAML, [], store=STORE.format(url=database.url, timeout="30s"))
        database.pause()
        self.addCleanup(database.resume)
        self.lose_patience(gateway, "bob")
        gateway.stop()

    def lose_patience(self, gateway, name):
        for _ in range(5):
            with self.assertRaises(TimeoutError):
                gateway.ask("/", basic(name), timeout=0.1)


class Slow(unittest.TestCase):
    def setUp(self):
        self.road = SlowRoad(database.port)
        self.addCleanup(self.road.stop)

    def start(self, timeout):
        url = database.url.replace(str(database.port), str(self.road.port))
        self.gateway = gateway_on(self, url, ASKING + pages.YAML, timeout)
        self.carol, self.dave = token(self.gateway, "carol"), token(self.gateway, "dave")

    def who(self, credential):
        answer = self.gateway.ask("/", credential)
        return answer.user if answer.status == 200 else answer.status

    def test_slow_but_there(self):
        """Attack: each question takes long, and what needs none waits behind it; or a slow yes is taken for a no."""
        self.start("20s")
        self.road.late = 0.05
        with Others(self.gateway) as strangers, ThreadPoolExecutor(16) as pool:
            asked = [self.carol, self.dave, f"Token {'0' * 40}"] * 8
            seen = list(pool.map(self.who, asked))
            strangers.more()
        self.assertEqual(seen, ["carol", "dave", 401] * 8)
        self.assertEqual(set(strangers.statuses), {401}, "who brings nothing has not waited")
        report(self, asked=len(asked), strangers_answered=len(strangers.statuses))

    def test_an_answer_that_comes_too_late_is_nobody_s(self):
        """Attack: the answer about one credential comes after the gateway has given up on it, and is read as the
        answer to the next question on the same connection: one user is taken for another."""
        self.start("1s")
        for late in (1.5, 1.2):
            self.road.late = late
            with ThreadPoolExecutor(8) as pool:
                seen = set(pool.map(self.who, [self.carol, self.dave] * 4))
            self.assertEqual(seen, {503})
            self.road.late = 0.0
            until("it answers again", lambda: self.who(self.carol) != 503)
            with ThreadPoolExecutor(8) as pool:
                seen = list(pool.map(self.who, [self.carol, self.dave, f"Token {'0' * 40}"] * 20))
            # On a busy machine some may be late again.
            wrong = [pair for pair in zip(seen, ["carol", "dave", 401] * 20) if pair[0] not in (pair[1], 503)]
            self.assertEqual((wrong, set(seen) - {503}), ([], {"carol", "dave", 401}))
            # So that the next round asks about somebody whom no grace covers.
            self.gateway.reload()


class Unwritable(unittest.TestCase):
    """Attack: the database can be read but not written to. What was not written must not be said to be done: no
    token that nobody keeps, no log-out that ends nothing; and who is let in by reading alone still is."""

    def credentials(self, gateway):
        """Some of each kind, made while it could be written to."""
        knox = pages.knox_login(gateway, "erin").json["token"]
        return pages.token(gateway, "erin").json["token"], knox, pages.jwt(gateway, "erin").json

    def check(self, gateway, erin):
        """The statuses of what writes, which nobody may take for done or for refused."""
        key, knox, pair = erin
        written = {
            "token": pages.token(gateway, "frank"),
            "knox login": pages.knox_login(gateway, "erin"),
            "knox logout": pages.knox_logout(gateway, knox),
            "jwt": pages.jwt(gateway, "erin"),
            "jwt refresh": pages.jwt_refresh(gateway, pair["refresh"]),
            "jwt blacklist": pages.jwt_blacklist(gateway, pair["refresh"]),
            "session": pages.log_in(gateway, "erin"),
        }
        self.assertEqual({name: answer.status for name, answer in written.items()}, dict.fromkeys(written, 503))
        for credential in (f"Token {key}", f"Knox {knox}", f"Bearer {pair['access']}", basic("erin")):
            self.assertEqual(gateway.ask("/", credential).status, 200, "it only reads")
        self.assertEqual(pages.token(gateway, "erin").json["token"], key, "she has one already")
        self.assertEqual(gateway.ask("/", f"Token {'0' * 40}").status, 401)

    def check_after(self, gateway, erin):
        """What had been said not to be done was not, and is now."""
        _, knox, pair = erin
        self.assertEqual(gateway.ask("/", f"Knox {knox}").status, 200)
        until("a token is made", lambda: pages.token(gateway, "frank").status == 200)
        self.assertEqual(pages.knox_logout(gateway, knox).status, 204)
        self.assertEqual(gateway.ask("/", f"Knox {knox}").status, 401)
        self.assertEqual(pages.jwt_refresh(gateway, pair["refresh"]).status, 200)
        self.assertEqual(pages.jwt_refresh(gateway, pair["refresh"]).status, 401)

    def test_read_only(self):
        """Attack: it has become a standby's, and takes no writes."""
        gateway = gateway_on(self, database.url, ASKING + pages.YAML)
        erin = self.credentials(gateway)
        forget = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                  AND pid <> pg_backend_pid()"
        database.execute("ALTER DATABASE django SET default_transaction_read_only = on", forget)
        until("the gateway has connected again", lambda: gateway.ask("/", f"Token {erin[0]}").status == 200)
        self.check(gateway, erin)
        read_write = "SET default_transaction_read_only = off"
        database.execute(read_write, "ALTER DATABASE django RESET default_transaction_read_only", forget)
        until("the gateway has connected again", gateway.store_answers)
        self.check_after(gateway, erin)

    def test_no_room_in_the_file(self):
        """Attack: nothing can be written to any file any more, as with a quota that somebody has used up."""
        gateway = Gateway(ASKING + pages.YAML, ["erin", "frank"])
        self.addCleanup(gateway.stop)
        erin = self.credentials(gateway)
        before = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        self.check(gateway, erin)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, before)
        self.check_after(gateway, erin)

    def test_no_room_on_the_disk(self):
        """Attack: somebody else has filled the disk."""
        disk = small_disk(self)
        gateway = Gateway(ASKING + pages.YAML, ["erin", "frank"], folder=disk)
        self.addCleanup(gateway.stop)
        erin = self.credentials(gateway)
        filler = Path(disk, "filler")
        with filler.open("wb", buffering=0) as file, self.assertRaisesRegex(OSError, "No space left"):
            while True:
                file.write(bytes(4096))
        until("it is full", lambda: pages.knox_login(gateway, "erin").status != 200)
        self.check(gateway, erin)
        filler.unlink()
        self.check_after(gateway, erin)


def small_disk(test):
    folder = tempfile.TemporaryDirectory(prefix="portcullis-disk.")
    test.addCleanup(folder.cleanup)
    libc = ctypes.CDLL(None, use_errno=True)
    name = folder.name.encode()
    if libc.mount(b"none", name, b"tmpfs", 0, b"size=2m"):
        test.skipTest(f"no disk of a test's own: {os.strerror(ctypes.get_errno())}")
    test.addCleanup(libc.umount, name)
    return folder.name


if __name__ == "__main__":
    unittest.main()
