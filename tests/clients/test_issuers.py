"""Tokens and key sets as identity providers make them, with throwaway keys: names, claims and forms are those of their
documentation. The providers themselves cannot be had here."""

import base64
import datetime
import json
import subprocess
import tempfile
import textwrap
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen
from urllib.error import HTTPError

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from clients.gateway import Gateway
from clients.servers import portcullis

KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def jwk(key=KEY, **more):
    algorithm = ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else RSAAlgorithm
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": "one", "use": "sig", **more}


def certificate(key=KEY):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken.system.gserviceaccount.com")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    return made.sign(key, hashes.SHA256())


def in_der(key=KEY):
    return base64.b64encode(certificate(key).public_bytes(Encoding.DER)).decode()


class Provider:
    """What it publishes, what is configured for it, what its tokens say, and what the upstream is then told."""

    def __init__(self, yaml, claims, told, keys=None, header=None, slash="", algorithm="RS256", key=KEY):
        self.yaml, self.claims, self.told = yaml, claims, told
        self.keys = keys or {"keys": [jwk(alg="RS256")]}
        self.header, self.slash, self.algorithm, self.key = header or {}, slash, algorithm, key


PROVIDERS = {
    "auth0": Provider(
        'audience: "https://api.shop.example", claims: { groups: "https://shop.example/roles", scopes: permissions }',
        {
            "sub": "auth0|63f1", "aud": ["https://api.shop.example", "https://shop.eu.auth0.com/userinfo"], "azp": "client",
            "scope": "openid profile read:reports", "permissions": ["read:reports"], "gty": "password",
            "https://shop.example/roles": ["admin"],
        },
        {"remote-user": "auth0|63f1", "remote-groups": "admin", "scopes": "read:reports"},
        {"keys": [jwk(alg="RS256", kty="RSA", x5c=[in_der()], x5t="abc")]},
        slash="/",
    ),
    "cognito": Provider(
        'audience: [web-client, app-client], audience_claim: client_id, '
        'claims: { username: username, groups: "cognito:groups" }, required: [token_use]',
        {
            "sub": "aaaaaaaa-bbbb-cccc", "client_id": "app-client", "token_use": "access", "username": "alice",
            "scope": "aws.cognito.signin.user.admin", "cognito:groups": ["eu-1_admins"], "auth_time": 1, "event_id": "e",
            "origin_jti": "o", "jti": "j",
        },
        {"remote-user": "alice", "remote-groups": "eu-1_admins", "scopes": "aws.cognito.signin.user.admin"},
    ),
    "firebase": Provider(
        "audience: shop-project, claims: { username: user_id }",
        {
            "aud": "shop-project", "auth_time": 1, "user_id": "Zk9", "sub": "Zk9", "email": "alice@shop.example",
            "email_verified": True, "name": "Alice", "firebase": {"identities": {"email": ["x"]}, "sign_in_provider": "password"},
        },
        {"remote-user": "Zk9", "remote-email": "alice@shop.example", "remote-name": "Alice"},
        {"zero": certificate(OTHER).public_bytes(Encoding.PEM).decode(), "one": certificate().public_bytes(Encoding.PEM).decode()},
    ),
    "entra": Provider(
        "audience: 11111111-2222, claims: { username: preferred_username, groups: roles, scopes: scp }",
        {
            "aud": "11111111-2222", "azp": "33333333-4444", "azpacr": "1", "name": "Alice", "oid": "o", "rh": "r", "tid": "t",
            "preferred_username": "alice@shop.example", "roles": ["Report.Reader"], "scp": "Reports.Read User.Read",
            "sub": "pairwise", "uti": "u", "ver": "2.0",
        },
        {"remote-user": "alice@shop.example", "remote-groups": "Report.Reader", "scopes": "Reports.Read,User.Read"},
        # It names no algorithm.
        {"keys": [jwk(OTHER, kid="zero", x5c=[in_der(OTHER)]), jwk(x5c=[in_der()], issuer="https://login.microsoftonline.com/t")]},
        {"x5t": "abc"},
    ),
    "okta": Provider(
        'audience: "api://default", claims: { groups: groups, scopes: scp }',
        {
            "ver": 1, "jti": "AT.x", "aud": "api://default", "cid": "0oa", "uid": "00u", "scp": ["openid", "reports"],
            "sub": "alice@shop.example", "auth_time": 1, "groups": ["Everyone", "Editors"],
        },
        {"remote-user": "alice@shop.example", "remote-groups": "Editors,Everyone", "scopes": "openid,reports"},
    ),
    "keycloak": Provider(
        "audience: my-api, claims: { username: preferred_username, groups: [resource_access, my.api, roles] }",
        {
            "aud": ["my-api", "account"], "sub": "f:1", "typ": "Bearer", "azp": "web", "acr": "1", "session_state": "s",
            "realm_access": {"roles": ["offline_access"]}, "resource_access": {"my.api": {"roles": ["editor"]}},
            "scope": "openid email", "email_verified": "true", "email": "alice@shop.example", "preferred_username": "alice",
        },
        {"remote-user": "alice", "remote-groups": "editor", "remote-email": "alice@shop.example", "scopes": "email,openid"},
        {"keys": [jwk(OTHER, kid="two", use="enc", alg="RSA-OAEP"), jwk(alg="RS256")]},
    ),
    "google": Provider(
        "audience: 1234.apps.googleusercontent.com, claims: { username: email }",
        {
            "azp": "1234.apps.googleusercontent.com", "aud": "1234.apps.googleusercontent.com", "sub": "110169",
            "email": "alice@gmail.example", "email_verified": True, "at_hash": "h", "name": "Alice", "hd": "gmail.example",
        },
        {"remote-user": "alice@gmail.example", "remote-email": "alice@gmail.example"},
    ),
    "numbers": Provider(
        "audience: api, claims: { username: employee, groups: teams }",
        {"aud": "api", "sub": "1", "employee": 4711, "teams": [1, "two"]},
        {"remote-user": "4711", "remote-groups": "1,two"},
        {"keys": [jwk(CURVE, alg="ES256")]},
        algorithm="ES256",
        key=CURVE,
    ),
}  # fmt: skip


