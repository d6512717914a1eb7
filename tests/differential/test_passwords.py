"""Stored hashes: which ones open the account, and which ones are written anew when they have (`must_update`)."""

from argon2 import Type
from argon2.low_level import hash_secret
from django.contrib.auth import hashers

from support import Case, Differential, Side, Variant, basic, bearer, cookies, database, get, rows
from support.servers import QUICK
from support.tokens import access

PASSWORD = "correct horse"
ALICE = basic("alice", PASSWORD)
# 22 characters of 62 are 128 bits, 21 are not.
LONG_SALT, SHORT_SALT = "ThrowawaySalt012345678", "ThrowawaySalt01234567"
MD5, SHA1 = "django.contrib.auth.hashers.MD5PasswordHasher", "project.hashers.QuickPBKDF2SHA1PasswordHasher"
ARGON2, SCRYPT, BCRYPT = QUICK[2], QUICK[4], QUICK[3]


def preferring(hasher, name):
    settings = {"PASSWORD_HASHERS": [hasher, *(each for each in QUICK if each != hasher)]}
    accept = "pbkdf2_sha256, pbkdf2_sha1, argon2, bcrypt_sha256, scrypt"
    return Variant(settings, f"passwords: {{ preferred: {name}, iterations: 1000, accept: [{accept}] }}\n")


class Kept(Differential):
    """A log-in with the right password, and whether the hash is then another one."""

    # Slow ones: among the cases of fewer databases, which run beside the others.
    database = "sqlite"

    def stays(self, *hashes):
        self.after_log_in(hashes, False)

    def goes(self, *hashes):
        self.after_log_in(hashes, True)

    def after_log_in(self, hashes, another):
        def conversation(side):
            for stored in hashes:
                rows.change(password=stored)
                self.assertEqual(side.send(get("/basic/", ALICE)).status, 200, f"{side.name}: {stored}")
                self.assertEqual(rows.password("alice") != stored, another, f"{side.name}: {stored}")

        self.compare(conversation)


def argon2(time=2, memory=102400, parallelism=8, length=32, kind=Type.ID, version=19, salt=LONG_SALT):
    encoded = hash_secret(PASSWORD.encode(), salt.encode(), time, memory, parallelism, length, kind, version)
    return "argon2" + encoded.decode()


class Argon2(Kept):
    variant = preferring(ARGON2, "argon2")

    def test_current(self):
        self.stays(argon2())

    def test_type(self):
        self.goes(argon2(kind=Type.I))

    def test_version(self):
        self.goes(argon2(version=16))

    def test_costs(self):
        self.goes(argon2(time=1), argon2(memory=64), argon2(parallelism=4))

    def test_length(self):
        self.goes(argon2(length=16))

    def test_salt(self):
        self.goes(argon2(salt=SHORT_SALT))


class Scrypt(Kept):
    """Its salt is not looked at."""

    variant = preferring(SCRYPT, "scrypt")

    def stored(self, salt=LONG_SALT, n=16384, r=8, p=5):
        return hashers.ScryptPasswordHasher().encode(PASSWORD, salt, n, r, p)

    def test_current(self):
        self.stays(self.stored())

    def test_costs(self):
        self.goes(self.stored(n=1024), self.stored(r=4), self.stored(p=1))

    def test_salt(self):
        self.stays(self.stored(SHORT_SALT))


class Bcrypt(Kept):
    variant = preferring(BCRYPT, "bcrypt_sha256")

    def test_current(self):
        self.stays("bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuurByPinJWI/V/0c5apkEb2KJQv7f.gZO")

    def test_cost(self):
        self.goes("bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuuIvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq")


class Pbkdf2Sha1(Kept):
    variant = preferring(SHA1, "pbkdf2_sha1")

    def stored(self, salt=LONG_SALT, iterations=1000):
        return hashers.PBKDF2SHA1PasswordHasher().encode(PASSWORD, salt, iterations)

    def test_current(self):
        self.stays(self.stored())

    def test_iterations(self):
        self.goes(self.stored(iterations=999), self.stored(iterations=1001))

    def test_salt(self):
        self.goes(self.stored(SHORT_SALT))


class Pbkdf2Sha256(Kept):
    def test_current(self):
        self.stays(rows.hashed(PASSWORD, 1000))

    def test_salt(self):
        self.goes(hashers.PBKDF2PasswordHasher().encode(PASSWORD, SHORT_SALT, 1000))


class Md5(Kept):
    variant = preferring(MD5, "md5")

    def stored(self, salt):
        return hashers.MD5PasswordHasher().encode(PASSWORD, salt)

    def test_current(self):
        self.stays(self.stored(LONG_SALT))

    def test_salt(self):
        self.goes(self.stored("seasalt"), self.stored(SHORT_SALT))


class NoUpgrade(Differential):
    """Not in Django: other sessions go on, and so does the hash that they are bound to."""

    variant = Variant(gateway="passwords: { iterations: 1000, upgrade: false }\n")

    def test_outdated_hash(self):
        port = self.variant.on(self.database).gateway.port
        database.use(self.database)
        for stored in (rows.hashed(PASSWORD, 999), rows.hashed_by("pbkdf2_sha1", PASSWORD)):
            database.reset()
            rows.change(password=stored)
            other = get("/session/", cookies(sessionid=rows.session()))
            for request in (get("/basic/", ALICE), other):
                self.assertEqual(Side("gateway", port).send(request).status, 200)
            self.assertEqual(rows.password("alice"), stored)


def log_in(encoded, password=PASSWORD):
    def request():
        rows.change(password=encoded)
        return get("/basic/", basic("alice", password))

    return request


LONG = "pbkdf2_sha256$1000000$ThrowawaySalt012345678$Quyb6ZCoII9Pw+IZ28KUeQws2ipiCIRAXrTM0r+QrkQ="
OLD = "pbkdf2_sha1$1000000$ThrowawaySalt012345678$tmQEAJc+QlDYGYrMT8ErayFkHmY="


class Vectors(Differential):
    """Hashes that some Django has written once."""

    cases = [
        Case("PBKDF2 with SHA-1", 200, log_in(OLD)),
        Case("PBKDF2 with SHA-1, wrong password", 401, log_in(OLD, "correct horsE")),
        Case("100 characters", 200, log_in(LONG, "p" * 100)),
        Case("101 characters", 401, log_in(LONG, "p" * 101)),
    ]


class RevokeClaim(Differential):
    """Tokens that are bound to the stored hash end with it."""

    variant = Variant(
        {"SIMPLE_JWT": {"CHECK_REVOKE_TOKEN": True}}, "jwt: { blacklist: true, check_revoke_token: true }\n"
    )

    def test_hash_is_upgraded(self):
        def conversation(side):
            rows.change(password=rows.hashed(PASSWORD, 999))
            bound = bearer(access(hash_password=rows.revoke_claim("alice")))
            requests = get("/jwt/", bound), get("/basic/", ALICE), get("/jwt/", bound)
            self.assertEqual([side.send(request).status for request in requests], [200, 200, 401], side.name)

        self.compare(conversation)
