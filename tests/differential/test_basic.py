"""HTTP Basic (RFC 7617) as `BasicAuthentication` reads it."""

from base64 import b64encode
from hashlib import md5, sha1

from support import Case, Differential, Differs, Variant, basic, database, get, head, options, patch, refusal, rows
from support.differences import TWO_AUTHORIZATIONS

ALICE = basic("alice", "correct horse")


def credentials(text):
    """`Authorization: Basic` with this in place of base64."""
    return get("/basic/", b"Authorization: Basic " + text)


def encoded(raw):
    return credentials(b64encode(raw))


class Header(Differential):
    """What is taken for a Basic header, and what is said of a broken one."""

    cases = [
        Case("right credentials", 200, get("/basic/", ALICE)),
        Case("no header", 401, get("/basic/")),
        Case("empty value", 401, get("/basic/", "Authorization:")),
        Case("other scheme", 401, get("/basic/", "Authorization: Bearer x")),
        Case("comma after the scheme", 401, get("/basic/", "Authorization: Basic, x")),
        Case("header of another name", 401, get("/basic/", "X-" + ALICE)),
        Case("scheme alone", 401, get("/basic/", "Authorization: Basic")),
        Case("scheme and a blank", 401, get("/basic/", "Authorization: Basic ")),
        Case("three parts", 401, get("/basic/", "Authorization: Basic a b")),
        Case("lower case", 200, get("/basic/", ALICE.replace("Basic", "basic"))),
        Case("upper case", 200, get("/basic/", ALICE.replace("Basic", "BASIC"))),
        Case("tab between", 200, get("/basic/", ALICE.replace("Basic ", "Basic\t"))),
        Case("several blanks between", 200, get("/basic/", ALICE.replace("Basic ", "Basic    "))),
        Case("leading blanks", 200, get("/basic/", ALICE.replace(": ", ":    "))),
    ]


class TwoHeaders(Differential):
    """Attack: a second header, in the hope that the gateway judges one and the application reads the other."""

    other = basic("staff", "correct horse")
    cases = [
        Case("right one first", 401, get("/basic/", ALICE, "Authorization: Basic x"), TWO_AUTHORIZATIONS),
        Case("right one last", 401, get("/basic/", "Authorization: Basic x", ALICE), TWO_AUTHORIZATIONS),
        Case("two users", 401, get("/basic/", ALICE, other), TWO_AUTHORIZATIONS),
        Case("the same twice", 401, get("/basic/", ALICE, ALICE), TWO_AUTHORIZATIONS),
    ]


class Encoding(Differential):
    """Python's lenient base64, then UTF-8, then Latin-1, then the first colon."""

    cases = [
        Case("characters outside the alphabet only", 401, credentials(b"!!!")),
        Case("impossible length", 401, credentials(b"abc")),
        Case("padding missing", 401, credentials(b64encode(b"alice:correct horse").rstrip(b"="))),
        Case("one padding too many", 200, credentials(b64encode(b"alice:correct horse") + b"=")),
        Case("no colon", 401, encoded(b"alice")),
        Case("raw bytes that are not ASCII", 401, credentials(b"\xe9\xff")),
        Case("foreign characters inside are dropped", 200, credentials(b"YWxp!Y2U6@Y29y-cmVjdCBob3JzZQ==")),
        Case("foreign bytes inside are dropped", 200, credentials(b"\xe9YWxpY2U6\xffY29ycmVjdCBob3JzZQ==")),
        Case("alphabet of URLs", 200, credentials(b"YWxpY2U6Y29ycmVjdCBo-b3JzZQ_==")),
        Case("UTF-8", 200, get("/basic/", basic("élise", "päss wörd"))),
        Case("Latin-1", 200, get("/basic/", basic("élise", "päss wörd", "latin-1"))),
        Case("NFD is another user", 401, get("/basic/", basic("e\u0301lise", "päss wörd"))),
    ]


class Passwords(Differential):
    cases = [
        Case("wrong password", 401, get("/basic/", basic("alice", "wrong"))),
        Case("unknown user", 401, get("/basic/", basic("nobody", "correct horse"))),
        Case("inactive user, right password", 401, get("/basic/", basic("bob", "correct horse"))),
        Case("inactive user, wrong password", 401, get("/basic/", basic("bob", "wrong"))),
        Case("unusable password", 401, get("/basic/", basic("nopass", "correct horse"))),
        Case("empty user", 401, get("/basic/", basic("", "correct horse"))),
        Case("empty password", 401, get("/basic/", basic("alice", ""))),
        Case("colon alone", 401, get("/basic/", basic("", ""))),
        Case("user name in another case", 401, get("/basic/", basic("Alice", "correct horse"))),
        Case("password with a blank at its end", 401, get("/basic/", basic("alice", "correct horse "))),
        Case(
            "NUL in the user name",
            500,
            encoded(b"al\0ice:correct horse"),
            refusal(
                "PostgreSQL refuses the query and Django answers 500; here it is a wrong user name",
                401,
                "Invalid username/password.",
                'Basic realm="api"',
                allow="GET, POST, HEAD, OPTIONS",
                vary=["accept"],
            ),
        ),
        Case("NUL in the password", 401, encoded(b"alice:correct\0horse")),
        Case(
            "NUL after the password",
            200,
            encoded(b"alice:correct horse\0"),
            refusal(
                "To PBKDF2 a password with NUL behind is the same password; here it is another",
                401,
                "Invalid username/password.",
                'Basic realm="api"',
            ),
        ),
    ]

    def test_colon_in_the_password(self):
        def conversation(side):
            rows.set_password("alice", "a:b")
            side.send(get("/basic/", basic("alice", "a:b")))

        self.compare(conversation)

    def test_outdated_hash_is_upgraded(self):
        self.upgrade(999)

    def test_hash_of_more_rounds_is_replaced_too(self):
        self.upgrade(1001)

    def upgrade(self, iterations):
        def conversation(side):
            rows.change(password=rows.hashed("correct horse", iterations))
            answer = side.send(get("/basic/", ALICE))
            self.assertEqual(answer.status, 200)
            self.assertEqual(database.footprint()["users"][0]["password"], "pbkdf2_sha256$1000")

        self.compare(conversation)

    def test_outdated_hash_stays_after_a_wrong_password(self):
        def conversation(side):
            rows.change(password=rows.hashed("correct horse", 999))
            side.send(get("/basic/", basic("alice", "wrong")))

        self.compare(conversation)


