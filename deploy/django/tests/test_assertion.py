import concurrent.futures
import json
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from unittest import mock

import jwt

from portcullis_django import assertion
from portcullis_django.assertion import Caller, KeysUnavailable, Refused, Verifier
from portcullis_django.keys import FetchedKeys, FixedKeys

from . import gateway
from .gateway import HEADER, KEY, OTHER_KEY, claims, jwk, sign


ALICE = gateway.caller("alice")


def verifier(keys=None):
    return Verifier(keys or FixedKeys([jwk(), jwk(OTHER_KEY, "two")]), "portcullis", "django")


class Accepted(unittest.TestCase):
    def test_a_user_and_nobody(self):
        self.assertEqual(verifier().verify(sign(claims("élise"))), gateway.caller("élise"))
        self.assertEqual(verifier().verify(sign(claims())), Caller(None, None))
        self.assertEqual(verifier().verify(gateway.pyjwt_token("alice")), ALICE)

    def test_a_clock_that_is_a_little_off(self):
        now = int(time.time())
        for changes in [{"exp": now - 2}, {"iat": now + 3}, {"exp": now + 1.5}]:
            with self.subTest(changes):
                verifier().verify(sign(claims("alice", **changes)))


class Attacks(unittest.TestCase):
    def refuse(self, token, keys=None):
        with self.assertRaises(Refused):
            verifier(keys).verify(token)

    def test_no_assertion(self):
        self.refuse(None)
        self.refuse("")

    def test_signed_by_somebody_else(self):
        self.refuse(sign(claims("alice"), key=OTHER_KEY))

    def test_another_of_the_gateways_keys_named(self):
        self.refuse(sign(claims("alice"), header={**HEADER, "kid": "two"}))

    def test_unknown_or_strange_key_id(self):
        for kid in ["three", "", "../one", 1, None, ["one"], {"one": 1}]:
            with self.subTest(kid=kid):
                self.refuse(sign(claims("alice"), key=OTHER_KEY, header={**HEADER, "kid": kid}))
        self.refuse(sign(claims("alice"), header={"alg": "EdDSA", "typ": "JWT"}))

    def test_key_brought_along_in_the_token(self):
        for member in [
            {"jwk": jwk(OTHER_KEY)},
            {"jku": "https://attacker.example/jwks.json"},
            {"x5u": "https://attacker.example/cert.pem"},
            {"x5c": ["MIIB"]},
        ]:
            with self.subTest(member):
                self.refuse(sign(claims("alice"), key=OTHER_KEY, header={**HEADER, **member}))

    def test_header_that_asks_for_something_more(self):
        for member in [{"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}, {"zip": "DEF"}, {"typ": "at+jwt"}]:
            with self.subTest(member):
                self.refuse(sign(claims("alice"), header={**HEADER, **member}))

    def test_algorithm_none(self):
        for alg in ["none", "None", "NONE", ""]:
            unsigned = gateway.parts({**HEADER, "alg": alg}, claims("alice"))
            for token in [f"{unsigned}.", unsigned, f"{unsigned}.AAAA"]:
                with self.subTest(token=token):
                    self.refuse(token)

    def test_public_key_used_as_hmac_secret(self):
        public = gateway.public_bytes(KEY)
        for secret in [public, gateway.base64url(public).encode(), str(jwk()).encode(), b""]:
            with self.subTest(secret=secret):
                self.refuse(gateway.sign_hs256(claims("alice"), secret))

    def test_good_signature_under_another_algorithms_name(self):
        for alg in ["Ed25519", "Ed448", "ES256", "RS256", "HS256", "eddsa", None, 1, ["EdDSA"]]:
            with self.subTest(alg=alg):
                self.refuse(sign(claims("alice"), header={**HEADER, "alg": alg}))

    def test_for_another_service(self):
        for aud in ["other", "", "Django", ["django"], ["other", "django"], 1, {"django": 1}]:
            with self.subTest(aud=aud):
                self.refuse(sign(claims("alice", aud=aud)))

    def test_from_another_issuer(self):
        for iss in ["other", "", ["portcullis"], 1]:
            with self.subTest(iss=iss):
                self.refuse(sign(claims("alice", iss=iss)))

    def test_expired_or_not_yet_made(self):
        now = int(time.time())
        for changes in [{"exp": now - 10}, {"exp": 0}, {"exp": -1}, {"iat": now + 60}, {"nbf": now + 60}]:
            with self.subTest(changes):
                self.refuse(sign(claims("alice", **changes)))

    def test_times_that_are_no_numbers(self):
        for name in ["exp", "iat"]:
            for value in ["never", "9999999999", True, [9999999999], {}, float("inf"), float("nan")]:
                with self.subTest(name=name, value=value):
                    self.refuse(sign(claims("alice", **{name: value})))

    def test_claim_left_out(self):
        for name in ["iss", "aud", "iat", "exp", "sub", "preferred_username"]:
            with self.subTest(name=name):
                self.refuse(sign(claims("alice", **{name: None})))

    def test_identity_that_is_no_text(self):
        for name in ["sub", "preferred_username", "scheme", "user_id"]:
            for value in [1, True, "", ["1"], {"1": 1}]:
                with self.subTest(name=name, value=value):
                    self.refuse(sign(claims("alice", **{name: value})))

    def test_key_of_a_row_beside_nobodys_name(self):
        """An anonymous caller's assertion that has a key all the same is an anonymous caller's."""
        self.assertEqual(verifier().verify(sign(claims(user_id="1"))), Caller(None))

    def test_claims_that_are_no_object(self):
        for payload in [[], "alice", 1, None]:
            with self.subTest(payload=payload):
                self.refuse(sign(payload))

    def test_altered_in_any_one_place(self):
        token = sign(claims("alice"))
        for place in range(len(token)):
            for other in "ABQgwz-":
                if other != token[place]:
                    with self.subTest(place=place, other=other):
                        self.refuse(token[:place] + other + token[place + 1 :])
            with self.subTest(cut=place):
                self.refuse(token[:place])

    def test_second_spelling_of_the_same_signature(self):
        token = sign(claims("alice"))
        following = {"A": "B", "Q": "R", "g": "h", "w": "x"}[token[-1]]
        self.refuse(token[:-1] + following)

    def test_foreign_characters_and_second_values(self):
        token = sign(claims("alice"))
        for altered in [
            f"{token},{token}",
            f"{token}, x",
            f"{token}=",
            f"{token}\n",
            f" {token}",
            token[:9] + "!" + token[9:],
        ]:
            with self.subTest(altered=altered):
                self.refuse(altered)

    def test_too_large_or_nested_too_deep(self):
        self.refuse(sign(claims("alice", padding="x" * 9000)))
        deep = gateway.base64url(b'{"alg":' + b"[" * 5000)
        self.refuse(f"{deep}.e30.AAAA")

    def test_nothing_can_be_said_without_keys(self):
        with self.assertRaises(KeysUnavailable):
            verifier(FetchedKeys("http://127.0.0.1:1/", 30)).verify(sign(claims("alice")))


class Clock:
    """Moves this package's clock by hand, and PyJWT's with it."""

    def __init__(self, test):
        self.now = float(int(time.time()))
        pyjwts = mock.Mock(wraps=datetime, now=lambda tz: datetime.fromtimestamp(self.now, tz))
        for patch in [
            mock.patch.object(assertion.time, "time", lambda: self.now),
            mock.patch.object(jwt.api_jwt, "datetime", pyjwts),
        ]:
            patch.start()
            test.addCleanup(patch.stop)


def publish(keys, *jwks):
    """What the gateway serves from now on, and it is fetched."""
    with mock.patch("portcullis_django.keys.download", return_value=json.dumps({"keys": jwks}).encode()):
        keys.fetch("unknown so far")


class Remembered(unittest.TestCase):
    """What was good once comes again, as it is or altered, when it should not be good any more."""

    def setUp(self):
        self.clock = Clock(self)
        self.decode = mock.Mock(side_effect=jwt.decode)
        decode = mock.patch.object(assertion.jwt, "decode", self.decode)
        decode.start()
        self.addCleanup(decode.stop)
        self.keys = FetchedKeys("http://127.0.0.1:1/", cooldown=0)
        publish(self.keys, jwk(), jwk(OTHER_KEY, "two"))
        self.verifier = verifier(self.keys)

    def accept(self, token, caller=ALICE):
        self.assertEqual(self.verifier.verify(token), caller)

    def refuse(self, token):
        with self.assertRaises(Refused):
            self.verifier.verify(token)

    def verifications(self):
        """How many since the last time this was asked."""
        count, self.decode.call_count = self.decode.call_count, 0
        return count

    def test_one_verification_for_many_requests(self):
        """No attack: the same assertion comes again and again, for somebody and for nobody."""
        for token, caller in [(sign(claims("alice")), ALICE), (sign(claims()), Caller(None))]:
            for _ in range(3):
                self.accept(token, caller)
            self.assertEqual(self.verifications(), 1)
            with mock.patch.object(assertion, "key_id", side_effect=AssertionError("read again")):
                self.assertEqual(self.verifier.key_id(token), "one")
                self.accept(token, caller)

    def test_expired(self):
        """An assertion that was verified once is replayed after it has expired."""
        token = sign(claims("alice"))
        self.accept(token)
        self.clock.now += 64.9
        self.accept(token)
        self.assertEqual(self.verifications(), 1)
        for later in [0.1, 1, 3600]:
            self.clock.now += later
            self.refuse(token)

    def test_expires_at_the_same_moment_as_without_memory(self):
        """A fraction in `exp` is to win a moment that the first verification would not give."""
        begin = self.clock.now
        for exp in [begin, begin + 0.9, int(begin) + 1, begin + 1.5]:
            self.clock.now = begin
            token = sign(claims("alice", exp=exp))
            self.accept(token)
            for tenth in range(80):
                self.clock.now = begin + tenth / 10
                verdicts = []
                for known in [self.verifier, verifier(self.keys)]:
                    try:
                        verdicts.append(known.verify(token))
                    except Refused:
                        verdicts.append(None)
                with self.subTest(exp=exp - begin, after=tenth / 10):
                    self.assertEqual(*verdicts)

    def test_key_withdrawn(self):
        """A key was stolen and is withdrawn; what it signed before, and was verified, is sent again."""
        token, other = sign(claims("alice")), sign(claims("alice"), OTHER_KEY, {**HEADER, "kid": "two"})
        self.accept(token)
        self.accept(other)
        publish(self.keys, jwk(OTHER_KEY, "two"))
        self.refuse(token)
        self.refuse(token)
        self.accept(other)

    def test_key_id_given_to_another_key(self):
        """The new key has the withdrawn one's id, so that the id is still there to be found."""
        token = sign(claims("alice"))
        self.accept(token)
        publish(self.keys, jwk(OTHER_KEY, "one"))
        self.refuse(token)
        self.accept(sign(claims("alice"), OTHER_KEY))

    def test_key_id_given_to_another_key_meanwhile(self):
        """The key is withdrawn between the verification and the remembering."""
        token, decode = sign(claims("alice")), self.decode.side_effect

        def withdrawn_meanwhile(*arguments, **options):
            publish(self.keys, jwk(OTHER_KEY, "one"))
            return decode(*arguments, **options)

        self.decode.side_effect = withdrawn_meanwhile
        self.accept(token)
        self.refuse(token)

    def test_all_keys_gone(self):
        """The service starts anew with its keys, or loses them, and old assertions are all there is."""
        token = sign(claims("alice"))
        self.accept(token)
        self.verifier.keys = FetchedKeys("http://127.0.0.1:1/", 0)
        with self.assertRaises(KeysUnavailable):
            self.verifier.verify(token)

    def test_key_fetched_again(self):
        """No attack: the same key in a fresh copy costs one verification, and not one for each request."""
        token = sign(claims("alice"))
        self.accept(token)
        publish(self.keys, jwk())
        for _ in range(3):
            self.accept(token)
        self.assertEqual(self.verifications(), 2)

    def test_altered_in_one_place(self):
        """One byte of a remembered assertion is another, wherever it is."""
        token = sign(claims("alice"))
        self.accept(token)
        for place in range(len(token)):
            with self.subTest(place=place):
                self.refuse(token[:place] + ("B" if token[place] == "A" else "A") + token[place + 1 :])
        for altered in [token[:-1], token + "A", token + "=", token + "\n", f"{token},{token}", token.swapcase()]:
            with self.subTest(altered=altered):
                self.refuse(altered)
        self.accept(token)

    def test_parts_of_two(self):
        """Two assertions are known, and a third is put together of their parts."""
        alice, bob = sign(claims("alice")), sign(claims("bob"))
        self.accept(alice)
        self.accept(bob, gateway.caller("bob"))
        (header, payload, signature), (_, other_payload, other_signature) = alice.split("."), bob.split(".")
        self.refuse(f"{header}.{payload}.{other_signature}")
        self.refuse(f"{header}.{other_payload}.{signature}")

    def test_two_that_differ_in_one_letter(self):
        """Somebody's name is nearly another's, and their requests come in turns."""
        tokens = {name: sign(claims(name)) for name in ["alice", "alicf", "Alice"]}
        for _ in range(3):
            for name, token in tokens.items():
                self.accept(token, gateway.caller(name))

    def test_known_to_a_neighbour(self):
        """In one process another service has verified what was meant for it; now it is sent to this one."""
        for theirs, changes in [
            (Verifier(self.keys, "portcullis", "other"), {"aud": "other"}),
            (Verifier(self.keys, "other", "django"), {"iss": "other"}),
        ]:
            token = sign(claims("alice", **changes))
            theirs.verify(token)
            self.refuse(token)
            theirs.verify(token)

    def test_flood_of_good_ones(self):
        """Different valid assertions come without end, to fill the memory."""
        with mock.patch.object(assertion, "REMEMBERED", 10):
            tokens = [sign(claims("alice", jti=str(number))) for number in range(25)]
            for token in tokens:
                self.accept(token)
                self.assertLessEqual(len(self.verifier._verified), 10)
            self.verifications()
            for token in tokens[15:]:
                self.accept(token)
            self.assertEqual(self.verifications(), 0)
            # Each of the oldest is pushed out again by the next.
            for token in tokens[:15]:
                self.accept(token)
            self.assertEqual(self.verifications(), 15)

    def test_flood_of_forged_ones(self):
        """Forgeries come without end, to push the good ones out."""
        token = sign(claims("alice"))
        self.accept(token)
        with mock.patch.object(assertion, "REMEMBERED", 10):
            for number in range(25):
                self.refuse(sign(claims("alice", jti=str(number)), OTHER_KEY))
            self.verifications()
            self.accept(token)
        self.assertEqual(self.verifications(), 0)
        self.assertEqual(len(self.verifier._verified), 1)

    def test_refused_before(self):
        """Somebody sends an assertion too early, so that its owner is refused as well when its time comes."""
        early, unknown = sign(claims("alice", iat=int(self.clock.now) + 30)), sign(claims("alice"))
        publish(self.keys, jwk(OTHER_KEY, "two"))
        self.refuse(unknown)
        publish(self.keys, jwk())
        self.accept(unknown)
        self.refuse(early)
        self.clock.now += 30
        self.accept(early)

    def test_crowd(self):
        """Many threads share a small memory: none fails, and none gets another's caller."""
        tokens = {name: sign(claims(name)) for name in "abcdefghij"}
        names = 100 * list(tokens)
        self.addCleanup(sys.setswitchinterval, sys.getswitchinterval())
        sys.setswitchinterval(1e-6)
        with mock.patch.object(assertion, "REMEMBERED", 3), ThreadPoolExecutor(8) as crowd:
            found = list(crowd.map(lambda name: self.verifier.verify(tokens[name]), names))
        self.assertEqual(found, [gateway.caller(name) for name in names])
        self.assertLessEqual(len(self.verifier._verified), 3)

    def test_two_push_out_the_same_one(self):
        """Two requests come so close together that each finds the same assertion to be the oldest."""
        known, verify = self.verifier._verified, self.verifier.verify
        crowd, others = ThreadPoolExecutor(1), []
        self.addCleanup(crowd.shutdown)
        first, second, third = (sign(claims("alice", jti=str(number))) for number in range(3))

        class Oldest(str):
            """While one thread throws it out, another tries the same."""

            def __hash__(self):
                if known and not others:
                    others.append(crowd.submit(verify, third))
                    # With a lock it cannot end before this one does.
                    concurrent.futures.wait(others, timeout=0.05)
                return super().__hash__()

        with mock.patch.object(assertion, "REMEMBERED", 1):
            self.accept(Oldest(first))
            self.accept(second)
            self.assertEqual(others[0].result(), ALICE)
        self.assertEqual(list(known), [third])
