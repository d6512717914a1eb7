"""Fixed bytes: what some Django, or one of the packages, has written once, and what a reader makes of it now."""

from hashlib import sha256, sha512

from support import Case, Differential, Timed, Variant, basic, bearer, cookies, get, refusal, rows
from support.servers import QUICK
from support.tokens import access

PASSWORD = "correct horse"
SALT = "ThrowawaySalt012345678"
FAST = "pbkdf2_sha256$1000$seasalt$mQnueSakb748zqBAC1tmWVZsZbi2zPGZarEzTGdfmso="


def log_in(encoded, password=PASSWORD):
    def request():
        rows.change(password=encoded)
        return get("/basic/", basic("alice", password))

    return request


def argon2(digest):
    return f"argon2$argon2id$v=19$m=102400,t=2,p=8$VGhyb3dhd2F5U2FsdDAxMjM0NTY3OA${digest}"


def bcrypt(rounds, digest, algorithm="bcrypt_sha256"):
    return f"{algorithm}$$2b${rounds:02}$abcdefghijklmnopqrstuu{digest}"


class Passwords(Differential):
    # Slow ones: among the cases of fewer databases, which run beside the others.
    database = "sqlite"
    cases = [
        Case("PBKDF2", 200, log_in(f"pbkdf2_sha256$1000000${SALT}$YP5tFesJFVjL35u8f3A5hB0tsWyMS59fCKA3ibNCs7k=")),
        Case(
            "PBKDF2, beyond ASCII",
            200,
            log_in(f"pbkdf2_sha256$1000000${SALT}$YDRU02c80yyCDksrbLzjYJtBO5E6MlOmaEbU14quBoo=", "pässwörd ☃"),
        ),
        Case("PBKDF2, few rounds", 200, log_in(FAST)),
        Case(
            "PBKDF2, one round",
            200,
            log_in("pbkdf2_sha256$1$salt$Eg+2z/z4syxD5yJSVsT4N6hlSMkszDVICAWYfLcL4Xs=", "password"),
        ),
        Case("PBKDF2 with SHA-1", 200, log_in("pbkdf2_sha1$1000$seasalt$iQvkNOF1wEL4Khh8eogJ8rUhipM=")),
        Case("Argon2", 200, log_in(argon2("U31Qr9eL5gv9jTXZIkMJwJZMah6VUx6vMR1x25/g1rc"))),
        Case("Argon2, beyond ASCII", 200, log_in(argon2("1WeklSrJkgbkrZ302l17rBDPVAup9WQN5onkp3HD8gw"), "pässwörd ☃")),
        Case(
            "Argon2, little memory",
            200,
            log_in("argon2$argon2id$v=19$m=64,t=1,p=1$c2Vhc2FsdHNlYXNhbHQ$KFjpyjz2bIvzLO3nzmUHYyVdmFJAQzchDPVpwlCc0G0"),
        ),
        Case("bcrypt of SHA-256", 200, log_in(bcrypt(12, "rByPinJWI/V/0c5apkEb2KJQv7f.gZO"))),
        Case("bcrypt of SHA-256, few rounds", 200, log_in(bcrypt(4, "IvyWZlBcE3WoQXKqRnwrLYJ6nenE0Bq"))),
        Case(
            "bcrypt of SHA-256, 100 characters", 200, log_in(bcrypt(12, "o9htkqpiPHFslCYy37STW92pMXDAtJi"), "p" * 100)
        ),
        Case(
            "bcrypt, which is not in PASSWORD_HASHERS",
            401,
            log_in(bcrypt(4, "jydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "bcrypt")),
        ),
        Case(
            "scrypt",
            200,
            log_in(
                f"scrypt$16384${SALT}$8$5$"
                "y6u/Yp8sSSzGtrpwleoH5A0ZWeZA+fsLCG2N+QYeMJkDYGj74jCGOrQxowKDNhKMFQ/Eq7dX6BMCBP0564F/YA=="
            ),
        ),
        Case(
            "scrypt, little memory",
            200,
            log_in(
                "scrypt$16$seasalt$8$1$"
                "Qxil8nWcIy12YNMYpeV1hXKvwFi5h+x4wHI8WQTJ3/j1NecrriM2mkKB8IaqWjz6RUXfHzR5O5kG1jYWwbPuBA=="
            ),
        ),
    ]


class Plain(Differential):
    """Hashers that Django has and does not list by default: bcrypt of the password itself, and MD5."""

    variant = Variant(
        {
            "PASSWORD_HASHERS": [
                *QUICK,
                "django.contrib.auth.hashers.BCryptPasswordHasher",
                "django.contrib.auth.hashers.MD5PasswordHasher",
            ]
        },
        "passwords: { iterations: 1000, accept: [pbkdf2_sha256, pbkdf2_sha1, argon2, bcrypt_sha256, scrypt, bcrypt,"
        " md5] }\n",
    )
    too_long = refusal(
        "Django fails with 500 over a password that is longer than bcrypt reads; here it is a wrong one",
        401,
        "Invalid username/password.",
        'Basic realm="api"',
        allow="GET, POST, HEAD, OPTIONS",
        vary=["accept"],
    )
    long = bcrypt(4, "BzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", "bcrypt")
    cases = [
        Case("bcrypt", 200, log_in(bcrypt(4, "jydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "bcrypt"))),
        Case("bcrypt, wrong password", 401, log_in(bcrypt(4, "jydOTSfIH/d5oUHpsygqV5X9xJLQc6e", "bcrypt"), "wrong")),
        Case("bcrypt, 72 characters", 200, log_in(long, "a" * 72)),
        Case("bcrypt, 71 characters", 401, log_in(long, "a" * 71)),
        Case("bcrypt, 73 characters", 500, log_in(long, "a" * 73), too_long),
        Case("MD5", 200, log_in("md5$seasalt$b614725f4cc025a51ab6a354d12890ab")),
        Case("MD5, wrong password", 401, log_in("md5$seasalt$b614725f4cc025a51ab6a354d12890ab", "wrong")),
    ]


# --- sessions ---------------------------------------------------------------------------------------


def in_session(data):
    def request():
        key = rows.session()
        rows.write(key, data)
        return get("/session/", cookies(sessionid=key))

    return request


class Sessions(Differential):
    """Signed in 2023: rows have no age beside their date."""

    cases = [
        Case("data of nobody", 403, in_session("eyJrIjoidiJ9:1r31eq:Qvs9-DNYFojv6n9U48N_g0rMnlPM2bchfEGzA2E2HkE")),
        Case("empty", 403, in_session("e30:1r31eq:qUwBZalMl1_E3V-iqhJwTRoYloiI00uelKMIBYQKHxY")),
        Case(
            "compressed, with a hash of zeros",
            403,
            in_session(
                ".eJyrVopPLC3JiC8tTi2Kz0xRslIyVNJBFktKTM5OzQNJpGQl5qXn6yXn55UUZSbpgZToQWWL9XzzU1JznKBqUQzISCzOAOo2oBAo1QI"
                "AIvYyTQ:1r31eq:IVEv9iXy4KwSmXjObDtdx4qrZuI8EoHHQFwBkGHChio"
            ),
        ),
    ]


def bound_to(password, digest):
    """A session that names this hash of the password column."""

    def request():
        rows.change(password=password)
        return get("/session/", cookies(sessionid=rows.session(_auth_user_hash=digest)))

    return request


class AuthHash(Differential):
    hashes = [
        ("a hash", FAST, "0dfe762f96bcada56fc4b1f6f6ed77de8bfde34d761c41507d518025eb1ec8a8"),
        ("no usable password", "!unusable", "27a63231e9514e74e0f96b7b580bb07bb9cb562f62447f61fac75017465f2230"),
        ("empty", "", "d23ee4451292514ed39abf7e5c1c6c5fbb486d4dd8a8599156393a5007f09b46"),
    ]
    cases = [Case(name, 200, bound_to(password, digest)) for name, password, digest in hashes]


class SignedCookies(Timed):
    """The whole session, of 2023, by a clock of 2030. One whose signature is bad Django would replace."""

    variant = Variant(
        {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies", "SESSION_COOKIE_AGE": 3650 * 86400},
        "session: { engine: signed_cookies, age: 3650d }\n",
        clock=True,
    )
    value = "eyJrIjoidiJ9:1r31eq:BTzSSPLn-EZKWpWd-WfeTOtC3ae2LXwgFqebBB2KyWw"
    cases = [Case("data of nobody", 403, get("/session/", cookies(sessionid=value)))]


class Bodies(Differential):
    """The three that are said the most, byte for byte."""

    token = f"Authorization: Token {rows.ALICE}"
    bodies = [
        (get("/token/"), "dbff0849bc109eee7f9b7b1fe12e40fc8add21823b2f1fb600b37f620cbd7862"),
        (get("/token/staff/", token), "9cd1a74094aa824be194aab50f0b8114351284e76fa15f73b3ec84a233204796"),
        (
            get("/token/", "Authorization: Token bad"),
            "1a7ddf1afdc4e74e592161567b7e0f79b8814b86220369665a35104ad4e2722e",
        ),
    ]

    def test_digests(self):
        def conversation(side):
            for request, digest in self.bodies:
                self.assertEqual(sha256(side.send(request).body).hexdigest(), digest, side.name)

        self.compare(conversation)


# --- tokens -----------------------------------------------------------------------------------------

PAYLOAD = (
    "eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo0MTAyNDQ0ODAwLCJpYXQiOjE3MDAwMDAwMDAsImp0aSI6IjAxMjM0NTY3ODlhYmNkZWYw"
    "MTIzNDU2Nzg5YWJjZGVmIiwidXNlcl9pZCI6IjEifQ"
)


def jwt(header, signature):
    return get("/jwt/", bearer(f"{header}.{PAYLOAD}.{signature}"))


def of_algorithm(name):
    return Variant({"SIMPLE_JWT": {"ALGORITHM": name}}, f"jwt: {{ blacklist: true, algorithm: {name} }}\n")


HS256 = jwt("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "uG0480n_VTL_CkvKJZWsq_EIiN9PnHNLuRqsRmbiIIM")
HS384 = jwt("eyJhbGciOiJIUzM4NCIsInR5cCI6IkpXVCJ9", "aIPIdTTkQTc4gNs3uhFVGZlm65eCgKeylXv0h3yBZNa9Oa6xyCTu5ixZBhXDW0wy")
HS512 = jwt(
    "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9",
    "OX4_vRpBphJXaAx8QUCJuOS0GREGRKONQTn6K2A-ovODy-7h3IUtIW6pUVr4SLfNipII1ZBdbIC3onfylr_KQg",
)


class JwtHs384(Differential):
    """One algorithm counts, and no other of the same family."""

    variant = of_algorithm("HS384")
    cases = [Case("HS384", 200, HS384), Case("HS256", 401, HS256), Case("HS512", 401, HS512)]


class JwtHs512(Differential):
    variant = of_algorithm("HS512")
    cases = [Case("HS512", 200, HS512), Case("HS256", 401, HS256), Case("HS384", 401, HS384)]


class RevokeClaim(Differential):
    variant = Variant(
        {"SIMPLE_JWT": {"CHECK_REVOKE_TOKEN": True}}, "jwt: { blacklist: true, check_revoke_token: true }\n"
    )

    def test_of_a_stored_hash(self):
        def conversation(side):
            rows.change(password=FAST)
            answer = side.send(get("/jwt/", bearer(access(hash_password="555D90FDF8D837836D45D914873B48A2"))))
            self.assertEqual(answer.status, 200, side.name)

        self.compare(conversation)


def knox(token, key=None, digest=None):
    """A row as the package writes it, but for what is given."""

    def request():
        rows.knox_row(key or token[:15], digest or KNOX[token])
        return get("/knox/", f"Authorization: Token {token}")

    return request


ISSUED = "43f77da3c887b54062c8a8bf32d28fed4ba2f8d0bb8b7e61b72b321816c6f707"
KNOX = {
    "9" * 64: "4164dad694367383c3f95b79838004f31e8c007c13d39b96c063d3169e104ead"
    "cad1a26211c90586cfcc968c9dad536ef8d0308daa7eefb72075702537e801c4",
    "pre_" + "ab" * 32: "dfcd7dcefd67c6744bee8031b5a0e967b003d5cf2efef3def592f8a8424099fa"
    "3579558af1d797cb67bb6b00c17aeff95bface2f63d9cf69102870e216f0dafd",
    ISSUED: "c05dbf9ae035dae0939631259b0b9de73a8d74663f8a71e2342c2381cecc46a2"
    "930b0b1b2208ab68cc605a4428e2730aa012156d04cf5815ad548ccce653fb62",
}


class Knox(Differential):
    cases = [
        *(Case(f"token {token[:6]}", 200, knox(token)) for token in KNOX),
        Case("key of 8 characters, as of old versions", 401, knox(ISSUED, key=ISSUED[:8])),
        Case(
            "digest of the bytes, as of old versions",
            401,
            knox(ISSUED, digest=sha512(bytes.fromhex(ISSUED)).hexdigest()),
        ),
    ]