class Issuers(BaseHTTPRequestHandler):
    """`/NAME/…` of each provider, and of some that are wrong."""

    def do_GET(self):
        _, name, rest = self.path.split("/", 2)
        provider = PROVIDERS.get(name, PROVIDERS["okta"])
        base = f"http://127.0.0.1:{self.server.server_port}/{name}"
        metadata = {"issuer": base + provider.slash, "jwks_uri": base + "/keys", "authorization_endpoint": base + "/authorize"}
        if name == "liar":
            metadata["issuer"] = "https://accounts.google.com"
        if name == "empty":
            del metadata["jwks_uri"]
        body = {".well-known/openid-configuration": metadata, "keys": provider.keys}.get(rest)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


def setUpModule():
    global server, gateway
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    unittest.addModuleCleanup(server.server_close)
    unittest.addModuleCleanup(server.shutdown)
    entries = [f'  - jwt: {{ name: {name}, issuer: "{issuer(name)}", {its.yaml} }}\n' for name, its in PROVIDERS.items()]
    for name in ("liar", "empty"):
        entries.append(f'  - jwt: {{ name: {name}, issuer: "{issuer(name)}", audience: "api://default" }}\n')
    entries.append(
        f'  - jwt: {{ name: misled, issuer: "{issuer("misled")}", audience: "api://default", '
        f'jwks: "{issuer("misled")}/.well-known/openid-configuration" }}\n'
    )
    yaml = 'identity: { headers: { Scopes: "{user.scopes}" } }\nroutes: [{ path: /, upstream: echo }]\nauthentication:\n'
    gateway = Gateway(yaml + "".join(entries), "", [])
    unittest.addModuleCleanup(gateway.stop)


def issuer(name):
    slash = PROVIDERS[name].slash if name in PROVIDERS else ""
    return f"http://127.0.0.1:{server.server_port}/{name}{slash}"


def token(name, key=None, header=None, **changes):
    provider = PROVIDERS.get(name, PROVIDERS["okta"])
    now = int(time.time())
    claims = {"iss": issuer(name), "iat": now, "exp": now + 300, **provider.claims, **changes}
    claims = {claim: value for claim, value in claims.items() if value is not None}
    return jwt.encode(claims, key or provider.key, provider.algorithm, {"kid": "one", **provider.header, **(header or {})})


def send(sent):
    """Status, and the body, which is the request as an upstream would see it."""
    try:
        with urlopen(Request(gateway.url + "/", headers={"Authorization": f"Bearer {sent}"})) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def logged(words):
    """The log, once it has these words, or after a while."""
    for _ in range(200):
        text = Path(gateway.log.name).read_text()
        if words in text:
            break
        time.sleep(0.01)
    return text


