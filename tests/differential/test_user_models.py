"""User models of projects' own: each is known natively and through the gateway that `init` has written for it."""

from support import LOGIN, LOGOUT, Browser, basic, bearer, cookies, get, on_every_database, post, refusal
from support.http import exchange
from support.rows import ALICE, BOB
from support.tokens import access
from support.user_models import UserModel

PASSWORD = "correct horse"
PEOPLE = ["alice", "bob", "staff", "elise"]
ME, PUBLIC, STAFF, PLAIN = "/api/me/", "/api/public/", "/api/staff/", "/plain/me/"
OBTAIN, JWT, KNOX = "/api-token-auth/", "/api/token/", "/api/auth/login/"


def token(key):
    return f"Authorization: Token {key}"


class Shape:
    """What is tried with each. `name` is what people call themselves; `nobody` is a key that no user has, and
    `stranger` a name."""

    username_field = "username"
    nobody = "999"
    stranger = "nobody"

    def name(self, who):
        return who

    def good(self, side, answer):
        """Or the case would compare nothing."""
        if not side.is_gateway:
            self.assertEqual(answer.status, 200, answer.body[:400])
        return answer

    def test_ready(self):
        """Before anybody has a credential, the gateway says whether it could read one."""
        admin = self.on(self.database).admin
        self.assertEqual(exchange(admin, get("/health/ready")).status, 200)

    def test_token(self):
        def conversation(side):
            for path in [ME, PUBLIC]:
                self.good(side, side.send(get(path, token(ALICE))))
            for path in [ME, PUBLIC, PLAIN]:
                side.send(get(path))
            for key in [BOB, "f" * 40]:
                for path in [ME, PUBLIC]:
                    side.send(get(path, token(key)))

        self.compare(conversation)

    def test_token_obtained(self):
        def conversation(side):
            self.good(side, side.send(self.obtain(OBTAIN, "alice")))
            # She has none yet, and a hash to be renewed.
            made = side.send(self.obtain(OBTAIN, "elise"))
            side.send(get(ME, token(made.json.get("token"))))
            side.send(self.obtain(OBTAIN, "alice", "wrong"))
            side.send(self.obtain(OBTAIN, "bob"))
            side.send(post(OBTAIN, data={"username": self.stranger, "password": PASSWORD}))

        self.compare(conversation)

    def test_basic(self):
        def conversation(side):
            self.good(side, side.send(get(ME, basic(self.name("alice"), PASSWORD))))
            # Hers is renewed.
            self.good(side, side.send(get(ME, basic(self.name("elise"), PASSWORD))))
            side.send(get(ME, basic(self.name("alice"), "wrong")))
            side.send(get(ME, basic(self.name("bob"), PASSWORD)))
            side.send(get(ME, basic(self.name("bob"), "wrong")))
            side.send(get(ME, basic(self.stranger, PASSWORD)))

        self.compare(conversation)

    def test_staff(self):
        def conversation(side):
            self.good(side, side.send(get(STAFF, basic(self.name("staff"), PASSWORD))))
            side.send(get(STAFF, token(ALICE)))
            side.send(get(STAFF))

        self.compare(conversation)

    def test_session(self):
        """Django has made it."""

        def conversation(side):
            for who in ["alice", "bob"]:
                cookie = cookies(sessionid=self.tables.ask("session", name=who))
                for path in [ME, PUBLIC, PLAIN]:
                    side.send(get(path, cookie))

        self.compare(conversation)

    def test_log_in(self):
        def conversation(side):
            browser = Browser(side)
            browser.log_in(self.name("alice"), PASSWORD)
            self.good(side, browser.get(ME))
            browser.get(PLAIN)
            browser.get(LOGIN)
            browser.log_out(LOGOUT)
            browser.get(ME)
            # Whose hash is renewed.
            browser = Browser(side)
            browser.log_in(self.name("elise"), PASSWORD)
            self.good(side, browser.get(ME))
            for who, password in [("alice", "wrong"), ("bob", PASSWORD)]:
                browser = Browser(side)
                browser.log_in(self.name(who), password)
                browser.get(ME)

        self.compare(conversation)

    def test_jwt(self):
        def conversation(side):
            pair = side.send(self.obtain(JWT, "alice")).json
            self.good(side, side.send(get(ME, bearer(pair.get("access")))))
            again = side.send(post(JWT + "refresh/", data={"refresh": pair.get("refresh")})).json
            self.good(side, side.send(get(ME, bearer(again.get("access")))))
            side.send(post(JWT + "verify/", data={"token": again.get("access")}))
            side.send(self.obtain(JWT, "alice", "wrong"))
            side.send(self.obtain(JWT, "bob"))
            for key in [self.tables.ask("key", name="bob"), self.nobody]:
                side.send(get(ME, bearer(access(user_id=key))))

        self.compare(conversation)

    def test_knox(self):
        def conversation(side):
            made = self.tables.ask("knox", name="alice")
            self.good(side, side.send(get(ME, f"Authorization: Knox {made}")))
            obtained = side.send(post(KNOX, basic(self.name("alice"), PASSWORD))).json
            side.send(get(ME, f"Authorization: Knox {obtained.get('token')}"))
            side.send(get(ME, f"Authorization: Knox {self.tables.ask('knox', name='bob')}"))

        self.compare(conversation)

    def test_commands(self):
        pair = self.on(self.database)
        pair.reset()
        self.assertCountEqual(pair.command("user", "list").split(), [self.name(who) for who in PEOPLE])
        self.assertIn(self.name("alice"), pair.command("token", "list"))
        pair.command("token", "delete", self.name("alice"))
        pair.ask("session", name="alice")
        pair.command("session", "end", "--user", self.name("alice"))
        pair.ask("knox", name="alice")
        pair.command("knox", "delete", self.name("alice"))
        left = pair.footprint()
        self.assertEqual((len(left["tokens"]), left["sessions"], left["knox"]), (2, [], []))
        if self.database == "postgres":
            # The project's own changes must not fail for them.
            pair.command("store", "triggers")
            pair.reset()
            pair.ask("join")
            pair.command("store", "triggers", "--remove")

    def obtain(self, path, who, password=PASSWORD):
        field = "username" if path == OBTAIN else self.username_field
        return post(path, data={field: self.name(who), "password": password})


