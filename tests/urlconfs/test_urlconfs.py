"""For URLconfs of all kinds, what the gateway asks by the file that `init` wrote is what the view asks.

Each of their paths is asked of Django's resolver and of a gateway. Where the gateway judges, it lets in whom the view
lets in, and nobody else; where it leaves the path to the project, it refuses nobody.
"""

import itertools
import re
import subprocess
import sys
import textwrap
import time
import types
import unittest
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients.forking import ForkingPython
from clients.gateway import BINARY, free_port
from clients.servers import ENVIRONMENT, Server, portcullis
from clients.test_django_settings import ADDRESSES_ONLY, project

SECRET_KEY = "hidden-key-that-nobody-guesses-0123456789"
APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework.authtoken"]
RULES = ["AllowAny", "IsAuthenticated", "IsAdminUser", "IsAuthenticatedOrReadOnly"]

SETTINGS = f"""
    import os
    from pathlib import Path

    SECRET_KEY = "{SECRET_KEY}"
    ROOT_URLCONF = "addresses"
    USE_I18N = False
    USE_TZ = True
    STATIC_URL = ""
    DATABASES = {{"default": {{
        "ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parent.parent / "db.sqlite3",
    }}}}
    INSTALLED_APPS = {APPS}
    REST_FRAMEWORK = {{
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions." + os.environ.get("DEFAULT_RULE", "AllowAny")],
    }}
"""

# A view of each kind. `Own` has a class that no gateway knows.
VIEWS = """
    from django.http import HttpResponse
    from django.urls import register_converter
    from rest_framework import permissions
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSet

    class Base(APIView):
        def get(self, request, *args, **kwargs):
            return Response()

        post = get

    class AllowAny(Base):
        permission_classes = [permissions.AllowAny]

    class IsAuthenticated(Base):
        permission_classes = [permissions.IsAuthenticated]

    class IsAdminUser(Base):
        permission_classes = [permissions.IsAdminUser]

    class IsAuthenticatedOrReadOnly(Base):
        permission_classes = [permissions.IsAuthenticatedOrReadOnly]

    class NoChain(IsAuthenticated):
        authentication_classes = []

    class OpenNoChain(AllowAny):
        authentication_classes = []

    class Signed(BaseAuthentication):
        def authenticate(self, request):
            return request.build_absolute_uri() and None

    class Own(IsAuthenticated):
        authentication_classes = [Signed]

    class ByAction(ViewSet):
        def get_permissions(self):
            rule = permissions.AllowAny if self.action == "list" else permissions.IsAuthenticated
            return [rule()]

        def list(self, request, *args, **kwargs):
            return Response()

        create = retrieve = list

    class Staff(ViewSet):
        permission_classes = [permissions.IsAdminUser]
        list = create = retrieve = ByAction.list

    def page(request, *args, **kwargs):
        return HttpResponse()

    class Two:
        regex = "[0-9]{2}"
        to_python = to_url = lambda self, value: value

    class Perhaps(Two):
        regex = "x?"

    class Anything(Two):
        regex = ".*"

    for its in (Two, Perhaps, Anything):
        register_converter(its, its.__name__.lower())
"""

HEAD = """
from django.urls import include, path, re_path
from rest_framework.routers import DefaultRouter, SimpleRouter
from rest_framework.urlpatterns import format_suffix_patterns
import views

def router(kind, prefix, viewset):
    made = kind()
    made.register(prefix, viewset, basename=prefix)
    return made.urls

"""

USERS = """
from django.contrib.auth.models import User
from django.core.management import call_command
from rest_framework.authtoken.models import Token
call_command("migrate", verbosity=0)
for name in ("alice", "root"):
    user = User.objects.create_user(name, is_staff=name == "root")
    print(Token.objects.create(user=user).key)
"""

# In the answer of `echo`, which is what an upstream would have got.
IDENTITY = b'"remote-user": "alice"'

