import json
import threading
import time
import unittest
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest import mock

from portcullis_django import keys
from portcullis_django.keys import FetchedKeys, FixedKeys, read_jwk, read_jwks

from .gateway import OTHER_KEY, jwk


class JwksServer:
    """Serves `body` and counts how often it was asked."""

    def __init__(self, *jwks):
        self.serve(*jwks)
        self.status, self.headers, self.asked, self.delay = 200, {}, 0, 0

    def serve(self, *jwks):
        self.body = json.dumps({"keys": list(jwks)}).encode()

    @contextmanager
    def running(self):
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked += 1
                time.sleep(server.delay)
                self.send_response(server.status)
                for header in server.headers.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(server.body)

            def log_message(self, *args):
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
            self.url = f"http://127.0.0.1:{http.server_port}/jwks.json"
            thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()


class Clock:
    """Moves the module's clock by hand."""

    def __init__(self, test):
        self.now = 1000.0
        patch = mock.patch.object(keys.time, "monotonic", lambda: self.now)
        patch.start()
        test.addCleanup(patch.stop)


def ask(fetched, kid):
    """What the middleware does for each request."""
    if fetched.due(kid):
        fetched.fetch(kid)
    return fetched.get(kid)


class Fetching(unittest.TestCase):
    def setUp(self):
        self.clock = Clock(self)
        self.server = JwksServer(jwk())
        running = self.server.running()
        running.__enter__()
        self.addCleanup(running.__exit__, None, None, None)
        self.keys = FetchedKeys(self.server.url, 30)

    def test_only_when_a_key_is_needed(self):
        self.assertEqual(self.server.asked, 0)
        self.assertTrue(self.keys.empty())
        for _ in range(3):
            self.assertIsNotNone(ask(self.keys, "one"))
        self.assertEqual(self.server.asked, 1)
        self.assertFalse(self.keys.empty())

    def test_unknown_key_asks_once_a_cooldown(self):
        ask(self.keys, "one")
        for second in range(29):
            self.clock.now = 1000 + second
            self.assertIsNone(ask(self.keys, f"made-up-{second}"))
        self.assertEqual(self.server.asked, 1)
        self.clock.now = 1030
        self.server.serve(jwk(), jwk(OTHER_KEY, "two"))
        self.assertIsNotNone(ask(self.keys, "two"))
        self.assertIsNone(ask(self.keys, "made-up"))
        self.assertEqual(self.server.asked, 2)

    def test_withdrawn_key_is_forgotten_after_its_lifetime(self):
        ask(self.keys, "one")
        self.server.serve(jwk(OTHER_KEY, "two"))
        self.clock.now += 599
        self.assertIsNotNone(ask(self.keys, "one"))
        self.clock.now += 2
        self.assertIsNone(ask(self.keys, "one"))

    def test_old_keys_are_kept_while_the_gateway_does_not_answer_well(self):
        ask(self.keys, "one")
        bad = [
            (500, b"", {}),
            (200, b"not json", {}),
            (200, b"[]", {}),
            (200, b'{"keys":[]}', {}),
            (200, self.server.body.ljust(keys.LARGEST_JWKS + 1), {}),
            (302, b"", {"Location": self.server.url}),
        ]
        for turn, (self.server.status, self.server.body, self.server.headers) in enumerate(bad):
            self.clock.now += 601
            with self.subTest(turn), self.assertLogs("portcullis_django", "WARNING"):
                self.assertIsNotNone(ask(self.keys, "one"))
            self.assertEqual(self.server.asked, turn + 2)

    def test_without_any_key_the_next_attempt_is_soon(self):
        self.server.status = 500
        with self.assertLogs("portcullis_django", "WARNING"):
            self.assertIsNone(ask(self.keys, "one"))
        self.server.status = 200
        self.assertIsNone(ask(self.keys, "one"))
        self.clock.now += 1
        self.assertIsNotNone(ask(self.keys, "one"))

    def test_silent_gateway_is_not_waited_for(self):
        self.server.delay = 0.5
        with mock.patch.object(keys, "TIMEOUT", 0.1), self.assertLogs("portcullis_django", "WARNING"):
            self.assertIsNone(ask(self.keys, "one"))

    def test_crowd_asks_once_and_all_get_the_key(self):
        self.server.delay = 0.1
        found = []
        crowd = [threading.Thread(target=lambda: found.append(ask(self.keys, "one"))) for _ in range(20)]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()
        self.assertEqual(self.server.asked, 1)
        self.assertTrue(len(found) == 20 and all(found))


class Reading(unittest.TestCase):
    def test_keys_of_other_kinds_are_passed_over(self):
        others = [
            {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
            {"kty": "oct", "kid": "hmac", "k": "AAAA"},
            jwk(kid="encryption", use="enc"),
            jwk(kid="other-algorithm", alg="Ed448"),
            jwk(kid="short", x="AAAA"),
            jwk(kid="odd", x="A"),
            jwk(kid="private", d="AAAA"),
            jwk(kid=""),
            jwk(kid=1),
            None,
        ]
        found = read_jwks(json.dumps({"keys": [*others, jwk(use="sig", alg="EdDSA")]}).encode())
        self.assertEqual(list(found), ["one"])

    def test_settings_do_not_pass_over(self):
        for wrong in [jwk(d="AAAA"), {"kty": "RSA"}, {}, None, "one", jwk(x=None)]:
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                read_jwk(wrong)
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                FixedKeys([jwk(), wrong])