class Emails(Shape):
    username_field = "email"

    def name(self, who):
        return f"{who}@example.com"


# --- what the three databases have types, comparisons or quotes of their own for, and the most used ---


@on_every_database
class NoNames(Shape, UserModel):
    shape = "no_names"


@on_every_database
class Documented(Emails, UserModel):
    shape = "documented"
    left = {"staff"}


@on_every_database
class UuidKey(Shape, UserModel):
    shape = "uuid_key"
    nobody = "00000000-0000-4000-8000-000000000000"

    def test_spellings_of_a_key(self):
        def conversation(side):
            key = self.tables.ask("key", name="alice")
            for spelled in [key.upper(), key.replace("-", "")]:
                self.good(side, side.send(get(ME, bearer(access(user_id=spelled)))))
            for spelled in [f"{{{key}}}", f"urn:uuid:{key}"]:
                self.good(side, side.send(get(ME, bearer(access(user_id=spelled)))))

        differs = refusal(
            "A UUID in braces or as a URN is nobody's key: nothing but Python writes or reads a key so",
            401,
            {"detail": "User not found", "code": "user_not_found"},
            "Token",
            allow=None,
        )
        self.compare(conversation, {2: differs, 3: differs})


@on_every_database
class TextKey(Shape, UserModel):
    shape = "text_key"
    user_id_field = "code"
    nobody = "key-nobody"

    def test_another_spelling_of_a_key(self):
        """MariaDB's usual collations find it."""

        def conversation(side):
            for spelled in ["KEY-ALICE", "key-alice "]:
                side.send(get(ME, bearer(access(user_id=spelled))))

        self.compare(conversation)


@on_every_database
class KeyColumn(Shape, UserModel):
    shape = "key_column"


@on_every_database
class Renamed(Shape, UserModel):
    shape = "renamed"


@on_every_database
class ThroughGroups(Shape, UserModel):
    shape = "through_groups"