# Routes are asked for in lower case alone: the gateway answers 404 to what differs from a route in case only.
WORDS = ["a", "b", "me", "users", "v1"]
# Of what varies, a pattern and texts that it has; {} is a name that the pattern has not yet.
CONVERTERS = {
    "<int:{}>": ["1", "012"], "<slug:{}>": ["me", "x-1", "12", "_"], "<str:{}>": ["a", "x.y"], "<{}>": ["b"], "<uuid:{}>": [
        "123e4567-e89b-12d3-a456-426614174000",
    ], "<path:{}>": ["a/b", "me/", "x"], "<two:{}>": ["12"], "<perhaps:{}>": ["x", ""], "<anything:{}>": ["", "a/b"],
    "u-<int:{}>": ["u-1"], "<int:{}>.json": ["1.json"], "<slug:{}>-<int:{}>": ["a-1"],
}  # fmt: skip
EXPRESSIONS = {
    r"(?P<{}>\d+)": ["1", "12"], r"(?P<{}>[^/]+)": ["me", "x.y"], r"(?P<{}>[^/.]+)": ["me"], r"(?P<{}>\w*)": ["", "a"],
    r"(?:a|b)": ["a", "b"], r"([a-z]+)": ["me", "users"], r"(?P<{}>.+)": ["a/b", "x"], r"a(?:/(?P<{}>\d+))?": ["a", "a/1"],
    r"v[12]": ["v1", "v2"], r"b?": ["b", ""], r"a.b": ["a.b", "axb"], r"\d{{2}}": ["12"],
}  # fmt: skip
LEAVES = [
    *RULES, "NoChain", "OpenNoChain", "Own", "page",
]  # fmt: skip


def parts(table):
    """A part of a path: its pattern, and texts."""
    words = st.sampled_from(WORDS).map(lambda word: (word, [word]))
    return st.one_of(words, words, st.sampled_from(sorted(table.items())))


@st.composite
def route_patterns(draw, end):
    """`path()`: the function, the pattern, and texts."""
    chosen = draw(st.lists(parts(CONVERTERS), max_size=2))
    return "path", *joined(chosen, draw(end) if chosen else "")


@st.composite
def regex_patterns(draw, end):
    chosen = draw(st.lists(parts(EXPRESSIONS), max_size=2))
    pattern, texts = joined(chosen, "")
    tail, its = draw(end)
    return "re_path", draw(st.sampled_from(["^", "^", ""])) + pattern + tail, [text + it for text in texts for it in its]


def joined(chosen, tail):
    texts = ["/".join(text) + tail for text in itertools.product(*(its for _, its in chosen))]
    return "/".join(pattern for pattern, _ in chosen) + tail, texts


SLASH = st.sampled_from(["/", "/", "/", ""])
REGEX_ENDS = st.sampled_from([
    ("/$", ["/"]), ("/$", ["/"]), ("$", [""]), ("/?$", ["", "/"]), ("/", ["/", "/more"]), ("", ["", "x"]),
    (r"\.(?P<format>[a-z0-9]+)/?$", [".json", ".json/"]),
])  # fmt: skip
REGEX_PREFIXES = st.sampled_from([("/", ["/"]), ("/", ["/"]), ("", [""])])


@st.composite
def entries(draw, deep=2):
    """An entry of `urlpatterns`, as text, and texts of its paths."""
    kinds = ["view"] * 4 + ["router"] + ["include"] * 2 * (deep > 0)
    kind = draw(st.sampled_from(kinds))
    if kind == "view":
        function, pattern, texts = draw(st.one_of(route_patterns(SLASH), regex_patterns(REGEX_ENDS)))
        view = draw(st.sampled_from(LEAVES))
        callback = "views.page" if view == "page" else f"views.{view}.as_view()"
        return f"{function}(r{pattern!r}, {callback})".replace("r'", "r'"), texts
    prefix = draw(st.one_of(route_patterns(SLASH), regex_patterns(REGEX_PREFIXES)))
    function, pattern, texts = prefix
    if kind == "router":
        made, word = draw(st.sampled_from(["SimpleRouter", "DefaultRouter"])), draw(st.sampled_from(WORDS))
        viewset = draw(st.sampled_from(["ByAction", "Staff"]))
        inner = f"router({made}, {word!r}, views.{viewset})"
        below = ["", f"{word}/", f"{word}/1/", f"{word}.json", f"{word}/1.json", ".json"]
    else:
        entry, below = draw(urlpatterns(deep - 1))
        inner = entry
    return f"{function}(r{pattern!r}, include({inner}))", [text + rest for text in texts for rest in below]


@st.composite
def urlpatterns(draw, deep=2):
    chosen = draw(st.lists(entries(deep), min_size=1, max_size=4 if deep == 2 else 3))
    texts = [text for _, texts in chosen for text in texts]
    return "[" + ", ".join(entry for entry, _ in chosen) + "]", texts


def named(text):
    """Each name once in a URLconf."""
    numbers = itertools.count()
    text = re.sub(r"(?<=[<:]){}(?=>)", lambda _: f"n{next(numbers)}", text)
    return text.replace("{{", "{").replace("}}", "}").replace(r"\\", "\\")


