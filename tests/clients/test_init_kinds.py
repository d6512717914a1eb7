"""What `init` makes of projects that are each odd in one way: what it cannot carry with its meaning is left to the
project and said, and nothing that it writes is wider than what it carries. Each file passes `check`."""

import functools
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from textwrap import dedent, indent

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from clients.forking import ForkingPython
from clients.gateway import ROOT
from clients.servers import ENVIRONMENT, portcullis
from clients.test_django_settings import ADDRESSES_ONLY, project, sentences

SECRET_KEY = "hidden-key-that-nobody-guesses-0123456789"
TOKEN = "rest_framework.authentication.TokenAuthentication"
SESSION = "rest_framework.authentication.SessionAuthentication"

# In place of `session`: whoever has one is the project's to judge, and everybody else is judged here.
SESSIONS = {"upstream": {"cookies": ["sessionid"]}}

SETTINGS = f"""
    SECRET_KEY = "{SECRET_KEY}"
    ROOT_URLCONF = "addresses"
    USE_I18N = False
    USE_TZ = True
    STATIC_URL = "/static/"
    DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}}}
    INSTALLED_APPS = [
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework",
        "rest_framework.authtoken", "shop",
    ]
    MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
    REST_FRAMEWORK = {{
        "DEFAULT_AUTHENTICATION_CLASSES": ["{TOKEN}", "{SESSION}"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    }}
"""

VIEWS = """
    from django.http import Http404, HttpResponse
    from rest_framework.permissions import *
    from rest_framework.response import Response
    from rest_framework.routers import DefaultRouter, SimpleRouter
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSet

    from shop.classes import *

    class Me(APIView):
        def get(self, request, *args, **kwargs):
            return Response()

        post = get

    class Open(Me):
        permission_classes = [AllowAny]

    class Staff(Me):
        permission_classes = [IsAdminUser]

    def page(request, *args, **kwargs):
        return HttpResponse("page")
"""

# Apart from views: settings name them, and views are made from settings.
CLASSES = """
    from django.contrib.auth.models import User
    from rest_framework.authentication import (
        BaseAuthentication, BasicAuthentication, SessionAuthentication, TokenAuthentication,
    )
    from rest_framework.exceptions import AuthenticationFailed
"""

URLS = """
    from django.urls import include, path, re_path
    from shop.views import *

"""


class Made:
    """What `init` says and writes."""

    def __init__(self, folder, words):
        self.folder = folder
        self.done = portcullis(folder, "init", *words, "--upstream", "echo")
        assert self.done.returncode == 0, self.done.stderr
        self.said, self.text = self.done.stdout, (folder / "gateway.yaml").read_text()
        keys = dict.fromkeys(re.findall(r"\$\{(DJANGO_SECRET_KEY\w*)\}", self.text), SECRET_KEY)
        self.check = portcullis(folder, "check", **keys)
        self.words = words

    @functools.cached_property
    def told(self):
        """The document that it is made of."""
        return json.loads(portcullis(self.folder, "init", *self.words, "--print-answer").stdout)

    @functools.cached_property
    def notes(self):
        return sentences(self.told)

    def chain(self):
        return [entry["gateway"] for entry in self.told["rest_framework"]["authentication"]]

    def url(self, pattern):
        return next(url for url in self.told["urls"] if url["pattern"] == pattern)

    def lines(self):
        """What the project is to add."""
        return dedent(re.search(r"\n\n((?:  .*\n|\n)+)(?=\n2\. )", self.said)[1])


