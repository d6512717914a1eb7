"""Django and the gateway before one database, side by side: what one of them gives or takes, the other knows at once.

Each test goes both ways: `here` is the gateway and `there` Django, then the reverse."""

import functools
import unittest

from support import Browser, Side, Variant, basic, bearer, cookies, database, get, on_every_database, post, rows, tokens

ALICE = basic("alice", "correct horse")
RIGHT = {"username": "alice", "password": "correct horse"}


def both_ways(test):
    @functools.wraps(test)
    def twice(self):
        pair = Variant().on(self.database)
        database.use(self.database)
        for names in (("gateway", "Django"), ("Django", "gateway")):
            database.reset()
            sides = {"Django": Side("Django", pair.native.port), "gateway": Side("gateway", pair.gateway.port)}
            with self.subTest(here=names[0]):
                test(self, *(sides[name] for name in names))

    return twice


class Interop(unittest.TestCase):
    database = "postgres"

    def known(self, side, request, user="alice"):
        answer = side.send(request)
        self.assertEqual(answer.status, 200, f"{side.name}: {answer.body[:300]!r}")
        self.assertEqual(answer.json["user"], user)

    def refused(self, side, request, status=401):
        self.assertEqual(side.send(request).status, status, side.name)


@on_every_database
class Sessions(Interop):
    def log_in(self, side, **form):
        browser = Browser(side)
        answer = browser.log_in(**form)
        self.assertEqual(answer.status, 302, f"{side.name}: {answer.body[:300]!r}")
        return browser

    def moved(self, browser, side):
        """The same browser before the other one."""
        return Browser(side).keep(**browser.cookies)

    @both_ways
    def test_logged_in_here_is_logged_in_there(self, here, there):
        browser = self.log_in(here)
        request = get("/session/", cookies(sessionid=browser.cookies["sessionid"]))
        self.known(here, request)
        self.known(there, request)

    @both_ways
    def test_secret_given_here_counts_there(self, here, there):
        browser = self.log_in(here)
        pair = {name: browser.cookies[name] for name in ("sessionid", "csrftoken")}
        self.known(there, post("/session/", cookies(**pair), f"X-CSRFToken: {pair['csrftoken']}"))
        self.refused(there, post("/session/", cookies(**pair)), 403)

    @both_ways
    def test_page_there_of_who_has_logged_in_here(self, here, there):
        browser = self.moved(self.log_in(here), there)
        browser.get("/api-auth/login/")
        self.assertEqual(browser.submit("/api-auth/login/", **RIGHT).status, 302)
        self.assertEqual(len(database.sessions()), 1)

    @both_ways
    def test_logged_out_there_is_logged_out_here(self, here, there):
        browser = self.log_in(here)
        request = get("/session/", cookies(sessionid=browser.cookies["sessionid"]))
        self.known(here, request)
        away = self.moved(browser, there)
        away.get("/api-auth/login/")
        self.assertEqual(away.log_out().status, 200)
        self.refused(here, request, 403)
        self.refused(there, request, 403)

    @both_ways
    def test_logged_in_there_as_somebody_else(self, here, there):
        browser = self.log_in(here)
        away = self.moved(browser, there)
        away.log_in("staff")
        self.refused(here, get("/session/", cookies(sessionid=browser.cookies["sessionid"])), 403)
        self.known(here, get("/session/", cookies(sessionid=away.cookies["sessionid"])), "staff")

    @both_ways
    def test_data_of_the_project_stays(self, here, there):
        key = rows.session(None, basket={"ä": ["日本", 1.5, None, True]}, flag="x" * 3000)
        browser = Browser(here).keep(sessionid=key)
        self.assertEqual(browser.log_in().status, 302)
        [session] = database.sessions()
        self.assertIn(("basket", {"ä": ["日本", 1.5, None, True]}), session["data"])
        self.known(there, get("/session/", cookies(sessionid=browser.cookies["sessionid"])))

    @both_ways
    def test_password_changed_in_django(self, here, there):
        """The session that changed it goes on, with a new key; all others end, here and there."""
        django = here if here.name == "Django" else there
        changing, other = self.moved(self.log_in(here), django), self.log_in(here)
        changing.get("/api-auth/login/")
        answer = changing.submit("/accounts/password/", password="another")
        self.assertEqual(answer.status, 200, answer.body)
        for side in (here, there):
            self.known(side, get("/session/", cookies(sessionid=changing.cookies["sessionid"])))
            self.refused(side, get("/session/", cookies(sessionid=other.cookies["sessionid"])), 403)

    @both_ways
    def test_user_made_inactive(self, here, there):
        request = get("/session/", cookies(sessionid=self.log_in(here).cookies["sessionid"]))
        rows.change(is_active=False)
        self.refused(there, request, 403)
        self.refused(here, request, 403)