@st.composite
def projects(draw):
    patterns, texts = draw(urlpatterns())
    # What one entry's paths are to another's pattern.
    more = draw(st.lists(st.lists(st.sampled_from([*WORDS, "1", "12", "x"]), min_size=1, max_size=3), max_size=6))
    texts += ["/".join(segments) + draw(SLASH) for segments in more]
    paths = list(dict.fromkeys("/" + text for text in texts if readable("/" + text)))
    return named(patterns), draw(st.permutations(paths))[:16], draw(st.sampled_from(RULES))


def readable(path):
    """The gateway refuses what can be read in two ways."""
    return "//" not in path


def setUpModule():
    global folder, python, tokens, gateway, place, views
    holder = TemporaryDirectory(prefix="portcullis-urls.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    manage = project(folder, {
        "manage.py": ADDRESSES_ONLY, "config/settings.py": SETTINGS, "config/views.py": VIEWS,
        "config/addresses.py": "urlpatterns = []",
    })  # fmt: skip
    made = subprocess.run(
        [sys.executable, manage, "shell", "--no-imports", "--command", USERS],
        env=ENVIRONMENT, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    tokens = dict(zip(["user", "staff"], made.stdout.split(), strict=True))
    python = ForkingPython()
    unittest.addModuleCleanup(python.stop)
    views = django_here()
    gateway = Gateway()
    unittest.addModuleCleanup(gateway.stop)


def django_here():
    """Django in this process, whose resolver and views are asked; the database is not."""
    import django
    from django.conf import settings as configured

    configured.configure(
        SECRET_KEY=SECRET_KEY, INSTALLED_APPS=APPS, USE_I18N=False, ALLOWED_HOSTS=["*"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]},
    )  # fmt: skip
    django.setup()
    module = types.ModuleType("views")
    sys.modules["views"] = module
    exec(textwrap.dedent(VIEWS), vars(module))
    return module


class Gateway:
    """One process for all files: each is loaded in the place of the one before."""

    def __init__(self):
        self.port, self.number, self.process, self.connection = free_port(), 0, None, None

    def load(self, text):
        self.number += 1
        text = text.replace("listen: 127.0.0.1:8080\n", f"listen: 127.0.0.1:{self.port}\n")
        # Asked until the file has been loaded, which nothing else tells from outside.
        text = text.replace("\nroutes:\n", f'\nroutes:\n  - {{ path: "=/-loaded-{self.number}", endpoint: jwks }}\n')
        # Wrong tokens from one address are what this is about.
        text = text.replace("\nroutes:\n", "\nlockout: false\nroutes:\n")
        (folder / "running.yaml").write_text(text)
        if self.process is None:
            command = [BINARY, "run", "--config", "running.yaml"]
            self.process = Server(command, self.port, folder, DJANGO_SECRET_KEY=SECRET_KEY)
        else:
            self.process.process.send_signal(1)
        end = time.monotonic() + 20
        while b'"keys"' not in self.ask("GET", f"/-loaded-{self.number}")[1]:
            if time.monotonic() > end:
                raise AssertionError("the file was not loaded:\n" + self.process.said())
            time.sleep(0.002)

    def ask(self, method, path, token=None):
        """The status, and what the upstream got."""
        headers = {"Authorization": f"Token {token}"} if token else {}
        for _ in range(2):
            if self.connection is None:
                self.connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                self.connection.request(method, path, headers=headers)
                answer = self.connection.getresponse()
                return answer.status, answer.read()
            except (HTTPException, OSError):
                # It was kept over a reload.
                self.connection.close()
                self.connection = None
        raise AssertionError("the gateway does not answer:\n" + self.process.said())

    def stop(self):
        if self.connection:
            self.connection.close()
        if self.process:
            self.process.stop()


def written(patterns, rule):
    """What `init` makes of a URLconf; the file passes `check`."""
    (folder / "config/addresses.py").write_text(f"{HEAD}urlpatterns = {patterns}\n")
    done = portcullis(
        folder, "init", "--force", "--django", "manage.py", "--python", python.path, "--upstream", "echo", DEFAULT_RULE=rule
    )
    assert done.returncode == 0, done.stderr
    check = portcullis(folder, "check", DJANGO_SECRET_KEY=SECRET_KEY)
    assert check.returncode == 0, check.stderr
    return (folder / "gateway.yaml").read_text()