class Kinds(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.python = ForkingPython()
        cls.addClassCleanup(cls.python.stop)

    def made(self, settings="", urls="", views="", models="", classes="", *, words=None, **more):
        """Of a project with these words at the ends of its files."""
        holder = tempfile.TemporaryDirectory(prefix="portcullis-kinds.")
        self.addCleanup(holder.cleanup)
        folder = Path(holder.name)
        manage = project(folder, {
            "manage.py": ADDRESSES_ONLY, "config/settings.py": dedent(SETTINGS) + dedent(settings),
            "config/addresses.py": dedent(URLS) + dedent(urls or 'urlpatterns = [path("me/", Me.as_view())]'),
            "config/shop/__init__.py": "", "config/shop/views.py": dedent(VIEWS) + dedent(views),
            "config/shop/classes.py": dedent(CLASSES) + dedent(classes),
            "config/shop/models.py": models, **{name.replace("__", "/") + ".py": text for name, text in more.items()},
        })  # fmt: skip
        self.migrate(folder, "class Member" in models)
        made = Made(folder, words or ["--django", manage, "--python", self.python.path])
        self.assertEqual(made.check.returncode, 0, made.check.stderr + made.text)
        return made

    tables = None

    def migrate(self, folder, own_users):
        """The tables, which `check` asks for. Those of Django's own models are made once."""
        database = folder / "db.sqlite3"
        if self.tables and not own_users:
            return database.write_bytes(self.tables)
        done = subprocess.run(
            [self.python.path, folder / "manage.py", "migrate", "--run-syncdb", "--verbosity=0"], cwd=folder,
            env={**ENVIRONMENT, "DJANGO_SETTINGS_MODULE": "settings"}, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        if not own_users:
            Kinds.tables = database.read_bytes()
        return None

    def rule(self, made, path, method="GET"):
        """The route's path and the rule by which a request is decided."""
        done = portcullis(made.folder, "explain", method, path, DJANGO_SECRET_KEY=SECRET_KEY)
        told = dict(re.findall(r"^  (\w+) +(.*)$", done.stdout, re.MULTILINE))
        self.assertIn("rule", told, done.stdout + done.stderr + made.text)
        return told["route"], told["rule"].split(":")[0]

    def assert_rules(self, made, rules):
        for asked, rule in rules.items():
            method, _, path = asked.rpartition(" ")
            with self.subTest(asked):
                self.assertEqual(self.rule(made, path, method or "GET")[1], rule, made.text)

    def assert_left(self, made, path):
        """To the project whole."""
        route = self.rule(made, path)[0]
        left = r"\{ path: \"" + re.escape(route) + r"\", (authentication: \[\], permission: anyone, throttle: \[\], )?"
        self.assertRegex(made.text, left + 'upstream: "echo" }')
        if "authentication: []," not in re.search(left, made.text)[0]:
            self.assertIn("\nauthentication: []  #", made.text)

    def noted(self, made, *words):
        found = [note for note in made.notes if all(word in note for word in words)]
        self.assertEqual(len(found), 1, f"{words} in {made.notes}")


class Paths(Kinds):
    def test_script_name_with_an_empty_media_url(self):
        """Attack: Django puts the script name before an empty MEDIA_URL, and all of the application was open."""
        made = self.made('FORCE_SCRIPT_NAME = "/backend"\nMEDIA_URL = ""')
        self.assertNotIn("/backend/", made.told["open"])
        self.assert_rules(made, {"/backend/me/": "authenticated", "/me/": "authenticated"})

    def test_media_at_the_root(self):
        made = self.made('MEDIA_URL = "/"')
        self.assertEqual(made.told["open"], ["/static/"])
        self.assert_rules(made, {"/me/": "authenticated"})

    def test_languages_in_paths(self):
        for default, paths in [(True, ["/en/me/", "/de/me/"]), (False, ["/me/", "/de/me/"])]:
            with self.subTest(prefix_default_language=default):
                made = self.made(
                    'USE_I18N = True\nLANGUAGES = [("en", "English"), ("de", "Deutsch")]\nLANGUAGE_CODE = "en"',
                    f"""
                    from django.conf.urls.i18n import i18n_patterns
                    urlpatterns = [path("open/", Open.as_view())]
                    urlpatterns += i18n_patterns(path("me/", Me.as_view()), prefix_default_language={default})
                    """,
                )
                self.assert_rules(made, dict.fromkeys(paths, "authenticated") | {"/open/": "anyone"})

    def test_recipe_for_static_files(self):
        """Django's own: the prefix is in the settings and among the patterns, and is one route."""
        made = self.made(
            'DEBUG = True\nMEDIA_URL = "/media/"\nMEDIA_ROOT = "/nowhere"',
            """
            from django.conf import settings
            from django.conf.urls.static import static
            urlpatterns = [path("me/", Me.as_view())] + static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT)
            """,
        )
        self.assertLessEqual(made.text.count('path: "/media/"'), 1)
        self.assert_left(made, "/media/a/b.png")

    def test_nothing_is_written_twice(self):
        made = self.made(
            urls="""
            urlpatterns = [
                path("a/", Me.as_view()), path("a/", Me.as_view()), re_path(r"^a/$", Staff.as_view()),
                path("b", Me.as_view()), path("b/", Open.as_view()), re_path("^static/", page),
            ]
            """
        )
        paths = re.findall(r'path: "([^"]*)"', made.text)
        self.assertEqual(len(paths), len(set(paths)), paths)
        self.assert_rules(made, {"/b": "authenticated", "/b/": "anyone"})

    def test_spellings_in_other_cases(self):
        """One path to the gateway, which would answer 404 to one of them."""
        made = self.made(urls='urlpatterns = [path("case/", Open.as_view()), path("Case/", Staff.as_view())]')
        refused = [note for note in made.text.splitlines() if re.match("#   .*[Cc]ase/", note)]
        if not refused:
            for path in ["/case/", "/Case/"]:
                self.assert_left(made, path)
        self.assertEqual("Clients that will be refused:" in made.said, bool(refused))

    def test_catch_all_at_the_end(self):
        """For single-page applications. It is the project's, and what stands before it is judged."""
        for catch_all in ['re_path("", page)', 're_path(r"^.*$", page)', 'path("<path:rest>", page)']:
            with self.subTest(catch_all):
                made = self.made(urls=f'urlpatterns = [path("me/", Me.as_view()), path("", page), {catch_all}]')
                self.assert_left(made, "/")
                self.assert_left(made, "/anything/else")
                self.assertEqual(self.rule(made, "/me/"), ("=/me/", "authenticated"))

    def test_catch_all_that_is_guarded(self):
        """Attack: what nobody knows is the guarded view's, whatever its neighbours are."""
        made = self.made(
            urls="""
            urlpatterns = [
                path("a/", Open.as_view()), path("a/b/", Open.as_view()), path("<int:n>/c/", Open.as_view()),
                path("<path:rest>", Staff.as_view()),
            ]
            """
        )
        self.assert_rules(made, {"/a/": "anyone", "/a/b/": "anyone"})
        for path in ["/a/other/", "/x/c/"]:
            with self.subTest(path):
                route, rule = self.rule(made, path)
                if rule != "staff":
                    self.assert_left(made, path)

    def test_first_pattern_decides(self):
        """Attack: as in Django, the wider pattern hides the narrower one that stands behind it."""
        made = self.made(urls='urlpatterns = [path("<slug:x>/", Staff.as_view()), path("me/", Open.as_view())]')
        if self.rule(made, "/me/")[1] != "staff":
            self.assert_left(made, "/me/")

    def test_expression_that_begins_nowhere(self):
        """Django searches: `login/$` is any path that ends so."""
        made = self.made(urls='urlpatterns = [path("a/", Open.as_view()), re_path(r"b/$", Staff.as_view())]')
        self.assertEqual(self.rule(made, "/a/")[1], "anyone")
        if self.rule(made, "/a/b/")[1] != "staff":
            self.assert_left(made, "/a/b/")

    def test_format_suffixes(self):
        made = self.made(
            urls="""
            router = DefaultRouter()
            router.register("items", Items, basename="item")
            router.register("open", Opened, basename="open")
            urlpatterns = [path("api/", include(router.urls))]
            """,
            views="""
            class Items(ViewSet):
                def list(self, request, **kwargs): ...
                def retrieve(self, request, pk, **kwargs): ...

            class Opened(Items):
                permission_classes = [AllowAny]
            """,
        )
        self.assert_rules(made, {
            "/api/items/": "authenticated", "/api/items/1/": "authenticated", "/api/open/": "anyone", "/api/open/1/": "anyone",
        })  # fmt: skip
        # Part of a segment says who is asked: the project knows, or both rules are one.
        for path in ["/api/items.json", "/api/open.json"]:
            with self.subTest(path):
                self.assert_left(made, path)

    def test_format_suffix_of_the_root(self):
        """It takes what begins with a dot, and hides no view behind it; and the count is of what is written."""
        made = self.made(
            urls="""
            from rest_framework.urlpatterns import format_suffix_patterns

            api = [path("", Open.as_view()), path("orders/", Me.as_view())]
            urlpatterns = [path("api/", include(format_suffix_patterns(api)))]
            """
        )
        self.assert_rules(made, {"/api/orders/": "authenticated", "/api/.json": "anyone"})
        judged, guarded = re.search(r"judges (\d+) of the (\d+) views", made.said).groups()
        # `orders.json` is a part of a segment, which the project judges.
        self.assertEqual((judged, guarded), ("1", "2"))

    def test_crossing_patterns(self):
        """Neither is the more specific one; a third route is for what both have."""
        urls = 'urlpatterns = [path("a/<str:x>/", Staff.as_view()), path("<str:y>/b/", Open.as_view())]'
        made = self.made(urls=urls)
        self.assert_rules(made, {"/a/x/": "staff", "/x/b/": "anyone"})
        self.assertEqual(self.rule(made, "/a/b/")[0], "=/a/b/")
        if self.rule(made, "/a/b/")[1] != "staff":
            self.assert_left(made, "/a/b/")

    def test_optional_slash(self):
        made = self.made(urls='urlpatterns = [re_path(r"^a/?$", Staff.as_view()), path("b/", Open.as_view())]')
        self.assert_rules(made, {"/a": "staff", "/a/": "staff", "/b/": "anyone"})

    def test_converters_of_the_project(self):
        made = self.made(
            urls="""
            from django.urls import register_converter

            class Two:
                regex = "[0-9]{2}"
                to_python = to_url = lambda self, value: value

            class Any(Two):
                regex = "[a-z/]*"

            register_converter(Two, "two")
            register_converter(Any, "any")
            urlpatterns = [
                path("two/<two:x>/", Staff.as_view()), path("any/<any:x>/", Open.as_view()), path("plain/", Open.as_view()),
                path("part/v<two:x>/", Me.as_view()),
            ]
            """
        )
        paths = {url["pattern"]: url["path"] for url in made.told["urls"]}
        self.assertEqual(paths["two/<two:x>/"], "=/two/{x}/")
        self.assertEqual(paths["any/<any:x>/"], "/any/")
        # A part of a segment is not told; the project knows, or all below has one rule.
        self.assertEqual(paths["part/v<two:x>/"], "/part/")
        self.assert_rules(made, {"/two/12/": "staff", "/any/a/b/": "anyone", "/plain/": "anyone"})


class Views(Kinds):
    def test_permissions_that_are_computed(self):
        """They are asked: who is anonymous is refused by these whatever the request is."""
        made = self.made(
            urls="""
            urlpatterns = [
                path("closed/", Closed.as_view()), path("open/", Opened.as_view()), path("unsure/", Unsure.as_view()),
            ]
            """,
            views="""
            class Closed(Me):
                @property
                def permission_classes(self):
                    return [IsAdminUser]

            class Opened(Me):
                permission_classes = property(lambda self: [])

            class Unsure(Me):
                @property
                def permission_classes(self):
                    return [AllowAny if self.request.META["REMOTE_ADDR"] == "10.0.0.1" else IsAdminUser]
            """,
        )
        self.assert_rules(made, {"/closed/": "authenticated", "/open/": "anyone", "/unsure/": "anyone"})

    def test_schemes_that_are_computed(self):
        made = self.made(
            urls="""
            urlpatterns = [path("a/", Computed.as_view()), path("b/", Own.as_view()), path("me/", Me.as_view())]
            """,
            views="""
            class Computed(Me):
                @property
                def authentication_classes(self):
                    return [TokenAuthentication]

            class Own(Me):
                def get_authenticators(self):
                    return [TokenAuthentication()]
            """,
        )
        for pattern in ["a/", "b/"]:
            self.assertIsNone(made.url(pattern)["authentication"])
            self.assert_left(made, f"/{pattern}")
        self.noted(made, "differs", "for each request", "shop.views.Computed", "shop.views.Own")
        self.assert_rules(made, {"/me/": "authenticated"})

    def test_permissions_by_action(self):
        made = self.made(
            urls="""
            router = SimpleRouter()
            router.register("a", ByAction, basename="a")
            router.register("b", Closed, basename="b")
            urlpatterns = router.urls
            """,
            views="""
            class ByAction(ViewSet):
                def get_permissions(self):
                    return [AllowAny() if self.action in ("list", "metadata") else IsAuthenticated()]
                def list(self, request): ...
                def create(self, request): ...
                def retrieve(self, request, pk): ...

            class Closed(ByAction):
                def get_permissions(self):
                    return [IsAdminUser() if self.action == "list" else IsAuthenticated()]
            """,
        )
        # Who is anonymous may read the list, and nothing else.
        self.assert_rules(made, {
            "/a/": "anyone", "/b/": "authenticated", "/b/1/": "authenticated", "POST /b/": "authenticated",
        })  # fmt: skip
        self.noted(made, "information", "Permissions", "shop.views.ByAction", "shop.views.Closed")

    def test_dispatch_of_the_project(self):
        """What it does before the classes are asked, nobody can tell."""
        made = self.made(
            urls='urlpatterns = [path("a/", Early.as_view()), path("me/", Me.as_view())]',
            views="""
            class Early(Me):
                def dispatch(self, request, *args, **kwargs):
                    if request.headers.get("X-Key") == "right":
                        return HttpResponse("in")
                    return super().dispatch(request, *args, **kwargs)
            """,
        )
        self.assert_left(made, "/a/")
        self.assertTrue(any("shop.views.Early" in note for note in made.notes), made.notes)
        self.assert_rules(made, {"/me/": "authenticated"})

    def test_permission_that_asks_the_database(self):
        """It is asked without one, and what it says then is no rule."""
        made = self.made(
            urls='urlpatterns = [path("a/", Asks.as_view())]',
            views="""
            class Known(BasePermission):
                def has_permission(self, request, view):
                    return User.objects.filter(pk=1).exists()

            class Asks(Me):
                permission_classes = [Known]
            """,
        )
        self.assert_rules(made, {"/a/": "anyone"})
        self.noted(made, "information", "Permissions", "shop.views.Known")


    def test_dispatch_that_only_handles_errors(self):
        """It asks the one above it first, as NetBox's does."""
        bodies = {
            "try:\n            return super().dispatch(request, *args, **kwargs)\n"
            "        except ZeroDivisionError:\n            return HttpResponse(status=409)": "authenticated",
            "name = self.__class__.__name__\n        return super().dispatch(request, *args, **kwargs)": "authenticated",
            # What becomes of a refusal is seen by its client.
            "response = super().dispatch(request, *args, **kwargs)\n        return HttpResponse(response.status_code)": None,
            "key = request.headers\n        return super().dispatch(request, *args, **kwargs)": None,
            "return super().dispatch(kwargs, *args)": None,
        }
        for body, rule in bodies.items():
            with self.subTest(body):
                made = self.made(
                    urls='urlpatterns = [path("a/", Early.as_view()), path("me/", Me.as_view())]',
                    views=f"class Early(Me):\n    def dispatch(self, request, *args, **kwargs):\n        {body}\n",
                )
                if rule:
                    self.assert_rules(made, {"/a/": rule})
                else:
                    self.assert_left(made, "/a/")

    def test_permissions_that_catch_everything(self):
        """A permission that looks at what is not known, and takes its own failure for a no, refuses nobody for certain."""
        made = self.made(
            urls='urlpatterns = [path("a/", ByKey.as_view()), path("b/<int:pk>/", NoKwargs.as_view())]',
            views="""
            class HasKey(BasePermission):
                def has_permission(self, request, view):
                    try:
                        return request.META["HTTP_X_API_KEY"] == "right"
                    except:
                        return False

            class Bare(BasePermission):
                def has_permission(self, request, view):
                    return view.kwargs != {}

            class ByKey(Me):
                permission_classes = [HasKey]

            class NoKwargs(Me):
                permission_classes = [Bare]
            """,
        )
        self.assert_rules(made, {"/a/": "anyone", "/b/1/": "anyone"})

    def test_methods_that_judge_requests(self):
        """Whom they let in, the gateway would refuse."""
        bodies = {
            "check_permissions(self, request): pass": None,
            "handle_exception(self, exc): return HttpResponse()": None,
            "handle_exception(self, exc):\n        answer = super().handle_exception(exc)\n"
            "        answer.status_code = 200\n        return answer": None,
            "handle_exception(self, exc):\n        answer = super().handle_exception(exc)\n"
            "        answer['ETag'] = 'x'\n        return answer": "authenticated",
            "initial(self, request, *args, **kwargs): pass": None,
            "perform_authentication(self, request): pass": None,
            "initial(self, request, *args, **kwargs):\n        super().initial(request, *args, **kwargs)\n"
            "        self.seen = True": "authenticated",
            "initial(self, request, *args, **kwargs):\n        if kwargs:\n            raise Http404\n"
            "        super().initial(request, *args, **kwargs)": "authenticated",
            "initial(self, request, *args, **kwargs):\n        if request.GET:\n            return\n"
            "        super().initial(request, *args, **kwargs)": None,
            "initialize_request(self, request, *args, **kwargs):\n        self.brief = request.GET\n"
            "        return super().initialize_request(request, *args, **kwargs)": "authenticated",
            "initialize_request(self, request, *args, **kwargs):\n        request.user = None\n"
            "        return super().initialize_request(request, *args, **kwargs)": None,
        }
        for body, rule in bodies.items():
            with self.subTest(body):
                made = self.made(
                    urls='urlpatterns = [path("a/", Own.as_view()), path("me/", Me.as_view())]',
                    views=f"class Own(Me):\n    def {body}\n",
                )
                if rule:
                    self.assert_rules(made, {"/a/": rule})
                else:
                    self.assert_left(made, "/a/")

    def test_permission_of_a_model_that_only_the_database_tells(self):
        """Which one it is does not matter to strangers, who have no permission."""
        made = self.made(
            urls='urlpatterns = [path("users/", Users.as_view({"get": "list", "post": "create"}))]',
            views="""
            from rest_framework.viewsets import ModelViewSet

            class Users(ModelViewSet):
                permission_classes = [DjangoModelPermissionsOrAnonReadOnly]

                def get_queryset(self):
                    return User.objects.filter(pk__in=[user.pk for user in User.objects.all()])
            """,
        )
        self.assert_rules(made, {"/users/": "authenticated_or_read_only"})


class Classes(Kinds):
    OWN = """
        class Own(BaseAuthentication):
            def authenticate(self, request):
                return request.build_absolute_uri() and None
    """

    def test_class_that_is_switched_off(self):
        """It looks at no request before it passes it on, so no client is any other's without it."""
        made = self.made(
            f'OWN = False\nREST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["{TOKEN}", "shop.classes.Own"]',
            classes="""
            from django.conf import settings

            class Own(BaseAuthentication):
                def authenticate(self, request):
                    if not settings.OWN:
                        return None
                    return request.user, None
            """,
        )
        self.assertEqual(made.chain(), ["token"])
        self.assert_rules(made, {"/me/": "authenticated"})
        self.noted(made, "differs", "run `init` again", "shop.classes.Own")

    def test_classes_that_only_look_switched_off(self):
        for body in [
            "try:\n            return request.GET['key'] and None\n        except: return None",
            "return request.user if request.method == 'DELETE' else None",
            "return cache.get('key')",
        ]:
            with self.subTest(body):
                made = self.made(
                    f'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["{TOKEN}", "shop.classes.Own"]',
                    classes="from django.core.cache import cache\n\nclass Own(BaseAuthentication):\n"
                    f"    def authenticate(self, request):\n        {body}\n",
                )
                self.assertEqual(made.chain(), ["token", None])

    def test_half_a_chain(self):
        """Attack, of a kind: without the other class its clients are refused, so the route is left whole."""
        defaults = f'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["{TOKEN}", "shop.classes.Own"]'
        made = self.made(
            defaults, 'urlpatterns = [path("me/", Me.as_view()), path("token/", Tokens.as_view())]',
            "class Tokens(Me):\n    authentication_classes = [TokenAuthentication]\n", classes=self.OWN,
        )  # fmt: skip
        self.assertEqual(made.chain(), ["token", None])
        self.assert_left(made, "/me/")
        self.assertEqual(self.rule(made, "/token/"), ("=/token/", "authenticated"))
        self.noted(made, "differs", "half a chain", "shop.classes.Own")
        # What is carried on any route has the gateway's user there; the other class is the project's.
        self.assertIn(f'"token": ["{TOKEN}"]', made.lines())
        self.assertNotIn("shop.classes.Own", made.lines().split('"EXPECTS"')[0])

    NARROW = """
        class OfTenant(TokenAuthentication):
            keyword = "Bearer"

            def authenticate(self, request):
                \"\"\"Asks more.\"\"\"
                found = super().authenticate(request)
                if found is None:
                    return None
                user, token = found
                if user.is_staff:
                    raise AuthenticationFailed
                return user, token

        class OnlyActive(TokenAuthentication):
            def authenticate_credentials(self, key):
                user, token = super().authenticate_credentials(key)
                if not user.email:
                    raise AuthenticationFailed
                return (user, token)
    """

    def test_subclasses_that_only_ask_more(self):
        """The scheme is the gateway's, and their own check the project's: they are asked there."""
        for name, entry in [("OfTenant", {"token": {"keyword": "Bearer"}}), ("OnlyActive", "token")]:
            with self.subTest(name):
                made = self.made(
                    f'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["shop.classes.{name}"]', classes=self.NARROW
                )
                told = made.told["rest_framework"]["authentication"]
                self.assertEqual(told, [
                    {"class": f"shop.classes.{name}", "base": TOKEN, "gateway": entry, "asks_more": True},
                ])  # fmt: skip
                self.assert_rules(made, {"/me/": "authenticated"})
                self.assertNotIn('"CLASSES"', made.lines())

    # In the first three, what a request without a credential is told can be seen: nothing.
    JUDGED_THERE = {"upstream": {"keywords": ["Token"], "challenge": "Token"}}
    WIDER = {
        "whoever fails is somebody": """
            try:
                return super().authenticate(request)
            except AuthenticationFailed:
                return User.objects.get(pk=1), None
        """,
        "another user is returned": """
            found = super().authenticate(request)
            if found and request.headers.get("X-As"):
                return User.objects.get(username=request.headers["X-As"]), None
            return found
        """,
        "another user under the same name": """
            found = super().authenticate(request)
            if found:
                found = (User.objects.first(), found[1])
            return found
        """,
        "another token is asked": """
            request._request.META["HTTP_AUTHORIZATION"] = "Token " + request.GET.get("token", "")
            return super().authenticate(request)
        """,
        "something else is asked first": """
            if request.GET.get("key") == "right":
                return User.objects.get(pk=1), None
            return super().authenticate(request)
        """,
        "something else is asked afterwards": """
            found = super().authenticate(request)
            if found is None:
                return User.objects.get(pk=1), None
            return found
        """,
        "somebody in the middle of an expression": """
            found = super().authenticate(request)
            return found or (User.objects.get(pk=1), None)
        """,
        "parts of another": """
            found = super().authenticate(request)
            (user, token), other = found, User.objects.first()
            user = other
            return user, token
        """,
        "a loop gives the name": """
            user, token = super().authenticate(request)
            for user in User.objects.all():
                pass
            return user, token
        """,
        "an attribute of the user is another's": """
            user, token = super().authenticate(request)
            user.pk = int(request.GET["as"])
            return user, token
        """,
    }

    def test_subclasses_that_let_more_in(self):
        """Attack, of a kind: the gateway refuses whom they accept, or takes another for the caller."""
        classes = {f"Wider{number}": body for number, body in enumerate(self.WIDER.values())}
        views = "".join(
            f"class {name}(TokenAuthentication):\n    def authenticate(self, request):\n"
            + indent(dedent(body).strip("\n"), " " * 8) + "\n\n"
            for name, body in classes.items()
        )  # fmt: skip
        urls = "".join(
            f'path("{name}/", Me.as_view(authentication_classes=[{name}])), '.replace(f'"{name}/"', f'"{name.lower()}/"')
            for name in classes
        )
        made = self.made(urls=f"urlpatterns = [{urls}]", views=views)
        for number, (name, what) in enumerate(zip(classes, self.WIDER, strict=True)):
            with self.subTest(what):
                path, told = f"/{name.lower()}/", made.url(f"{name.lower()}/")["authentication"][0]
                entry = self.JUDGED_THERE if number < 3 else None
                self.assertEqual((told["class"], told["gateway"]), (f"shop.views.{name}", entry))
                if entry:
                    self.assert_rules(made, {path: "authenticated"})
                    self.assert_forwarded(made, path, "Authorization: Token x")
                else:
                    self.assert_left(made, path)

    def assert_forwarded(self, made, path, *fields):
        """To the project, which judges the credential, without an identity."""
        headers = [word for field in fields for word in ("--header", field)]
        done = portcullis(made.folder, "explain", "GET", path, *headers, DJANGO_SECRET_KEY=SECRET_KEY)
        self.assertNotIn("refused", done.stdout + done.stderr)
        self.assertNotIn("Remote-User", done.stdout)

    def test_classes_that_the_project_asks(self):
        """What they read is seen: a request that shows it goes on, and all others are judged here."""
        made = self.made(
            f'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["{TOKEN}", "shop.classes.ByHeader", "shop.classes.ByCookie"]',
            classes="""
            class ByHeader(BaseAuthentication):
                def authenticate(self, request):
                    key = request.headers.get("X-Api-Key")
                    return (User.objects.get(username=key), None) if key else None

            class ByCookie(BaseAuthentication):
                def authenticate(self, request):
                    if "device" not in request.COOKIES:
                        return None
                    raise AuthenticationFailed
            """,
        )
        self.assertEqual(made.chain(), [
            "token", {"upstream": {"headers": ["X-Api-Key"]}}, {"upstream": {"cookies": ["device"]}},
        ])  # fmt: skip
        self.assert_rules(made, {"/me/": "authenticated"})
        self.assert_forwarded(made, "/me/", "X-Api-Key: 1")
        self.assert_forwarded(made, "/me/", "Cookie: device=1")
        self.noted(made, "differs", "judged by the project", "shop.classes.ByHeader", "shop.classes.ByCookie")

    READS_MORE = {
        "the query": 'return (1, None) if request.GET.get("key") else None',
        "the address": 'return (1, None) if request.META.get("REMOTE_ADDR") == "10.0.0.1" else None',
        "what middleware has left": 'return getattr(request._request, "tenant", None)',
        "the body of some methods": """
            if request.method == "POST" and request.POST.get("key"):
                return 1, None
            return (1, None) if request.headers.get("X-Api-Key") else None
        """,
        "a copy": """
            meta = request.META.copy()
            return (1, None) if meta.get("HTTP_X_KEY") or request.headers.get("X-Api-Key") else None
        """,
        "whether there is any cookie": """
            if request.COOKIES:
                return 1, None
            return (1, None) if request.headers.get("X-Api-Key") else None
        """,
        "all fields": """
            for name in request.META:
                if name == "HTTP_X_KEY":
                    return 1, None
        """,
    }

    def test_classes_that_read_more_than_is_told(self):
        """Attack, of a kind: clients that show what was not seen are refused."""
        classes = {f"Reads{number}": body for number, body in enumerate(self.READS_MORE.values())}
        views = "".join(
            f"class {name}(BaseAuthentication):\n    def authenticate(self, request):\n"
            + indent(dedent(body).strip("\n"), " " * 8) + "\n\n"
            for name, body in classes.items()
        )  # fmt: skip
        urls = "".join(f"path('{name.lower()}/', Me.as_view(authentication_classes=[{name}])), " for name in classes)
        made = self.made(urls=f"urlpatterns = [{urls}]", views=views)
        for name, what in zip(classes, self.READS_MORE, strict=True):
            with self.subTest(what):
                self.assertIsNone(made.url(f"{name.lower()}/")["authentication"][0]["gateway"])
                self.assert_left(made, f"/{name.lower()}/")

    def test_subclasses_by_other_attributes(self):
        """`get_user`, a model of tokens, a CSRF check that does nothing: each is another class."""
        made = self.made(
            urls="""
            urlpatterns = [
                path("csrf/", Me.as_view(authentication_classes=[NoCsrf])),
                path("model/", Me.as_view(authentication_classes=[OtherTokens])),
                path("adds/", Me.as_view(authentication_classes=[Adds])),
            ]
            """,
            views="""
            class NoCsrf(SessionAuthentication):
                def enforce_csrf(self, request):
                    return

            class OtherTokens(TokenAuthentication):
                model = User

            class Adds(TokenAuthentication):
                def authenticate_header(self, request):
                    return 'Token realm="shop"'
            """,
        )
        self.assert_left(made, "/csrf/")
        for path in ["model/", "adds/"]:
            with self.subTest(path):
                self.assertEqual(made.url(path)["authentication"][0]["gateway"]["upstream"]["keywords"], ["Token"])
                self.assert_forwarded(made, f"/{path}", "Authorization: Token x")


class Around(Kinds):
    """What acts on log-ins and sessions beside DRF's classes."""

    def own_middleware(self, line):
        return self.made(
            'MIDDLEWARE.append("shop.middleware.own")',
            config__shop__middleware=f"""
            def own(get_response):
                def middleware(request):
                    {line}
                    return get_response(request)
                return middleware
            """,
        )

    def test_middleware_that_says_who_the_user_is(self):
        made = self.own_middleware("request.user = 1")
        self.assertEqual(made.chain(), ["token", None])
        self.assert_left(made, "/me/")
        self.noted(made, "differs", "shop.middleware.own says who the user is")

    def test_middleware_that_switches_the_csrf_check_off(self):
        made = self.own_middleware('setattr(request, "_dont_enforce_csrf_checks", True)')
        self.assertEqual(made.chain(), ["token", "session"])
        self.noted(made, "do", "shop.middleware.own")
        self.assertIn("enforce: false", made.text)

    def test_middleware_that_switches_the_csrf_check_off_now_and_then(self):
        made = self.own_middleware('setattr(request, "_dont_enforce_csrf_checks", request.path == "/hook/")')
        self.assertEqual(made.chain(), ["token", SESSIONS])
        self.assert_rules(made, {"/me/": "authenticated"})
        self.noted(made, "differs", "shop.middleware.own switches the CSRF check off now and then")

    def test_middleware_that_switches_the_csrf_check_on_by_a_query(self):
        """Whoever attacks leaves the query out."""
        made = self.own_middleware('request._dont_enforce_csrf_checks = not request.GET.get("enforce")')
        self.assertEqual(made.chain(), ["token", "session"])
        self.noted(made, "do", "shop.middleware.own")
        self.assertIn("enforce: false", made.text)

    def test_middleware_that_asks_the_view_whether_to_check(self):
        """Attack, of a kind: the check that one view goes on with is switched off for it, too."""
        middleware = """
            class Own:
                def __init__(self, get_response):
                    self.get_response = get_response

                def __call__(self, request):
                    return self.get_response(request)

                def process_view(self, request, view, args, kwargs):
                    request._dont_enforce_csrf_checks = not hasattr(view, "checked")
        """
        for decorated, chain in [("", ["token", "session"]), ("Me.checked = True", ["token", SESSIONS])]:
            with self.subTest(decorated):
                made = self.made(
                    'MIDDLEWARE.append("shop.middleware.Own")', config__shop__middleware=middleware,
                    urls="view = Me.as_view()\n" + decorated.replace("Me.", "view.") + '\nurlpatterns = [path("me/", view)]',
                )  # fmt: skip
                self.assertEqual(made.chain(), chain)

    def test_middleware_that_makes_users_on_some_paths(self):
        """As wger's does, which gives visitors of its pages an account."""
        made = self.made(
            'MIDDLEWARE.append("shop.middleware.Guests")',
            'urlpatterns = [path("api/me/", Me.as_view()), path("api/<name>/", Me.as_view()), path("own/me/", Me.as_view())'
            ', path("<name>/me/", Me.as_view())]',
            config__shop__middleware="""
            from django.contrib import auth
            from django.contrib.auth.models import User
            from django.utils.deprecation import MiddlewareMixin
            from django.utils.functional import SimpleLazyObject

            def get_user(request):
                if not hasattr(request, "_cached_user"):
                    user = auth.get_user(request)
                    if not request.session.get("visited"):
                        request.session["visited"] = True
                    if "api" not in request.path and not user.is_authenticated:
                        user = User.objects.create(username="guest")
                    request._cached_user = user
                return request._cached_user

            class Guests(MiddlewareMixin):
                def process_request(self, request):
                    request.user = SimpleLazyObject(lambda: get_user(request))
            """,
        )  # fmt: skip
        self.assertEqual(made.chain(), ["token", "session"])
        self.assert_rules(made, {"/api/me/": "authenticated", "/api/x/": "authenticated"})
        self.assert_left(made, "/own/me/")
        self.assert_left(made, "/x/me/")

    def test_middleware_that_writes_a_credential(self):
        """Attack, of a kind: its clients have no credential that is known here, so a guarded route refuses them."""
        made = self.own_middleware(
            'if "HTTP_X_API_KEY" in request.META: request.META["HTTP_AUTHORIZATION"] = "Token " + request.META["HTTP_X_API_KEY"]'
        )
        # What is first says the challenge.
        first = {"upstream": {"headers": ["X-Api-Key"], "challenge": "Token"}}
        self.assertEqual(made.chain(), [first, "token", "session"])
        self.assert_rules(made, {"/me/": "authenticated"})
        made = self.own_middleware('request.META["HTTP_AUTHORIZATION"] = "Token " + request.path')
        self.assertEqual(made.chain(), [None, "token", "session"])
        self.assert_left(made, "/me/")

    # Each natively refuses what a session of alice's would be let in with, or may; or lets in somebody who has none.
    UNSEEN = [
        "if not request.session.get('otp') and isinstance(request.user, User): request.user = AnonymousUser()",
        "if str(request.user) == 'bob': request.user = AnonymousUser()",
        "if request.user in [1]: request.user = AnonymousUser()",
        "if isinstance(request.session.get('_auth_user_id'), str): request.user = AnonymousUser()",
        "if request.method == 'DELETE': request.user = AnonymousUser()",
        "request.user, request.tenant = AnonymousUser(), None",
        "auth.logout(request)",
        "request.session.flush()",
        "request.session = {}",
        "request.session['_auth_user_id'] = '2'",
        "request.session[auth.SESSION_KEY] = '2'",
        "if threading.current_thread().name == 'x': request.user = AnonymousUser()",
        "if cache.get('lockdown'): request.user = AnonymousUser()",
        "impersonate(request)",
        "request.COOKIES['sessionid'] = request.META.get('HTTP_X_SESSION')",
        "request._force_auth_user = request.META.get('HTTP_X_USER')",
        "quiet(request)",
    ]

    def test_middleware_that_goes_by_what_is_not_seen(self):
        """Attack: a session that the project's middleware ends, or takes for nobody's, is alice's at the gateway."""
        for line in self.UNSEEN:
            with self.subTest(line):
                made = self.made(
                    'MIDDLEWARE.append("shop.middleware.own")',
                    config__shop__middleware=f"""
                import threading

                from django.contrib import auth
                from django.contrib.auth.models import AnonymousUser, User
                from django.core.cache import cache

                def impersonate(request):
                    request.user = User(pk=1)

                def quiet(request):
                    try:
                        if request.user.last_name == "banned":
                            request.user = AnonymousUser()
                    except:
                        pass

                def own(get_response):
                    def middleware(request):
                        {line}
                        return get_response(request)
                    return middleware
                """,
                )
                self.assertNotIn("session", made.chain())
                if None in made.chain():
                    self.assert_left(made, "/me/")
                else:
                    # Whoever has a session is the project's to judge.
                    self.assertEqual(made.chain(), ["token", SESSIONS])
                    self.assert_rules(made, {"/me/": "authenticated"})

    def test_middleware_that_asks_the_view(self):
        """Attack: one view is behind a second factor."""
        for line in [
            'if "org" in kwargs: request.user = None',
            'if getattr(getattr(view, "cls", None), "requires_mfa", False): request.user = None',
        ]:
            with self.subTest(line):
                made = self.made(
                    'MIDDLEWARE.append("shop.middleware.Own")',
                    config__shop__middleware=f"""
                class Base:
                    def __init__(self, get_response):
                        self.get_response = get_response

                    def __call__(self, request):
                        return self.get_response(request)

                    def process_view(self, request, view, args, kwargs):
                        {line}

                class Own(Base):
                    pass
                """,
                )
                self.assertEqual(made.chain(), ["token", None])

    def test_sessions_of_another_middleware(self):
        made = self.made(
            'MIDDLEWARE[0] = "shop.middleware.Sessions"',
            config__shop__middleware="""
            from django.contrib.sessions.middleware import SessionMiddleware

            class Sessions(SessionMiddleware):
                pass
            """,
        )
        self.assertEqual(made.chain(), ["token", None])

    def test_csrf_check_that_depends_on_the_request(self):
        """Attack: a form of another site is refused natively, and the gateway does not check any."""
        for line in [
            'if "HTTP_ORIGIN" not in request.META: request._dont_enforce_csrf_checks = True',
            'if request.method == "GET": request._dont_enforce_csrf_checks = True',
            'if not request.COOKIES.get("web"): request._dont_enforce_csrf_checks = True',
            'if "X-Browser" not in request.headers: request._dont_enforce_csrf_checks = True',
        ]:
            with self.subTest(line):
                made = self.own_middleware(line)
                self.assertIn("sessionid", made.chain()[1]["upstream"]["cookies"])
                self.assertNotIn("enforce: false", made.text)

    def test_middleware_that_takes_a_credential_away(self):
        made = self.own_middleware(
            'if request.META.get("HTTP_X_PUBLIC"): del request.META["HTTP_AUTHORIZATION"]'
        )
        first = {"upstream": {"headers": ["X-Public"], "challenge": "Token"}}
        self.assertEqual(made.chain(), [first, "token", "session"])

    def test_middleware_before_pages(self):
        """Attack: guesses that the project's middleware stops go on at the gateway's page."""
        made = self.made(
            'MIDDLEWARE.append("shop.middleware.own")', self.LOG_IN,
            config__shop__middleware="""
            from django.http import HttpResponse

            def own(get_response):
                def middleware(request):
                    if request.META.get("REMOTE_ADDR") != "127.0.0.1":
                        return HttpResponse(status=429)
                    return get_response(request)
                return middleware
            """,
        )  # fmt: skip
        self.assertEqual(self.pages(made), [])
        self.noted(made, "Pages stay", "LoginView (shop.middleware.own may answer before it)")

    def test_middleware_that_compares(self):
        made = self.own_middleware('request.seen = request.method == "GET" and request.user.is_authenticated == 1')
        self.assertEqual(made.chain(), ["token", "session"])

    def test_sessions_that_no_table_has(self):
        made = self.made('SESSION_ENGINE = "django.contrib.sessions.backends.cache"')
        self.assertEqual(made.chain(), ["token", SESSIONS])
        self.assert_rules(made, {"/me/": "authenticated"})
        self.noted(made, "differs", "sessions are kept by django.contrib.sessions.backends.cache")

    LOG_IN = """
        from django.contrib.auth.views import LoginView, LogoutView
        from rest_framework.authtoken.views import obtain_auth_token
        urlpatterns = [
            path("in/", LoginView.as_view(template_name="rest_framework/login.html")), path("out/", LogoutView.as_view()),
            path("token/", obtain_auth_token), path("me/", Me.as_view()),
        ]
    """

    def pages(self, made):
        return [pattern for pattern in ("in/", "out/", "token/") if made.url(pattern)["endpoint"]]

    def test_pages_of_django(self):
        made = self.made(urls=self.LOG_IN)
        self.assertEqual(self.pages(made), ["in/", "out/", "token/"])
        self.assertEqual(made.notes, [])

    def backend(self, methods):
        return self.made(
            'AUTHENTICATION_BACKENDS = ["shop.backends.Own", "django.contrib.auth.backends.ModelBackend"]', self.LOG_IN,
            config__shop__backends="from django.contrib.auth.backends import BaseBackend, ModelBackend\n"
            "from django.core.exceptions import PermissionDenied\n" + dedent(methods),
        )  # fmt: skip

    def test_backend_that_gives_permissions_alone(self):
        """Neither has a say in log-ins."""
        for methods in [
            "class Own(BaseBackend):\n    def has_perm(self, user, perm, obj=None):\n        return True\n",
            "class Own:\n    def authenticate(self, request, username=None, password=None):\n        return None\n"
            "    def has_perm(self, user, perm, obj=None):\n        return True\n",
            "class Own(ModelBackend):\n    def has_perm(self, user, perm, obj=None):\n        return True\n",
        ]:
            with self.subTest(methods):
                made = self.backend(methods)
                self.assertTrue(made.told["passwords"]["rows"])
                self.assertEqual(self.pages(made), ["in/", "out/", "token/"])
                self.assertFalse([note for note in made.notes if "Passwords" in note])

    def test_backend_that_finds_users(self):
        """As Django's documentation writes it, its sessions are those of a row; else they are the project's."""
        row = "return User.objects.get(pk=user_id)"
        for finds, chain in [(row, ["token", "session"]), (row.replace("pk=user_id", "last_name=user_id"), ["token", SESSIONS])]:
            with self.subTest(finds):
                made = self.backend(
                    "from django.contrib.auth.models import User\n\nclass Own(BaseBackend):\n"
                    "    def get_user(self, user_id):\n        try:\n"
                    f"            {finds}\n        except User.DoesNotExist:\n            return None\n"
                )
                self.assertEqual(made.chain(), chain)

    def test_backend_that_looks_like_the_documented_one(self):
        """Attack: the project's manager does not find a user who is banned, and the gateway's query does."""
        for finds, model in [
            ("Active.objects.get(pk=user_id)", "proxy"),
            ("User.objects.get(pk=user_id)", "shadow"),
        ]:
            with self.subTest(finds):
                made = self.backend(
                    "from django.contrib.auth.models import User, UserManager\n\n"
                    "class ActiveManager(UserManager):\n    def get_queryset(self):\n"
                    "        return super().get_queryset().filter(is_active=True)\n\n"
                    "class Active(User):\n    objects = ActiveManager()\n    class Meta:\n        proxy = True\n"
                    "        app_label = 'shop'\n\n"
                    + ("User = Active\n\n" if model == "shadow" else "")
                    + "class Own(BaseBackend):\n    def get_user(self, user_id):\n        try:\n"
                    f"            return {finds}\n        except User.DoesNotExist:\n            return None\n"
                )
                self.assertEqual(made.chain(), ["token", SESSIONS])

    def test_backend_that_counts_failures(self):
        """As django-axes does: it is asked first, and stops the others."""
        made = self.backend("""
            class Own(BaseBackend):
                def authenticate(self, request, username=None, password=None, **kwargs):
                    if username == "locked":
                        raise PermissionDenied
        """)
        self.assertFalse(made.told["passwords"]["rows"])
        self.assertEqual(self.pages(made), ["out/"])
        self.noted(made, "differs", "Passwords are judged by the project", "shop.backends.Own")

    def test_backend_that_decides_who_may(self):
        made = self.backend("""
            class Own(ModelBackend):
                def user_can_authenticate(self, user):
                    return True
        """)
        self.assertFalse(made.told["passwords"]["rows"])
        self.noted(made, "differs", "Passwords are judged by the project", "shop.backends.Own")

    def receiver(self, line):
        """A project that has connected this."""
        return self.made(urls=self.LOG_IN, models=f"""
            from django.conf import settings
            from django.contrib.auth.signals import *
            from django.db.models.signals import *
            from django.dispatch import receiver

            @receiver({line})
            def watches(sender, **kwargs):
                pass
        """)  # fmt: skip

    def test_signals(self):
        """Attack, of a kind: a page that fires nothing does less than the one in whose place it is."""
        for line, left in [
            ("user_logged_in", ["out/", "token/"]),
            ("user_logged_out", ["in/", "token/"]),
            ("user_login_failed", ["out/"]),
            ("post_save, sender=settings.AUTH_USER_MODEL", ["out/", "token/"]),
            ('post_save, sender="authtoken.Token"', ["in/", "out/"]),
            ('pre_save, sender="authtoken.Token"', ["in/", "out/"]),
            ('post_delete, sender="sessions.Session"', ["in/", "token/"]),
            # Whatever is saved; a log-out deletes.
            ("post_save", ["out/"]),
        ]:
            with self.subTest(line):
                made = self.receiver(line)
                self.assertEqual(self.pages(made), left)
                self.assertTrue(any("shop.models.watches" in note for note in made.notes), made.notes)
                self.assertEqual(made.text.count("endpoint: "), 1 + len(left), made.text)

    def test_receivers_of_new_rows(self):
        """A log-in changes a row, and makes none."""
        for body in ["if created:\n        print(instance)", "if created and instance:\n        print(instance)"]:
            with self.subTest(body):
                made = self.made(urls=self.LOG_IN, models=f"""
from django.contrib.auth.models import User
from django.db.models.signals import post_save
from django.dispatch import receiver

@receiver(post_save, sender=User)
def watches(sender, instance=None, created=False, **kwargs):
    {body}
""")  # fmt: skip
                self.assertEqual(self.pages(made), ["in/", "out/", "token/"] if "and" not in body else ["out/", "token/"])
                self.assertNotIn("create_for_new_users", made.text)

    def test_receiver_that_makes_tokens(self):
        """That of DRF's documentation is a setting."""
        made = self.made(urls=self.LOG_IN, models="""
from django.conf import settings
from django.db.models.signals import post_save
from django.dispatch import receiver
from rest_framework.authtoken.models import Token

@receiver(post_save, sender=settings.AUTH_USER_MODEL)
def create_auth_token(sender, instance=None, created=False, **kwargs):
    if created:
        Token.objects.create(user=instance)
""")  # fmt: skip
        self.assertEqual(self.pages(made), ["in/", "out/", "token/"])
        self.assertIn("\ntoken:\n  create_for_new_users: true\n", made.text)
        for words in [["user", "create", "--no-password", "dora"], ["token", "list"]]:
            done = portcullis(made.folder, *words, DJANGO_SECRET_KEY=SECRET_KEY)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^[0-9a-f]{8}…  dora\n$")

    OBTAIN = """
        from rest_framework.authtoken.models import Token
        from rest_framework.authtoken.views import ObtainAuthToken, obtain_auth_token

        class CustomAuthToken(ObtainAuthToken):

            def post(self, request, *args, **kwargs):
                serializer = self.serializer_class(data=request.data, context={'request': request})
                serializer.is_valid(raise_exception=True)
                user = serializer.validated_data['user']
                token, created = Token.objects.get_or_create(user=user)
                return Response({'token': token.key, 'user_id': user.pk, 'email': user.email})
    """

    def test_token_page_that_says_more(self):
        """That of DRF's documentation is carried with its fields; one that does more is not."""
        urls = 'urlpatterns = [path("in/", CustomAuthToken.as_view())%s]'
        for change, more, pages in [
            (lambda text: text, "", {"in/": "token"}),
            (lambda text: text.replace("user.pk", "user.last_login"), "", {"in/": None}),
            (lambda text: text.replace("=True)", "=bool(request))"), "", {"in/": None}),
            # Both say what the first says.
            (lambda text: text, ', path("plain/", obtain_auth_token)', {"in/": "token", "plain/": None}),
        ]:
            with self.subTest(pages):
                made = self.made(urls=urls % more, views=change(self.OBTAIN))
                self.assertEqual({pattern: made.url(pattern)["endpoint"] for pattern in pages}, pages)
                fields = '  fields: {"user_id":"{user.id}","email":"{user.email}"}\n'
                self.assertEqual(fields in made.text, pages["in/"] == "token", made.text)

    def test_token_page_that_looks_like_the_documented_one(self):
        """Attack: a second factor that the project's page asks for is not asked for here."""
        otp = """
        from rest_framework.authtoken.serializers import AuthTokenSerializer
        from rest_framework.exceptions import AuthenticationFailed

        class Otp(AuthTokenSerializer):
            def validate(self, attrs):
                raise AuthenticationFailed

        class OtpToken(ObtainAuthToken):
            def post(self, request, *args, **kwargs):
                raise AuthenticationFailed

        class WithId(OtpToken):
            def post(self, request, *args, **kwargs):
                response = super().post(request, *args, **kwargs)
                token = Token.objects.get(key=response.data['token'])
                return Response({'token': token.key, 'id': token.user_id})

        class Dunder(CustomAuthToken):
            def __init__(self, **kwargs):
                self.serializer_class = Otp

        class Unchecked(ObtainAuthToken):
            def post(self, request, *args, **kwargs):
                token, created = Token.objects.get_or_create(user=user)
                return Response({'token': token.key})

        def wrapped(view):
            @functools.wraps(view)
            def inner(request):
                return HttpResponse(status=403)
            return inner
        """
        for view in [
            "CustomAuthToken.as_view(serializer_class=Otp)", "WithId.as_view()", "Dunder.as_view()", "Unchecked.as_view()",
            "wrapped(obtain_auth_token)",
        ]:
            with self.subTest(view):
                made = self.made(
                    urls=f'urlpatterns = [path("in/", {view})]',
                    views="import functools\n" + dedent(self.OBTAIN) + dedent(otp),
                )
                self.assertIsNone(made.url("in/")["endpoint"])

    def test_views_that_are_wrapped(self):
        """What was made to look like a view is not one: it may answer before it."""
        made = self.made(
            urls="""
            import functools
            from django.views.decorators.cache import never_cache
            from django.views.decorators.csrf import csrf_exempt

            def shared(view):
                @functools.wraps(view)
                def inner(request):
                    return HttpResponse() if "share" in request.GET else view(request)
                return inner

            urlpatterns = [
                path("a/", shared(Me.as_view())), path("b/", never_cache(csrf_exempt(Me.as_view()))),
                path("c/", csrf_exempt(shared(Me.as_view()))),
            ]
            """
        )
        self.assert_left(made, "/a/")
        self.assert_left(made, "/c/")
        self.assert_rules(made, {"/b/": "authenticated"})

    def test_log_out_that_answers_get(self):
        """As Django's own did before 5.0."""
        made = self.made(urls=self.LOG_IN + '    LogoutView.http_method_names = ["get", "post", "options"]\n')
        self.assertEqual(self.pages(made), ["in/", "token/"])
        self.noted(made, "Pages stay", "LogoutView (it answers GET in this Django)")
        self.assert_left(made, "/out/")


class Cors(Kinds):
    def cors(self, settings):
        return self.made('MIDDLEWARE.insert(0, "corsheaders.middleware.CorsMiddleware")\n' + settings)

    def test_old_names(self):
        for settings, origins in [
            ('CORS_ORIGIN_WHITELIST = ["https://app.example.com"]', '["https://app.example.com"]'),
            ("CORS_ORIGIN_ALLOW_ALL = True", '["*"]'),
            ('CORS_ALLOWED_ORIGINS = ["https://app.example.com"]', '["https://app.example.com"]'),
        ]:
            with self.subTest(settings):
                made = self.cors(settings)
                self.assertIn(f"\ncors:\n  origins: {origins}\n", made.text)

    def test_no_origin_that_is_null_is_lost(self):
        made = self.cors('CORS_ALLOWED_ORIGINS = ["https://app.example.com", "null"]')
        self.assertRegex(made.text, '"null"')

    def test_paths(self):
        made = self.cors('CORS_URLS_REGEX = r"^/api/.*$"\nCORS_ALLOWED_ORIGINS = ["https://a.example"]')
        self.assertIn('\n  paths: ["/api/"]\n', made.text)

    def test_what_is_not_carried(self):
        for settings, why in [
            ('CORS_URLS_REGEX = r"^/(api|v2)/.*$"\nCORS_ALLOWED_ORIGINS = ["https://a.example"]', "CORS_URLS_REGEX"),
            (r'CORS_ORIGIN_REGEX_WHITELIST = [r"^https://\w+\.example\.com$"]', "CORS_ALLOWED_ORIGIN_REGEXES"),
            ("CORS_ORIGIN_ALLOW_ALL = True\nCORS_ALLOW_CREDENTIALS = True", "any site could act as its visitor"),
        ]:
            with self.subTest(settings):
                made = self.cors(settings)
                self.assertNotIn("\ncors:\n", made.text)
                self.assertIn(why, made.said.split("What you have to do")[1])


MODEL = """
    import uuid
    from django.contrib.auth.models import *
    from django.db import models

    class Manager(BaseUserManager):
        def get_queryset(self):
            return super().get_queryset().filter(hidden=False)

    class Person(AbstractUser):
        class Meta:
            abstract = {abstract}

    class Member({base}):
{body}
"""


SIMPLE_JWT = """
    from datetime import timedelta

    INSTALLED_APPS.append("rest_framework_simplejwt")
    REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["rest_framework_simplejwt.authentication.JWTAuthentication"]
"""
SIMPLE_JWT_URLS = """
    from rest_framework_simplejwt.views import TokenObtainPairView

    urlpatterns = [path("me/", Me.as_view()), path("obtain/", TokenObtainPairView.as_view())]
"""
HEADLESS = """
    INSTALLED_APPS += ["allauth", "allauth.account", "allauth.headless"]
    MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")
    REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = [
        "allauth.headless.contrib.rest_framework.authentication.JWTTokenAuthentication",
    ]
"""


def rsa_key(bits):
    """A private key and its public one, as Python literals."""
    key = rsa.generate_private_key(65537, bits)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return repr(private.decode()), repr(public.decode())


class Renderers(Kinds):
    def test_views_with_their_own(self):
        made = self.made(
            urls='urlpatterns = [path("me/", Me.as_view()), path("own/", Own.as_view())]',
            views="""
            from rest_framework.renderers import StaticHTMLRenderer

            class Own(Me):
                renderer_classes = [StaticHTMLRenderer]
            """,
        )
        self.noted(made, "differs", "in a format of their own", "Own")

    def test_languages_in_paths(self):
        urls = """
            from django.conf.urls.i18n import i18n_patterns

            urlpatterns = i18n_patterns(path("me/", Me.as_view()))
        """
        made = self.made('USE_I18N = True\nLANGUAGES = [("en", "English"), ("de", "German")]', urls)
        self.noted(made, "differs", "in the language of the path")

    def test_json_alone(self):
        made = self.made('REST_FRAMEWORK["DEFAULT_RENDERER_CLASSES"] = ["rest_framework.renderers.JSONRenderer"]')
        self.assertIn("\nbrowsable_api: false", made.text)
        self.assertNotIn("browsable_api", self.made().text)


class Refused(Kinds):
    """Settings that Django lives with and the gateway refuses. `check` would refuse the file, and nothing would start."""

    LEFT = "Settings that the gateway refuses"

    def test_keys(self):
        weak, weak_public = rsa_key(1024)
        strong, public = rsa_key(2048)
        for settings, why in [
            ('{"SIGNING_KEY": "short"}', "SIMPLE_JWT's SIGNING_KEY is shorter than 32 characters"),
            (f'{{"SIGNING_KEY": {strong}}}', "is a key in PEM, which is no secret for HS256"),
            (f'{{"ALGORITHM": "RS256", "SIGNING_KEY": {weak}, "VERIFYING_KEY": {weak_public}}}', "RSA key of 1024 bits"),
            (f'{{"ALGORITHM": "RS256", "SIGNING_KEY": {strong}}}', "no verifying key"),
            (f'{{"ALGORITHM": "ES256", "SIGNING_KEY": {strong}, "VERIFYING_KEY": {public}}}', "a key of another kind"),
            ('{"ALGORITHM": "RS256", "SIGNING_KEY": "-----BEGIN RSA PRIVATE KEY-----"}', "no private key in PEM"),
            ('{"ALGORITHM": "ES256K"}', "unknown algorithm"),
        ]:  # fmt: skip
            with self.subTest(why):
                made = self.made(dedent(SIMPLE_JWT) + f"SIMPLE_JWT = {settings}", SIMPLE_JWT_URLS)
                self.refused(made, why)
                self.assert_left(made, "/obtain/")
                self.assertNotIn("JWT_SIGNING_KEY", made.text)

    def test_keys_of_headless(self):
        for settings, why in [
            (f"HEADLESS_JWT_PRIVATE_KEY = {rsa_key(1024)[0]}", "HEADLESS_JWT_PRIVATE_KEY is an RSA key of 1024 bits"),
            (f'HEADLESS_JWT_ALGORITHM = "HS256"\nHEADLESS_JWT_PRIVATE_KEY = {rsa_key(2048)[0]}', "no secret for HS256"),
            ('HEADLESS_JWT_ALGORITHM = "HS256"\nHEADLESS_JWT_PRIVATE_KEY = "short"', "shorter than 32 characters"),
            ("", "no key verifies the tokens"),
        ]:
            with self.subTest(why):
                self.refused(self.made(dedent(HEADLESS) + settings), why)

    def test_settings_that_another_one_makes_void(self):
        """A secret verifies what it has signed, a set of keys goes before a key, and nothing is blacklisted without its
        app."""
        private, public = rsa_key(2048)
        for settings, written, missing in [
            (f'{{"JWK_URL": "https://keys.example/", "VERIFYING_KEY": {public}}}', "", "keys.example"),
            (f'{{"ALGORITHM": "RS256", "JWK_URL": "https://keys.example/", "VERIFYING_KEY": {public}}}',
             'jwks: "https://keys.example/"', "verifying_key"),
            ('{"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}', "rotate_refresh_tokens: true", "blacklist"),
        ]:  # fmt: skip
            with self.subTest(settings):
                made = self.made(dedent(SIMPLE_JWT) + f"SIMPLE_JWT = {settings}", SIMPLE_JWT_URLS)
                self.assert_rules(made, {"/me/": "authenticated"})
                self.assertIn(written, made.text)
                self.assertNotIn(missing, made.text)

    def test_secret_key_that_is_guessed(self):
        """What it does not sign goes on being judged."""
        made = self.made('SECRET_KEY = "short"', views="Me.authentication_classes = [TokenAuthentication]")
        self.assert_rules(made, {"/me/": "authenticated"})
        self.assertIn("SECRET_KEY is so short", made.said)
        self.assertNotIn("DJANGO_SECRET_KEY", made.text)

    def test_older_secret_key_that_is_guessed(self):
        """Attack: who guesses it writes sessions of anybody, as if it were the key of today."""
        made = self.made('SECRET_KEY_FALLBACKS = ["short", "a-longer-one-that-nobody-guesses-0123"]')
        self.assertIn('secret_key_fallbacks: ["${DJANGO_SECRET_KEY_FALLBACK_2}"]', made.text)
        self.assertIn("A key of SECRET_KEY_FALLBACKS is so short", made.said)

    def test_sessions(self):
        for settings in (
            'SESSION_COOKIE_NAME = "__Host-s"', 'SESSION_COOKIE_NAME = "csrftoken"', 'SESSION_COOKIE_PATH = "/a;b"',
            'CSRF_TRUSTED_ORIGINS = ["https://a.example/path"]',
        ):  # fmt: skip
            with self.subTest(settings):
                self.refused(self.made(settings), settings.partition(" = ")[0].split("_")[0].lower())

    def test_pages_that_lead_elsewhere(self):
        urls = """
            from django.contrib.auth.views import LoginView, LogoutView

            urlpatterns = [
                path("me/", Me.as_view()), path("in/", LoginView.as_view()), path("out/", LogoutView.as_view()),
            ]
        """
        for name, value, served in [
            ("LOGIN_REDIRECT_URL", "https://other.example/", "/out/"),
            ("LOGIN_REDIRECT_URL", "//other.example/", "/out/"),
            ("LOGIN_REDIRECT_URL", "the-name-of-nothing", "/out/"),
            ("LOGOUT_REDIRECT_URL", "https://other.example/", "/in/"),
        ]:
            with self.subTest(f"{name} = {value}"):
                made = self.made(f"{name} = {value!r}", urls)
                self.assert_left(made, {"/in/": "/out/", "/out/": "/in/"}[served])
                self.assertIn(f'path: "={served}"\n    endpoint', made.text)
                self.assert_rules(made, {"/me/": "authenticated"})
        # Who logs out stays there.
        self.assertIn('path: "=/out/"\n    endpoint', self.made('LOGOUT_REDIRECT_URL = ""', urls).text)

    def test_classes(self):
        for classes, why in [
            ('class Own(TokenAuthentication):\n    keyword = "To:ken"', "shop.classes.Own token.keyword"),
            ("class Own(BasicAuthentication):\n    www_authenticate_realm = 'a\"b'", "shop.classes.Own basic.realm"),
        ]:
            with self.subTest(why):
                made = self.made(
                    'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["shop.classes.Own"]', classes=classes
                )
                self.refused(made, why)

    def test_class_of_one_view(self):
        made = self.made(
            urls='urlpatterns = [path("me/", Me.as_view()), path("own/", Own.as_view())]',
            views="class Own(Me):\n    authentication_classes = [Odd]\n",
            classes='class Odd(TokenAuthentication):\n    keyword = "To:ken"\n',
        )
        self.assert_left(made, "/own/")
        self.assert_rules(made, {"/me/": "authenticated"})

    def test_rates(self):
        """They are counted on by the project alone."""
        throttles = '["rest_framework.throttling.AnonRateThrottle", "rest_framework.throttling.UserRateThrottle"]'
        made = self.made(f"""
            REST_FRAMEWORK["DEFAULT_THROTTLE_CLASSES"] = {throttles}
            REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] = {{"anon": "10/5m", "user": "5/min"}}
        """)
        self.assertIn("\nthrottle: [{ user: 5/min }]\n", made.text)
        self.assertIn("AnonRateThrottle anon: ", made.said)
        self.assert_rules(made, {"/me/": "authenticated"})

        self.assertNotIn(self.LEFT, made.said)

    def test_texts_that_yaml_takes_for_something_else(self):
        for keyword in ("true", "null", "123", "1e5"):
            with self.subTest(keyword):
                made = self.made(
                    'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["shop.classes.Own"]',
                    classes=f"class Own(TokenAuthentication):\n    keyword = {keyword!r}\n",
                )
                self.assertIn(f'token: {{ keyword: "{keyword}" }}', made.text)
        for name in ("#lang", "123", "*lang", "x: y"):
            with self.subTest(name):
                made = self.made(f'''
                    USE_I18N = True
                    LANGUAGE_CODE = "de"
                    LANGUAGE_COOKIE_NAME = {name!r}
                    MIDDLEWARE.append("django.middleware.locale.LocaleMiddleware")
                ''')
                self.assertIn(f'  cookie: "{name}"\n', made.text)

    def test_texts_that_look_like_variables(self):
        """Attack: a text of the project becomes what stands in the gateway's environment."""
        made = self.made(dedent(SIMPLE_JWT) + 'SIMPLE_JWT = {"ISSUER": "a${HOME}b"}', SIMPLE_JWT_URLS)
        self.assertIn('issuer: "a${:-$}{HOME}b"', made.text)
        diff = portcullis(made.folder, "explain", "GET", "/me/", DJANGO_SECRET_KEY=SECRET_KEY)
        self.assertIn("rule       authenticated", diff.stdout + diff.stderr)

    def test_password_in_an_address(self):
        """Attack: what init prints and writes is shown to colleagues."""
        keys = '{"ALGORITHM": "RS256", "JWK_URL": "https://user:canary@keys.example/"}'
        made = self.made(dedent(SIMPLE_JWT) + f"SIMPLE_JWT = {keys}", SIMPLE_JWT_URLS)
        self.assertIn("https://(hidden)@keys.example/", made.said)
        self.assertNotIn("canary", made.said + made.text)

    def test_name_with_a_line_end(self):
        """Attack: what follows it in a note would be a line of the configuration."""
        made = self.made(
            'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["shop.classes.Own"]',
            classes="""
            class Own(BaseAuthentication):
                def authenticate(self, request):
                    return request.path and None

            Own.__qualname__ = "K\\nlisten: 0.0.0.0:1"
            """,
        )
        self.assertIn("K\\nlisten: 0.0.0.0:1 (it is", made.text)

    def test_two_classes_of_one_kind(self):
        made = self.made(
            'REST_FRAMEWORK["DEFAULT_AUTHENTICATION_CLASSES"] = ["shop.classes.A", "shop.classes.B"]',
            classes="".join(f"class {name}(TokenAuthentication):\n    keyword = {name!r}\n\n" for name in "AB"),
        )
        self.assert_left(made, "/me/")
        self.assertIn("two classes of one kind", made.said)

    def test_table_that_has_no_name_here(self):
        made = self.made(
            'AUTH_USER_MODEL = "shop.Member"',
            models="""
from django.contrib.auth.models import AbstractUser

class Member(AbstractUser):
    class Meta:
        db_table = "auth-users"
""",
        )
        self.refused(made, "store.user_model")

    def refused(self, made, why):
        self.assertIn(self.LEFT, made.said)
        self.assertIn(why, made.said)
        self.assert_left(made, "/me/")


class UserModels(Kinds):
    """The shapes that projects have. Values behind them are compared in the differential suite."""

    def model(self, body, base="AbstractUser", settings=""):
        """Of a project whose users are these."""
        text = MODEL.format(base=base, abstract=base != "Person", body=indent(dedent(body).strip("\n"), " " * 8))
        settings = 'AUTH_USER_MODEL = "shop.Member"\n' + dedent(settings)
        return self.made(settings, Around.LOG_IN, models=text)

    def assert_readable(self, made, *notes):
        self.assertTrue(made.told["user"]["readable"], made.notes)
        self.assertEqual(len(made.notes), len(notes), made.notes)
        for words in notes:
            self.noted(made, *words)
        self.assert_rules(made, {"/me/": "authenticated"})

    def assert_unreadable(self, made, why):
        self.assertFalse(made.told["user"]["readable"])
        self.noted(made, "differs", "cannot be read as a table says it", why)
        self.assertEqual(made.chain(), [Classes.JUDGED_THERE, SESSIONS])
        self.assert_rules(made, {"/me/": "authenticated"})
        self.assertEqual(Around.pages(self, made), [])

    def test_no_names(self):
        made = self.model("first_name = None\nlast_name = None")
        self.assert_readable(made)
        self.assertRegex(made.text, r"columns: { first_name: null, last_name: null }")

    def test_the_one_of_django_s_documentation(self):
        made = self.model(
            """
            email = models.EmailField(unique=True)
            date_of_birth = models.DateField()
            is_active = models.BooleanField(default=True)
            is_admin = models.BooleanField(default=False)
            objects = BaseUserManager()
            USERNAME_FIELD = "email"

            @property
            def is_staff(self):
                return self.is_admin
            """,
            "AbstractBaseUser",
        )
        self.assert_readable(made, ["differs", "no columns", "is_staff"])
        self.assertIn("username_field: email", made.text)

    def test_staff_that_is_computed_is_no_rule(self):
        """Attack, of a kind: everybody who is staff by the model's own method is refused."""
        made = self.made(
            'AUTH_USER_MODEL = "shop.Member"', 'urlpatterns = [path("staff/", Staff.as_view())]',
            models=MODEL.format(base="AbstractUser", abstract=True, body="        is_staff = property(lambda self: True)"),
        )  # fmt: skip
        self.assertNotEqual(self.rule(made, "/staff/")[1], "staff")
        self.noted(made, "information", "Permissions", "IsAdminUser")

    def test_keys_and_tables(self):
        made = self.model("""
            id = models.UUIDField(primary_key=True, default=uuid.uuid4)

            class Meta:
                db_table = "users"
        """)
        self.assert_readable(made)
        self.assertIn('table: "users"\n', made.text)
        self.assertIn("key: uuid\n", made.text)
        # Names of Django's are where the table is.
        self.assertEqual(made.told["user"]["groups"], {"table": "users_groups", "user": "member_id", "other": "group_id"})

    def test_proxy(self):
        made = self.model("class Meta:\n    proxy = True", "Person")
        self.assertEqual(made.told["user"]["table"], "shop_person")

    def test_child_of_another_table(self):
        self.assert_unreadable(self.model("nickname = models.TextField()", "Person"), "in the table shop_person")

    def test_activity_that_is_computed(self):
        self.assert_unreadable(self.model("is_active = property(lambda self: True)"), "whether a user is active")

    def test_no_password(self):
        self.assert_unreadable(self.model("password = None"), "password")

    def test_manager_that_hides_rows(self):
        made = self.model("hidden = models.BooleanField()\nobjects = Manager()")
        self.assert_unreadable(made, "shop.models.Manager")

    def test_manager_that_hides_nothing(self):
        """It makes a class of querysets, and no more; a class that filters by itself is another matter."""
        models = """
            from django.contrib.auth.models import *
            from django.db import models

            class People(models.QuerySet):
                def named(self, name):
                    return self.filter(username=name)

            class Manager(UserManager):
                def get_queryset(self):
                    return People(self.model, using=self._db)

            class Member(AbstractUser):
                objects = Manager()
        """
        hiding = models.replace("def named(self, name):", "def _chain(self):").replace(
            "self.filter(username=name)", "super()._chain()"
        )
        asking = models.replace("return People", "print(self)\n                    return People")
        for text, readable in ((models, True), (hiding, False), (asking, False)):
            made = self.made('AUTH_USER_MODEL = "shop.Member"', Around.LOG_IN, models=dedent(text))
            self.assertEqual(made.told["user"]["readable"], readable, text)

    def test_another_database(self):
        made = self.model(
            "pass",
            settings="""
            DATABASES["users"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": "users.sqlite3"}
            class Router:
                def db_for_read(self, model, **hints):
                    return "users" if model.__name__ == "Member" else None
            DATABASE_ROUTERS = [Router()]
            """,
        )
        self.assert_unreadable(made, "the database users")

    def test_passwords_of_its_own(self):
        made = self.model("def check_password(self, raw):\n    return True")
        self.assertFalse(made.told["passwords"]["rows"])
        self.noted(made, "differs", "Passwords are judged", "shop.Member.check_password")
        self.assertEqual(Around.pages(self, made), ["out/"])

    def test_session_hash_of_its_own(self):
        made = self.model('def get_session_auth_hash(self):\n    return "x"')
        self.assertEqual(made.chain(), ["token", SESSIONS])
        self.noted(made, "differs", "get_session_auth_hash")


class Lines(Kinds):
    """What is printed for the project stands where it counts, and takes nothing away."""

    def django(self, made, *words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "django", *words], cwd=made.folder, capture_output=True, text=True,
            env={**ENVIRONMENT, **environment, "PYTHONPATH": f"{ROOT}/deploy/django:config"},
        )  # fmt: skip

    def test_at_the_end_of_the_settings(self):
        made = self.made()
        self.assertNotRegex(made.lines(), "REST_FRAMEWORK|AUTHENTICATION_BACKENDS =")
        settings = made.folder / "config/settings.py"
        text = settings.read_text()
        settings.write_text(text + made.lines())
        done = self.django(made, "check", DJANGO_SETTINGS_MODULE="settings")
        self.assertEqual(done.returncode, 0, done.stderr)
        # A project that becomes another one does not start.
        for line in [
            'REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"] = ["rest_framework.permissions.AllowAny"]',
            "REST_FRAMEWORK = {}",
            'MIDDLEWARE.append("django.middleware.gzip.GZipMiddleware")',
            'SESSION_ENGINE = "django.contrib.sessions.backends.cache"',
        ]:
            with self.subTest(line):
                settings.write_text(f"{text}{made.lines()}\n{line}\n")
                done = self.django(made, "check", DJANGO_SETTINGS_MODULE="settings")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn("Run `portcullis init` again", done.stderr)

    def test_module_around_packaged_settings(self):
        """Those are no file of the operator's."""
        made = self.made(
            words=["--settings", "shopsite.settings", "--python", self.packaged()],
        )
        self.assertTrue(made.told["lines"]["packaged"])
        self.assertIn("portcullis_settings.py", made.said)
        self.assertIn("from shopsite.settings import *", made.lines())
        (made.folder / "portcullis_settings.py").write_text(made.lines())
        environment = {"PYTHONPATH": f"{self.site}:{made.folder}:{ROOT}/deploy/django"}
        done = subprocess.run(
            [sys.executable, "-m", "django", "check"], cwd=made.folder, capture_output=True, text=True,
            env={**ENVIRONMENT, **environment, "DJANGO_SETTINGS_MODULE": "portcullis_settings"},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no issues", done.stdout)

    def packaged(self):
        """A Python with an application installed, whose settings are its own; it may have a console script too."""
        holder = tempfile.TemporaryDirectory(prefix="portcullis-packaged.")
        self.addCleanup(holder.cleanup)
        self.site = Path(holder.name, "site-packages")
        project(self.site, {
            "shopsite/__init__.py": "", "shopsite/settings.py": dedent(SETTINGS).replace('"addresses"', '"shopsite.urls"'),
            "shopsite/urls.py": dedent(URLS) + 'urlpatterns = [path("me/", Me.as_view())]',
            "shop/__init__.py": "", "shop/views.py": VIEWS, "shop/classes.py": CLASSES, "shop/models.py": "",
            "manage.py": "",
        })  # fmt: skip
        python = Path(holder.name, "python")
        python.write_text(f'#!/bin/sh\nPYTHONPATH={self.site} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
        return python

    def test_console_script(self):
        """It names its own Python."""
        python = self.packaged()
        self.migrated(python.parent)
        script = python.parent / "shopctl"
        script.write_text(
            f"#!{python}\nimport os, sys\nfrom django.core.management import execute_from_command_line\n"
            "os.environ['DJANGO_SETTINGS_MODULE'] = 'shopsite.settings'\n"
            "if __name__ == '__main__':\n    sys.exit(execute_from_command_line(sys.argv))\n"
        )
        made = self.made(words=["--django", script])
        self.assertIn("Wrote gateway.yaml from shopsite.settings.", made.said)
        self.assert_rules(made, {"/me/": "authenticated"})

    def migrated(self, folder):
        """As `made` does it, for an application that is run elsewhere."""
        made = self.made()
        (folder / "db.sqlite3").write_bytes((made.folder / "db.sqlite3").read_bytes())

    def test_settings_module(self):
        made = self.made(words=["--settings", "shopsite.settings", "--python", self.packaged()])
        self.assertEqual(made.told["settings_module"], "shopsite.settings")

    def test_settings_that_are_not_in_their_module(self):
        """What is added to a name there would not count: the lists are whole."""
        made = self.made(
            'INSTALLED_APPS[-1] = "shop.apps.Shop"',
            config__shop__apps="""
            from django.apps import AppConfig
            from django.conf import settings

            class Shop(AppConfig):
                name = "shop"

                def ready(self):
                    # As plugins do.
                    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.gzip.GZipMiddleware"]
            """,
        )
        self.assertTrue(made.told["lines"]["layered"])
        self.assertIn('    "django.middleware.gzip.GZipMiddleware",\n', made.lines())
        self.assertIn('    "rest_framework",\n', made.lines())
        self.assertIn("portcullis_settings.py", made.said)

    def test_settings_that_are_not_those_of_the_server(self):
        """manage.py of the most used template names the settings of development."""
        files = {"config__wsgi": 'import os\n\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")\n'}
        self.assertNotIn("run `init` again", self.made('WSGI_APPLICATION = "wsgi.application"', **files).said)
        files["config__wsgi"] = files["config__wsgi"].replace('"settings"', '"production"')
        made = self.made('WSGI_APPLICATION = "wsgi.application"', **files)
        self.assertIn("wsgi names the settings production", made.said)
        self.assertIn("set DJANGO_SETTINGS_MODULE=production and run `init` again", made.said)

    def test_dynaconf(self):
        """It reads no more of the module than what stands before it."""
        made = self.made(
            """
            import dynaconf
            MIDDLEWARE_WITHOUT = MIDDLEWARE
            dynaconf.DjangoDynaconf(
                __name__, settings_files=[__file__.replace("settings.py", "more.yaml")], environments=False, envvar_prefix="SHOP",
            )
            """,
            **{"config__more": ""},
        )
        lines = made.told["lines"]
        self.assertEqual((lines["dynaconf"], lines["layered"]), (True, True))
        self.assertIn("dynaconf reads last", made.said)
        self.assertIn('INSTALLED_APPS = [\n    "portcullis_django",\n', made.lines())
        self.assertNotIn("import *", made.lines())
        self.assertNotIn("*MIDDLEWARE", made.lines())

    def test_the_report_is_for_a_person(self):
        """Each fact once, with what it is true of, and no more than a few of those; the file has them all."""
        names = [f"Asks{number}" for number in range(12)]
        made = self.made(
            urls=f"urlpatterns = [{''.join(f'path({name.lower()!r}, {name}.as_view()), ' for name in names)}]",
            views="".join(
                f"class Own{name}(BaseAuthentication):\n    authenticate = lambda self, request: request.path and None\n\n"
                f"class {name}(Me):\n    authentication_classes = [Own{name}]\n\n"
                for name in names
            ),
        )
        self.assertEqual(made.said.count("half a chain"), 1)
        self.assertIn("      and 7 more\n", made.said)
        for name in names:
            self.assertIn(f"#       shop.views.Own{name} ", made.text)
        self.assertLess(len(made.text.split("\nroutes:\n")[1].split("\n\n")[0].splitlines()), 6)


if __name__ == "__main__":
    unittest.main()