def explained(sent):
    done = portcullis(gateway.folder.name, "explain", "GET", "/", "--header", f"Authorization: Bearer {sent}")
    return done.stdout + done.stderr


class Providers(unittest.TestCase):
    def test_each(self):
        for name, provider in PROVIDERS.items():
            with self.subTest(name):
                status, seen = send(token(name))
                self.assertEqual(status, 200, seen)
                headers = {key.lower(): value for key, value in seen["headers"].items()}
                self.assertEqual({header: headers.get(header) for header in provider.told}, provider.told)

    def test_other_key(self):
        """Attack: a token that somebody else has signed, with the name of the provider's key."""
        for name, provider in PROVIDERS.items():
            with self.subTest(name):
                other = ec.generate_private_key(ec.SECP256R1()) if provider.algorithm == "ES256" else OTHER
                self.assertEqual(send(token(name, key=other))[0], 401)

    def test_encryption_key(self):
        """Attack: a key that is published for something else signs."""
        self.assertEqual(send(token("keycloak", key=OTHER, header={"kid": "two"}))[0], 401)

    def test_made_for_another(self):
        """Attack: an application that got a token of the same provider uses it here."""
        wrong = {
            "auth0": {"aud": "https://shop.eu.auth0.com/userinfo"}, "cognito": {"client_id": "evil-client"},
            "firebase": {"aud": "other-project"}, "entra": {"aud": "33333333-4444"}, "okta": {"aud": ["api://other"]},
            "keycloak": {"aud": "account"}, "google": {"aud": "5678.apps.googleusercontent.com"}, "numbers": {"aud": None},
        }  # fmt: skip
        for name, changes in wrong.items():
            with self.subTest(name):
                self.assertEqual(send(token(name, **changes)), (401, {"detail": "Token is invalid", "code": "token_not_valid"}))

    def test_audience_where_none_is(self):
        """A claim that another claim stands for is not read."""
        self.assertEqual(send(token("cognito", aud="evil-client"))[0], 200)
        self.assertEqual(send(token("cognito", client_id=None, aud="app-client"))[0], 401)


class Reasons(unittest.TestCase):
    """The client learns that its token is bad, and the operator why."""

    def test_what_was_wanted(self):
        for changes, reason in [
            ({"aud": "api://other"}, '`aud` is api://other, and not api://default'),
            ({"aud": None}, "`aud` is missing, and has to be api://default"),
            ({"exp": None}, "`exp` is missing"),
            ({"exp": int(time.time()) - 3600}, "`exp` has passed"),
            ({"nbf": int(time.time()) + 3600}, "`nbf` is later than now"),
            ({"sub": None}, "`sub` is no text"),
        ]:
            with self.subTest(reason):
                sent = token("okta", **changes)
                status, said = send(sent)
                self.assertEqual(status, 401)
                self.assertNotIn("api://", json.dumps(said))
                self.assertIn(reason, explained(sent))
                self.assertIn(reason, logged(reason))

    def test_key(self):
        self.assertIn(f"no key of {issuer('okta')} has signed it", explained(token("okta", key=OTHER)))


class Discovery(unittest.TestCase):
    def test_of_another_issuer(self):
        """Attack: metadata that are somebody else's choose the keys."""
        self.assertEqual(send(token("liar"))[0], 503)
        self.assertIn("the metadata are those of `https://accounts.google.com`", logged("the metadata are those of `https://accounts.google.com`"))

    def test_without_keys(self):
        self.assertEqual(send(token("empty"))[0], 503)
        self.assertIn("the metadata name no `jwks_uri`", logged("the metadata name no `jwks_uri`"))

    def test_metadata_in_place_of_keys(self):
        self.assertEqual(send(token("misled"))[0], 503)
        self.assertIn("these are the issuer's metadata: leave `jwks` out", logged("these are the issuer's metadata: leave `jwks` out"))

    def test_no_address(self):
        with tempfile.TemporaryDirectory(prefix="portcullis-issuer.") as folder:
            Path(folder, "gateway.yaml").write_text(
                "authentication: [{ jwt: { issuer: my-issuer, audience: x } }]\nroutes: [{ path: /, upstream: echo }]\n"
            )
            done = portcullis(folder, "check")
            self.assertEqual(done.returncode, 1)
            self.assertIn("`my-issuer` is not an address, so its keys cannot be found", done.stderr)


if __name__ == "__main__":
    unittest.main()
