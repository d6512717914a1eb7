"""An authority of the tests' own, and what it has signed."""

import datetime
import ipaddress
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Throwaway authority")])


def build(name, key, days, *extensions):
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(CA_NAME).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    end = NOW + datetime.timedelta(days=days)
    builder = builder.not_valid_before(end - datetime.timedelta(days=90)).not_valid_after(end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(CA_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


@cache
def authority():
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    return build(CA_NAME, CA_KEY, 80, (x509.BasicConstraints(True, 0), True), (usage, True))


def server(kind, days=80):
    """A certificate and its key, for so many days more."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = build(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]),
        key,
        days,
        (x509.BasicConstraints(False, None), True),
        (x509.KeyUsage(True, False, kind == "rsa", False, False, False, False, False, False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(names), False),
    )
    return certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
