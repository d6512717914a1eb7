"""Tells `portcullis init` what a Django project does: one JSON document on the standard output.

    cat PARTS | PROJECT'S-OWN-PYTHON - GIVEN TABLES

The parts are one script, in the order that `init` has them: names of one are used in the others.

GIVEN is {manage, settings, credentials: [[text, header]]}: a manage.py or console script, or a settings module, and what
strangers show. TABLES is what the gateway's packages know of theirs, as JSON:

    schemes          {class: {entry, attributes: {attribute: setting}, headers: [attribute], note, takes_password, fires,
                     unless: [setting], lenient: setting or null}}
    pages            {class: {endpoint, drf, takes_password, leads_to, fires}}: `leads_to` is the setting that has to be a
                     path of this host, or null; `fires` is what the real one sends signals of:
                     user_logged_in and the like, or `saved:LABEL`, `deleted:LABEL` of a model (`user`: the user model)
    apps             {name in INSTALLED_APPS: name}
    fixed            {setting: what the gateway does, whatever it says}
    settings         [name]
    keys             {setting: [the setting that names its algorithm, its default]}
    dictionaries     {setting: {module, keys}}
    messages         [what the gateway says in words that have translations]

It imports settings, models and URLconf, and asks views that refuse strangers as a stranger; but for that it opens no
database, and it runs no command. Of passwords and keys it says only
whether they are set. Durations are seconds, classes dotted names, and `gateway` is what gateway.yaml calls it, or null.

    format           1
    settings_module  text
    database         {vendor, name (SQLite's as a whole path), host, port, user, password_set, pooler,
                     options: {name: value}}
    user             {model, table, username: {field, column, type, collates}, pk: {column, type: integer|uuid|text|other},
                     key_field: the primary key's name, password: column, columns: {name: column}, null where the model has
                     none, groups, permissions: {table, user, other: columns}, or null, readable: false if the model
                     has what no table says, tabled: whether its columns are in that one table, own: [method of log-ins that is the project's]}
    secret_key       {short: whether the gateway takes it for one that is guessed, short_fallbacks: [the same of each]}
    passwords        {preferred, accept: [name], iterations, rows}: as in gateway.yaml; preferred, iterations may be null;
                     `rows`: whether a password that is right in its row is all that a log-in asks
    installed        [name] of the apps in TABLES
    settings         {name: value}: SESSION_*, CSRF_* and more in Django's names, with defaults, and those of TABLES
    rest_framework   {authentication: [{class, base, gateway, asks_more}], permission: {classes: [text], gateway},
                      throttle: [{class, gateway}], rates: {scope: rate}, num_proxies,
                      json_alone: whether JSONRenderer is the only renderer}, or null
                     `base` is the class in TABLES that a class is or inherits from, or null; `asks_more`: it accepts
                     what its base accepts, or less; `gateway` of a class whose meaning is not carried is null
    packages         {setting: {name: value}} of the dictionaries in TABLES, with defaults; null where the package is not
                     in use. A key is {set, is_secret_key, public: PEM if it has one, fault: what the gateway has
                     against it, or null}, or itself if it is the PEM of a public one
    urls             [{pattern, path, certain, loose, view, kind, methods, endpoint}], in Django's order:
                     pattern   Django's
                     path      `=/exact/{variable}/`; or `/prefix/`, up to what no whole segment tells
                     certain   whether the view takes all paths that this one stands for
                     stem      what the next segment begins with
                     loose     whether it takes less than all below a prefix, and which is not told
                     kind      drf, django, or admin (all below it)
                     methods   [name], or null: all
                     endpoint  the gateway's page that does the same, or null
                     and where a DRF view differs from the defaults: authentication (null: not to be told), permission,
                     throttle, as above
    open             [path]: files that the project serves to anyone
    lines            {module, layered: whether lines at its end would not count, packaged: whether it is an installed
                      one, dynaconf, middleware: [name], apps: [name], expects: {part: value}}
    languages        {code: {messages: {English: text, or [of one, of many]}} or code}: the languages that refusals come in,
                     each translated by the project's own catalogues; null where they come in English
    answers          [{path, credential, status, told_apart: whether it is another than without a credential}] of GET
                     requests with the credentials that were given
    notes            [{group: refused|do|differs|information, text, about: [what it is true of]}]
"""

import ast
import functools
import importlib
import importlib.util
import inspect
import json
import logging
import os
import re
import runpy
import signal
import sys
import textwrap
import traceback
from collections import Counter
from datetime import timedelta
from itertools import combinations, product
from urllib.parse import quote

try:
    from re import _parser as regex
except ImportError:
    import sre_parse as regex

TABLES = json.loads(sys.argv[2])