@on_every_database
class Passwords(Interop):
    @both_ways
    def test_hash_upgraded_here_counts_there(self, here, there):
        """Once: the second one finds nothing to do."""
        rows.change(password=rows.hashed("correct horse", 999))
        self.known(here, get("/basic/", ALICE))
        upgraded = rows.password("alice")
        self.assertTrue(upgraded.startswith("pbkdf2_sha256$1000$"), upgraded)
        self.known(there, get("/basic/", ALICE))
        self.assertEqual(rows.password("alice"), upgraded)

    @both_ways
    def test_upgrade_here_ends_sessions_there(self, here, there):
        rows.change(password=rows.hashed("correct horse", 999))
        request = get("/session/", cookies(sessionid=rows.session()))
        self.known(there, request)
        self.known(here, get("/basic/", ALICE))
        self.refused(there, request, 403)


class Hashers(Interop):
    """What is not the preferred hash is read, and replaced at the first right password. Slow: on one database only."""

    @both_ways
    def test_every_hasher(self, here, there):
        for algorithm in ("pbkdf2_sha1", "argon2", "bcrypt_sha256", "scrypt"):
            with self.subTest(algorithm):
                rows.change(password=rows.hashed_by(algorithm, "correct horse"))
                self.refused(here, get("/basic/", basic("alice", "wrong")))
                self.known(here, get("/basic/", ALICE))
                self.assertTrue(rows.password("alice").startswith("pbkdf2_sha256$1000$"))
                self.known(there, get("/basic/", ALICE))


@on_every_database
class DrfTokens(Interop):
    @both_ways
    def test_key_made_here_is_the_key_there(self, here, there):
        staff = {**RIGHT, "username": "staff"}
        made = here.send(post("/api-token-auth/", data=staff)).json["token"]
        self.assertEqual(there.send(post("/api-token-auth/", data=staff)).json["token"], made)
        self.known(there, get("/token/", f"Authorization: Token {made}"), "staff")


@on_every_database
class JsonWebTokens(Interop):
    def obtain(self, side):
        return side.send(post("/api/token/", data=RIGHT)).json

    def renew(self, side, token):
        return side.send(post("/api/token/refresh/", data={"refresh": token}))

    @both_ways
    def test_obtained_here_used_there(self, here, there):
        pair = self.obtain(here)
        self.known(there, get("/jwt/", bearer(pair["access"])))
        self.known(here, get("/jwt/", bearer(pair["access"])))

    @both_ways
    def test_obtained_here_renewed_there(self, here, there):
        answer = self.renew(there, self.obtain(here)["refresh"])
        self.assertEqual(answer.status, 200, answer.body)
        self.known(here, get("/jwt/", bearer(answer.json["access"])))

    @both_ways
    def test_blacklisted_there_is_dead_here(self, here, there):
        token = self.obtain(here)["refresh"]
        self.assertEqual(self.renew(here, token).status, 200)
        self.assertEqual(there.send(post("/api/token/blacklist/", data={"refresh": token})).status, 200)
        for side in (here, there):
            answer = self.renew(side, token)
            self.assertEqual((answer.status, answer.json["detail"]), (401, "Token is blacklisted"), side.name)

    @both_ways
    def test_made_nowhere_blacklisted_here(self, here, there):
        token = tokens.refresh()
        self.assertEqual(here.send(post("/api/token/blacklist/", data={"refresh": token})).status, 200)
        self.assertEqual(self.renew(there, token).status, 401)

    @both_ways
    def test_user_made_inactive(self, here, there):
        pair = self.obtain(here)
        rows.change(is_active=False)
        for side in (here, there):
            self.refused(side, get("/jwt/", bearer(pair["access"])))
            self.assertEqual(self.renew(side, pair["refresh"]).status, 401)

    @both_ways
    def test_sliding_obtained_here_renewed_there(self, here, there):
        token = here.send(post("/api/sliding/", data=RIGHT)).json["token"]
        answer = there.send(post("/api/sliding/refresh/", data={"token": token}))
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(here.send(post("/api/sliding/refresh/", data=answer.json)).status, 200)


@on_every_database
class KnoxTokens(Interop):
    def log_in(self, side):
        return side.send(post("/api/auth/login/", ALICE)).json["token"]

    @both_ways
    def test_made_here_used_there(self, here, there):
        request = get("/knox/", f"Authorization: Token {self.log_in(here)}")
        self.known(there, request)
        self.known(here, request)

    @both_ways
    def test_logged_out_there_is_dead_here(self, here, there):
        header = f"Authorization: Token {self.log_in(here)}"
        self.known(here, get("/knox/", header))
        self.assertEqual(there.send(post("/api/auth/logout/", header)).status, 204)
        self.refused(here, get("/knox/", header))
        self.refused(there, get("/knox/", header))

    @both_ways
    def test_all_logged_out_here_are_dead_there(self, here, there):
        headers = [f"Authorization: Token {self.log_in(side)}" for side in (here, there)]
        for header in headers:
            self.known(there, get("/knox/", header))
        self.assertEqual(here.send(post("/api/auth/logoutall/", headers[0])).status, 204)
        for header in headers:
            self.refused(there, get("/knox/", header))