class Project:
    """What Django's resolver and DRF's views say."""

    def __init__(self, patterns, rule):
        from django.urls import set_urlconf
        from django.urls.resolvers import RegexPattern, URLResolver
        from rest_framework import permissions
        from rest_framework.views import APIView

        # Before the views are made: they have it from here.
        APIView.permission_classes = [getattr(permissions, rule)]
        module = types.ModuleType("addresses")
        exec(f"{HEAD}urlpatterns = {patterns}\n", vars(module))
        self.resolver = URLResolver(RegexPattern(r"^/"), module)
        # Routers name their addresses.
        set_urlconf(module)

    def view(self, path):
        from django.urls import Resolver404

        try:
            return self.resolver.resolve(unquote(path))
        except Resolver404:
            return None

    def refuses(self, match, method, who):
        """Whether the view answers 401 or 403 to one of "nobody", "user", "staff", "wrong"."""
        from django.contrib.auth.models import AnonymousUser, User
        from rest_framework.authentication import TokenAuthentication
        from rest_framework.test import APIRequestFactory, force_authenticate

        cls = getattr(match.func, "cls", None)
        if cls is None:
            return False
        knows_tokens = TokenAuthentication in cls.authentication_classes
        if who == "wrong" and knows_tokens:
            return True
        known = knows_tokens and who in ("user", "staff")
        user = User(pk=1, username=who, is_staff=who == "staff") if known else AnonymousUser()
        request = APIRequestFactory().generic(method, "/")
        force_authenticate(request, user)
        request.resolver_match = match
        return match.func(request, *match.args, **match.kwargs).status_code in (401, 403)


def compare(patterns, paths, rule):
    """Nothing that differs is kept back: the first is told with all that is needed to see it again."""
    native = Project(patterns, rule)
    text = written(patterns, rule)
    gateway.load(text)
    keys = {"nobody": None, **tokens, "wrong": "0" * 40}
    for path, method in itertools.product(paths, ["GET", "POST"]):
        match = native.view(path)
        if match is None:
            continue
        answers = {who: gateway.ask(method, path, key) for who, key in keys.items()}
        refused = {who: status in (401, 403) for who, (status, _) in answers.items()}
        odd = {who: status for who, (status, _) in answers.items() if status not in (200, 401, 403)}
        right = {who: native.refuses(match, method, who) for who in keys}
        cls = getattr(match.func, "cls", None)
        # An identity goes on only where the gateway has looked at the credential.
        judged = any(refused.values()) or IDENTITY in answers["user"][1]
        if right["nobody"] and cls is not views.Own:
            guarded.append(judged)
        if not judged and not odd:
            continue
        if cls in (None, views.Own):
            right = dict.fromkeys(keys, False)
        elif cls is views.ByAction:
            # Its rule has no name: the gateway asks what is certain, and the view asks again.
            right = {who: right[who] and (refused[who] or who == "wrong") for who in keys}
        if odd or refused != right:
            routes = text.split("\nroutes:\n")[1].split("\n\n")[0]
            raise AssertionError(
                f"{method} {path} with default {rule}, view {match.func}:\n"
                f"view refuses {right}\ngateway refuses {refused} {odd}\nurlpatterns = {patterns}\n{routes}"
            )
    return text


# Of each request that its view refuses to strangers, whether the gateway judges it.
guarded = []


class Views(unittest.TestCase):
    @settings(
        max_examples=60, deadline=None, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(projects())
    def compare_all(self, made):
        compare(*made)

    def test_rules_are_those_of_views(self):
        guarded.clear()
        self.compare_all()
        # It is no answer to leave all of them to the project. These URLconfs are odder than any that people write.
        self.assertGreater(sum(guarded) * 5, len(guarded))

    def test_it_was_worth_comparing(self):
        """The gateway does judge where it can, and refuses nobody where the view is Django's."""
        text = compare(
            "[path('a/', views.IsAdminUser.as_view()), path('b/', views.page), path('b/<int:n>/', views.AllowAny.as_view())]",
            ["/a/", "/b/", "/b/1/"], "IsAuthenticated",
        )  # fmt: skip
        self.assertIn('path: "=/a/"\n    permission: staff\n', text)
        statuses = [gateway.ask("GET", path, key)[0] for path in ["/a/", "/b/", "/b/1/"] for key in [None, "0" * 40]]
        self.assertEqual(statuses, [401, 401, 200, 200, 200, 401])
        self.assertIn(IDENTITY, gateway.ask("GET", "/b/1/", tokens["user"])[1])


if __name__ == "__main__":
    unittest.main()