# Each row: what the gateway has for a class, and the attributes that a class may set and still be carried.
SCHEMES = {name: (row, row["attributes"]) for name, row in TABLES["schemes"].items()}
# What an authentication class may override and still be carried, if it only asks more.
NARROWED = {"authenticate", "authenticate_credentials"}
RULES = {
    "rest_framework.permissions.AllowAny": ("anyone", {"has_object_permission"}),
    "rest_framework.permissions.IsAuthenticated": ("authenticated", {"has_object_permission"}),
    "rest_framework.permissions.IsAdminUser": ("staff", {"has_object_permission"}),
    "rest_framework.permissions.IsAuthenticatedOrReadOnly": ("authenticated_or_read_only", {"has_object_permission"}),
}
THROTTLES = {
    "rest_framework.throttling.AnonRateThrottle": ("anon", {"rate", "scope"}),
    "rest_framework.throttling.UserRateThrottle": ("user", {"rate", "scope"}),
    "rest_framework.throttling.ScopedRateThrottle": ("scope", {}),
}
ROUTE = {"authentication_classes", "permission_classes", "throttle_classes", "throttle_scope"}
PAGES = {name: (row, ROUTE if row["drf"] else {"template_name"}) for name, row in TABLES["pages"].items()}
SETTINGS = re.compile(
    "(SESSION|CSRF)_.*|LANGUAGE_COOKIE_NAME|AUTHENTICATION_BACKENDS|MIDDLEWARE|LOGIN_URL|LOG(IN|OUT)_REDIRECT_URL|SECURE_PROXY_SSL_HEADER"
    "|(STATIC|MEDIA)_URL|USE_X_FORWARDED_(HOST|PORT)|ALLOWED_HOSTS|APPEND_SLASH|FORCE_SCRIPT_NAME|LANGUAGE_CODE|TIME_ZONE|USE_(I18N|TZ)"
)
# Columns of users, and what the gateway goes by where a model does not have them.
USER_COLUMNS = {
    "email": "",
    "first_name": "",
    "last_name": "",
    "is_active": True,
    "is_staff": False,
    "is_superuser": False,
    "last_login": None,
    "date_joined": None,
}
# django-cors-headers, and what its settings are where a project does not have them.
CORS_MIDDLEWARE = "corsheaders.middleware.CorsMiddleware"
CORS = (
    "CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ALLOW_ALL_ORIGINS", "CORS_ALLOW_CREDENTIALS",
    "CORS_ALLOW_METHODS", "CORS_ALLOW_HEADERS", "CORS_EXPOSE_HEADERS", "CORS_PREFLIGHT_MAX_AGE", "CORS_URLS_REGEX",
)  # fmt: skip
# A secret with fewer bytes is taken for one that is guessed.
SHORTEST = 32
# Settings of pages that have to be paths of this host.
LEADING = {row["leads_to"] for row in TABLES["pages"].values()}
# First words of `Authorization` that a class may read.
WORDS = ("Bearer", "Token", "Basic", "JWT", "Digest", "ApiKey", "Api-Key", "Key", "OAuth", "Hawk", "Signature", "Negotiate")
# Fields that every request has here, since the gateway writes them.
PROXIES = ("host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "remote-user", "user-agent", "referer")
# How Django opens a database, once it may not.
OPENING = []
# The view of DRF's documentation that says more than a token, by its statements.
OBTAIN = "rest_framework.authtoken.views.ObtainAuthToken"
OBTAIN_MODELS = "rest_framework.authtoken.models"
OBTAINS = [
    [
        r"serializer = self\.(serializer_class|get_serializer)\(data=request\.data(, context={'request': request})?\)",
        r"serializer\.is_valid\(raise_exception=True\)",
        r"user = serializer\.validated_data\['user'\]",
        r"token, \w+ = Token\.objects\.get_or_create\(user=user\)",
    ],
    [
        r"response = super\(\)\.post\(request, \*args, \*\*kwargs\)",
        r"token = Token\.objects\.get\(key=response\.data\['token'\]\)",
    ],
]
# What the first of these views says; another one that says otherwise stays the project's.
TOKEN_FIELDS = {}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = ("GET", "HEAD", "OPTIONS")
LOCALE = "django.middleware.locale.LocaleMiddleware"
THROTTLED = [f"Request was throttled. Expected available in {{wait}} {unit}." for unit in ("second", "seconds")]
notes = {}


def note(group, text, about=None):
    """`group` says what it comes to: clients are refused, somebody has to do something, answers differ, information."""
    told = notes.setdefault((group, text), [])
    if about is not None and about not in told:
        told.append(about)


def progress(what):
    print(f"  reading {what}", file=sys.stderr, flush=True)


def note_fixed(values, defaults):
    for name, what in TABLES["fixed"].items():
        if name in values and plain(values[name]) != plain(defaults.get(name)):
            note("differs", f"{name} is {plain(values[name])}, which is not carried: {what}.")


def load(given):
    """Runs manage.py, or a console script of the same use, without its command: only it knows the settings module, the
    import path and the .env file. Or sets up the settings module that is named."""
    try:
        import django
        from django.core.management import ManagementUtility
    except ImportError:
        sys.exit("this Python has no Django: name the project's own")
    sys.path.insert(0, os.getcwd())
    if given["settings"]:
        os.environ["DJANGO_SETTINGS_MODULE"] = given["settings"]
    else:
        manage = os.path.abspath(given["manage"])
        sys.path[0] = os.path.dirname(manage)
        os.chdir(sys.path[0])
        ManagementUtility.execute = lambda self: None
        sys.argv = [manage, "check"]
        try:
            runpy.run_path(manage, run_name="__main__")
        except SystemExit:
            pass
        if not os.environ.get("DJANGO_SETTINGS_MODULE"):
            sys.exit(manage + " sets no DJANGO_SETTINGS_MODULE: name the module with --settings")
    OPENING.append(no_database())
    django.setup()


def no_database():
    """What a project asks its database while it is imported is none of our business, nor what a permission asks."""
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.utils import OperationalError

    def connect(self):
        raise OperationalError("`portcullis init` opens no database")

    opening, BaseDatabaseWrapper.connect = BaseDatabaseWrapper.connect, connect
    return opening


def dotted(thing):
    return f"{thing.__module__}.{thing.__qualname__}"


def plain(value):
    """As JSON has it; what JSON does not have is named by its type."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return dotted(value if hasattr(value, "__qualname__") else type(value))