@on_every_database
class NumberLogin(Shape, UserModel):
    shape = "number_login"
    username_field = "number"
    stranger = "999999"

    def name(self, who):
        return {"alice": "1001", "bob": "1002", "staff": "1003", "elise": "1004"}[who]

    def test_another_spelling_of_a_number(self):
        """Python reads them all, and says that the last is too large for a column."""

        def conversation(side):
            for spelled in [" 1001", "+1001", "01001", "1_001"]:
                self.good(side, side.send(get(ME, basic(spelled, PASSWORD))))
            side.send(get(ME, basic("9" * 30, PASSWORD)))

        self.compare(conversation)

    def test_no_number(self):
        def conversation(side):
            side.send(get(ME, basic("alice", PASSWORD)))
            side.send(post(OBTAIN, data={"username": "alice", "password": PASSWORD}))
            side.send(post(JWT, data={"number": "alice", "password": PASSWORD}))

        why = "What cannot be a number is nobody's name, where Django fails"
        unable = "Unable to log in with provided credentials."
        nobody = "No active account found with the given credentials"
        differs = {
            0: refusal(why, 401, "Invalid username/password.", "Token", vary=["accept"]),
            1: refusal(why, 400, {"non_field_errors": [unable]}, allow="POST, OPTIONS"),
            2: refusal(why, 401, nobody, 'Bearer realm="api"', allow="POST, OPTIONS", vary=["accept"]),
        }
        self.compare(conversation, differs)


@on_every_database
class NumberFlags(Shape, UserModel):
    shape = "number_flags"


class AnyCase(Shape):
    def test_another_letter_case(self):
        def conversation(side):
            loud = self.name("alice").upper()
            self.good(side, side.send(get(ME, basic(loud, PASSWORD))))
            side.send(post(OBTAIN, data={"username": loud, "password": PASSWORD}))
            side.send(post(JWT, data={"username": loud, "password": PASSWORD}))
            browser = Browser(side)
            browser.log_in(loud, PASSWORD)
            browser.get(ME)

        self.compare(conversation)


@on_every_database
class Collation(AnyCase, UserModel):
    shape = "any_case"


# --- PostgreSQL's alone ---


class Citext(AnyCase, UserModel):
    shape = "citext"


class Schema(Shape, UserModel):
    shape = "schema"


# --- other names and other columns, which the same statements read everywhere: one database is enough ---


class NoStaff(Shape, UserModel):
    shape = "no_staff"
    # No view of such a project asks for them.
    test_staff = None


class AlwaysActive(Shape, UserModel):
    shape = "always_active"


class RenamedGroups(Shape, UserModel):
    shape = "renamed_groups"


class OwnGroups(Shape, UserModel):
    shape = "own_groups"


class EmailLogin(Emails, UserModel):
    shape = "email_login"


class OneToOne(Shape, UserModel):
    shape = "one_to_one"
    user_id_field = "person_id"


class Proxy(Shape, UserModel):
    shape = "proxy"


# --- what no table says, and the gateway leaves to the project: the database has no say ---


class Left(Shape):
    database = "sqlite"
    left = {"all"}


class ComputedActive(Left, UserModel):
    shape = "computed_active"


class SoftDeleted(Left, UserModel):
    shape = "soft_deleted"


class Inherited(Left, UserModel):
    shape = "inherited"
    # They read one table.
    test_commands = None

    def test_somebody_of_the_parent_alone(self):
        def conversation(side):
            side.send(get(ME, basic("ghost", PASSWORD)))
            side.send(self.obtain(OBTAIN, "ghost"))
            side.send(self.obtain(JWT, "ghost"))
            side.send(get(ME, bearer(access(user_id=self.tables.ask("key", name="ghost")))))

        self.compare(conversation)


class Routed(Left, UserModel):
    shape = "routed"
    # They read one database.
    test_commands = None


class OwnCheck(Left, UserModel):
    shape = "own_check"
    left = {"passwords"}


class NaturalKey(Left, AnyCase, UserModel):
    shape = "natural_key"
    left = {"passwords"}


class SessionHash(Left, UserModel):
    shape = "session_hash"
    left = {"sessions"}
