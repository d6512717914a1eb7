import time
import unittest

from portcullis_django.assertion import Caller, KeysUnavailable, Refused, Verifier
from portcullis_django.keys import FetchedKeys, FixedKeys

from . import gateway
from .gateway import HEADER, KEY, OTHER_KEY, claims, jwk, sign


def verifier(keys=None):
    return Verifier(keys or FixedKeys([jwk(), jwk(OTHER_KEY, "two")]), "portcullis", "django")


class Accepted(unittest.TestCase):
    def test_a_user_and_nobody(self):
        self.assertEqual(verifier().verify(sign(claims("élise"))), Caller("élise", "1"))
        self.assertEqual(verifier().verify(sign(claims())), Caller(None, None))
        self.assertEqual(verifier().verify(gateway.pyjwt_token("alice")), Caller("alice", "1"))

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
        for changes in [{"sub": 1}, {"sub": ""}, {"preferred_username": ""}, {"preferred_username": ["alice"]}]:
            with self.subTest(changes):
                self.refuse(sign(claims("alice", **changes)))

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
