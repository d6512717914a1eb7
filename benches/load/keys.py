"""Certificate, keys and credentials, made anew for each run, in the forms in which each proxy wants them."""

import base64
import hashlib
import json
import secrets
import subprocess
import time

import bcrypt
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from gateway import PASSWORD, openssl

ISSUER = "https://id.example/realms/bench"
TOKENS = 1000


def certificate(folder):
    key, pem = folder / "key.pem", folder / "certificate.pem"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    openssl("req", "-new", "-x509", "-key", key, "-subj", "/CN=localhost", "-days", 2,
            "-addext", "subjectAltName=IP:127.0.0.1", "-out", pem)
    (folder / "both.pem").write_text(pem.read_text() + key.read_text())


def issuer(folder):
    """What the configurations need of an identity provider's keys, and a token for each."""
    secret = secrets.token_hex(32)
    private = {
        "hs256": secret,
        "rs256": rsa.generate_private_key(65537, 2048),
        "es256": ec.generate_private_key(ec.SECP256R1()),
    }
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "bench",
        "sub": "bench",
        "email": "bench@example.com",
        "name": "Bench",
        "groups": ["editors", "staff"],
        "iat": now,
        "exp": now + 86_400,
    }
    values, credentials = {"issuer": ISSUER, "hs256_secret": secret}, {}
    for name, key in private.items():
        algorithm = jwt.get_algorithm_by_name(name.upper())
        public = key
        if name != "hs256":
            public = key.public_key()
            pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            (folder / f"{name}.pem").write_bytes(pem)
        known = {"alg": name.upper(), "kid": name, **algorithm.to_jwk(public, as_dict=True)}
        values[f"{name}_keys"] = json.dumps({"keys": [known]})
        token = jwt.encode(claims, key, name.upper(), headers={"kid": name})
        credentials[f"jwt-{name}"] = {"Authorization": f"Bearer {token}"}
    return values, credentials


def password(folder):
    """The hashes of the one password."""
    strong = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(10)).decode()
    (folder / "htpasswd").write_text(f"bench:{strong}\n")
    weak = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
    return {"bcrypt": strong, "sha1": weak}


def tokens(folder, own):
    """The one among a thousand, in the words of each proxy."""
    keys = {secrets.token_hex(20): f"user{number}" for number in range(1, TOKENS)} | {own: "bench"}
    lines = {"nginx": '"Token {}" {};\n', "caddy": '"Token {}" {}\n', "haproxy": "{} {}\n"}
    for proxy, line in lines.items():
        text = "".join(line.format(key, user) for key, user in keys.items())
        (folder / f"tokens.{proxy}").write_text(text)
    known = [{"key": f"Token {key}", "client": user} for key, user in keys.items()]
    return {"tokens": json.dumps(known)}


def user(binary, file):
    """Makes the user and a token in the gateway's store."""
    command = [binary, "--config", file]
    subprocess.run([*command, "user", "create", "bench", "--password-stdin"],
                   input=PASSWORD, text=True, check=True, stdout=subprocess.DEVNULL)
    said = subprocess.run([*command, "token", "create", "bench"],
                          text=True, check=True, stdout=subprocess.PIPE).stdout
    # "Generated token KEY for user NAME"
    return said.split()[2]