class NulByte(Differential):
    """These databases can be asked for such a name, and have none."""

    database = "sqlite"
    cases = [Case("NUL in the user name", 401, encoded(b"al\0ice:correct horse"))]


class NulByteOnMariadb(Differential):
    database = "mariadb"
    cases = NulByte.cases


def stored(encoded):
    """A log-in to an account whose password column is this."""

    def request():
        rows.change(password=encoded)
        return get("/basic/", ALICE)

    return request


class Hashes(Differential):
    """A column that no hasher of the project has written opens nothing."""

    malformed = refusal(
        "Django fails with 500 over a malformed hash of an algorithm that it knows; here it matches nothing",
        401,
        "Invalid username/password.",
        'Basic realm="api"',
        allow="GET, POST, HEAD, OPTIONS",
        vary=["accept"],
    )
    cases = [
        Case("empty", 401, stored("")),
        Case("plain text", 401, stored("correct horse")),
        Case("MD5 without salt", 401, stored(md5(b"correct horse").hexdigest())),
        Case("MD5 with an empty salt", 401, stored("md5$$" + md5(b"correct horse").hexdigest())),
        Case("MD5, which is not in PASSWORD_HASHERS", 401, stored("md5$seasalt$b614725f4cc025a51ab6a354d12890ab")),
        Case("SHA-1", 401, stored("sha1$s$" + sha1(b"scorrect horse").hexdigest())),
        Case("SHA-1 with an empty salt", 401, stored("sha1$$" + sha1(b"correct horse").hexdigest())),
        Case("crypt", 401, stored("crypt$$ab1234567890a")),
        Case("unknown algorithm", 401, stored("x$y")),
        Case("iterations that are no number", 500, stored("pbkdf2_sha256$abc$x$y"), malformed),
        Case("a part missing", 500, stored("pbkdf2_sha256$1000$x"), malformed),
        Case("salt empty", 500, stored("pbkdf2_sha256$1000$$x"), malformed),
        Case("iterations of 0", 401, stored("pbkdf2_sha256$0$x$y")),
        Case("Argon2 in no form", 500, stored("argon2$bad"), malformed),
        Case("bcrypt in no form", 500, stored("bcrypt_sha256$x"), malformed),
        Case("scrypt in no form", 500, stored("scrypt$x"), malformed),
    ]


class Methods(Differential):
    """Authentication precedes everything a view does."""

    cases = [
        Case("HEAD without credentials", 401, head("/basic/")),
        Case("HEAD with credentials", 200, head("/basic/", ALICE)),
        Case("OPTIONS without credentials", 401, options("/basic/")),
        Case("OPTIONS with credentials", 200, options("/basic/", ALICE)),
        Case("method without handler, no credentials", 401, patch("/basic/")),
        Case("method without handler, credentials", 405, patch("/basic/", ALICE)),
        Case("anyone may, no credentials", 200, get("/basic/public/")),
        Case("anyone may, good credentials", 200, get("/basic/public/", ALICE)),
        Case("anyone may, bad credentials", 401, get("/basic/public/", basic("alice", "wrong"))),
    ]


class Realm(Differential):
    """`www_authenticate_realm`: the class attribute is a setting of the scheme."""

    cases = [
        Case("no header", 401, get("/realm/")),
        Case("wrong password", 401, get("/realm/", basic("alice", "wrong"))),
        Case("right password", 200, get("/realm/", ALICE)),
    ]


class InactiveUsers(Differential):
    """`AllowAllUsersModelBackend`, with which a right password proves who somebody is, active or not."""

    variant = Variant({"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.AllowAllUsersModelBackend"]})
    no_backend = Differs(
        "The gateway knows ModelBackend only: an inactive user has no right password",
        body='{"detail":"Invalid username/password."}',
    )
    cases = [
        Case("right password", 401, get("/basic/", basic("bob", "correct horse")), no_backend),
        Case("wrong password", 401, get("/basic/", basic("bob", "wrong"))),
        Case("active user", 200, get("/basic/", ALICE)),
    ]
