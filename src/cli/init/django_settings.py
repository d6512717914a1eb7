"""Tells `portcullis init` what a Django project does: one JSON document on the standard output.

    PROJECT'S-OWN-PYTHON - GIVEN TABLES < django_settings.py

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
    secret_key       {short: whether the gateway takes it for one that is guessed, fallbacks: count}
    passwords        {preferred, accept: [name], iterations, rows}: as in gateway.yaml; preferred, iterations may be null;
                     `rows`: whether a password that is right in its row is all that a log-in asks
    installed        [name] of the apps in TABLES
    settings         {name: value}: SESSION_*, CSRF_* and more in Django's names, with defaults, and those of TABLES
    rest_framework   {authentication: [{class, base, gateway, asks_more}], permission: {classes: [text], gateway},
                      throttle: [{class, gateway}], rates: {scope: rate}, num_proxies,
                      one_renderer: whether views have no second one}, or null
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


def known(cls, table, also_set=(), narrowed=(), beside=(), adds=True):
    """The table's row for a class, its attributes, the class that the row is of, and whether it asks more than that
    one. None if it does otherwise: what it overrides is read, and no class is guessed. `adds`: whether it may have
    what its base has not, and so does not ask for."""
    mro = inspect.getmro(cls) if inspect.isclass(cls) else ()
    base = next((base for base in mro if dotted(base) in table), None)
    if base is None:
        return None
    row, attributes = table[dotted(base)]
    own = {name for c in mro if c not in inspect.getmro(base) for name in vars(c)}
    own = {name for name in own.union(also_set) if not adds or hasattr(base, name)}
    own = {name for name in own if not name.startswith("__") or name in ("__init__", "__new__")}
    own -= {*attributes, *beside}
    if not own <= set(narrowed) or not all(only_narrows(cls, name, base, may_be_lenient(row)) for name in own):
        return None
    return row, attributes, base, bool(own)


def may_be_lenient(row):
    return isinstance(row, dict) and bool(row.get("lenient"))


def only_narrows(cls, name, base, lenient):
    """Whether a method first asks that of the class above, and then returns its result or nothing, or raises."""
    for owner in inspect.getmro(cls):
        if owner is base:
            return True
        if name in vars(owner) and not asks_first(vars(owner)[name], name):
            if not (lenient and passes_on(vars(owner)[name], name)):
                return False
    return False


def is_lenient(cls, base):
    """Whether a class passes credentials on that its base refuses."""
    above = inspect.getmro(cls)[: inspect.getmro(cls).index(base)]
    functions = [vars(owner)["authenticate"] for owner in above if "authenticate" in vars(owner)]
    return any(passes_on(function, "authenticate") for function in functions)


def passes_on(function, name):
    """Whether it is `try: return super().authenticate(request)`, with nothing returned where that refuses."""
    tree, body = definition(function)
    if tree is None or len(body) != 1 or not isinstance(body[0], ast.Try) or body[0].orelse or body[0].finalbody:
        return False
    arguments = [argument.arg for argument in tree.args.args[1:]]
    asked = body[0].body
    asks = len(asked) == 1 and isinstance(asked[0], ast.Return) and asked_above(asked[0].value, name, arguments)
    missing = [ast.unparse(ast.Module(handler.body, [])) for handler in body[0].handlers]
    caught = {getattr(handler.type, "id", getattr(handler.type, "attr", None)) for handler in body[0].handlers}
    return asks and caught == {"AuthenticationFailed"} and all(line in ("return None", "return") for line in missing)


def definition(function):
    """The syntax tree of a function without decorators, and its statements but for the docstring; or nothing."""
    if hasattr(function, "__wrapped__"):
        return None, []
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None, []
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
        return None, []
    return tree, [line for line in tree.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]


def asks_first(function, name):
    tree, body = definition(function)
    if tree is None:
        return False
    # What is imported there is no other name for what is asked first.
    body = [line for line in body if not isinstance(line, (ast.Import, ast.ImportFrom))]
    arguments = [argument.arg for argument in tree.args.args[1:]]
    if not body or not asked_above(getattr(body[0], "value", None), name, arguments):
        return False
    if isinstance(body[0], ast.Return):
        return True
    found = targets(body[0])
    for line in ast.walk(tree):
        # Another result under the same name would be another caller.
        unpacks = isinstance(line, ast.Assign) and isinstance(line.value, ast.Name) and line.value.id in found
        if isinstance(line, ast.Assign) and line is not body[0] and not unpacks and found & targets(line):
            return False
        if isinstance(line, (ast.NamedExpr, ast.AugAssign, ast.AnnAssign, ast.For, ast.With, ast.Global, ast.Nonlocal, ast.Delete)):
            return False
        if unpacks:
            found |= targets(line)
    returned = [line.value for line in ast.walk(tree) if isinstance(line, ast.Return)]
    return bool(found) and all(is_result(value, found) for value in returned)


def asked_above(call, name, arguments):
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == name
        and isinstance(call.func.value, ast.Call)
        and getattr(call.func.value.func, "id", None) == "super"
        and [getattr(argument, "id", None) for argument in call.args] == arguments
        and not call.keywords
    )


def targets(line):
    names = [name for target in getattr(line, "targets", ()) for name in ast.walk(target)]
    return {name.id for name in names if isinstance(name, ast.Name)}


def is_result(value, found):
    if value is None or isinstance(value, ast.Constant) and value.value is None:
        return True
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(part, ast.Name) and part.id in found for part in parts)


def source(thing):
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


# --- signals ---------------------------------------------------------------------------------------


def receivers(what):
    """The project's own functions that are called when this happens."""
    from django.apps import apps
    from django.contrib.auth import get_user_model, signals
    from django.db.models import signals as models

    word, _, label = what.partition(":")
    if not label:
        sent = [(getattr(signals, word), None)]
    else:
        try:
            model = get_user_model() if label == "user" else apps.get_model(label)
        except LookupError:
            return []
        names = ("pre_save", "post_save") if word == "saved" else ("pre_delete", "post_delete")
        sent = [(getattr(models, name), model) for name in names]
    found = []
    for signal, sender in sent:
        live = signal._live_receivers(sender)
        for receiver in live[0] + live[1] if isinstance(live, tuple) else live:
            module = getattr(receiver, "__module__", type(receiver).__module__)
            packages = ("django.", "rest_framework.", "rest_framework_simplejwt.", "knox.")
            # What is saved of users here are changes of rows.
            if not module.startswith(packages) and not (label == "user" and when_created(receiver)):
                found.append(f"{module}.{getattr(receiver, '__qualname__', type(receiver).__qualname__)}")
    return found


def when_created(receiver):
    """What a receiver of `post_save` does, if it does something with new rows alone; or nothing."""
    if hasattr(receiver, "__wrapped__"):
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(receiver))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    connects = [ast.unparse(each.func) if isinstance(each, ast.Call) else "" for each in getattr(tree, "decorator_list", [])]
    if not isinstance(tree, ast.FunctionDef) or not set(connects) <= {"receiver", "dispatch.receiver"}:
        return None
    if connects and not getattr(receiver, "__globals__", {}).get("receiver", Callback).__module__ == "django.dispatch.dispatcher":
        return None
    body = [line for line in tree.body if not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))]
    if len(body) != 1 or not isinstance(body[0], ast.If) or body[0].orelse:
        return None
    rest = tree.args.kwarg and tree.args.kwarg.arg
    arguments = {argument.arg for argument in [*tree.args.args, *tree.args.kwonlyargs]}
    test = ast.unparse(body[0].test)
    asks = test == "created" and "created" in arguments or test in (f"{rest}.get('created')", f"{rest}['created']")
    return body[0].body if asks else None


def makes_tokens():
    """Whether a receiver makes DRF's token for each new user, as its documentation has it."""
    from django.contrib.auth import get_user_model
    from django.db.models.signals import post_save

    live = post_save._live_receivers(get_user_model())
    for receiver in live[0] + live[1] if isinstance(live, tuple) else live:
        done = when_created(receiver) or []
        made = len(done) == 1 and re.fullmatch(r"Token\.objects\.(get_or_)?create\(user=instance\)", ast.unparse(done[0]))
        if made and is_drf_s(receiver, "Token", "rest_framework.authtoken.models"):
            return True
    return False


def is_drf_s(function, name, module):
    """Whether a function means by a name what DRF does."""
    return getattr(getattr(function, "__globals__", {}).get(name), "__module__", None) == module


@functools.lru_cache(None)
def watched(fires):
    from django.conf import settings

    found = set()
    for what, _, condition in (word.partition(" if ") for word in fires):
        setting, _, key = condition.partition(".")
        if not condition or (getattr(settings, setting, None) or {}).get(key):
            found.update(receivers(what))
    return sorted(found)


# --- settings --------------------------------------------------------------------------------------


def database():
    from django.db import connections

    vendor, told = connections["default"].vendor, connections["default"].settings_dict
    if vendor not in ("postgresql", "mysql", "sqlite"):
        note("differs", f"The database is {vendor}, which the gateway cannot read")
    options = told.get("OPTIONS") or {}
    carried = {"sslmode", "sslrootcert", "service", "charset", "unix_socket", "options"} & set(options)
    for name in sorted(set(options) - carried):
        note("information", "Database options are not carried", name)
    return {
        "vendor": vendor,
        "name": os.path.abspath(told["NAME"]) if vendor == "sqlite" else str(told["NAME"] or ""),
        "host": str(told["HOST"]),
        "port": str(told["PORT"]),
        "user": str(told["USER"] or ""),
        "password_set": bool(told["PASSWORD"]),
        "pooler": vendor == "postgresql"
        and (bool(told.get("DISABLE_SERVER_SIDE_CURSORS")) or str(told["PORT"]) == "6432"),
        "options": {name: plain(options[name]) for name in sorted(carried)},
    }


def user():
    from django.contrib.auth import get_user_model
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.db import connection, router

    model = get_user_model()
    meta, pk = model._meta, model._meta.pk
    # A proxy has no table of its own; a child of another model's has some of the columns there.
    concrete = meta.concrete_model._meta
    while pk.remote_field:
        pk = pk.target_field
    kinds = {"Auto": "integer", "Integer": "integer", "UUID": "uuid", "Char": "text", "Slug": "text", "Text": "text"}
    fields = {field.name: field for field in concrete.concrete_fields}
    columns = {name: fields[name].column if name in fields else None for name in USER_COLUMNS}
    unreadable = []
    username = fields[model.USERNAME_FIELD]
    for name in (model.USERNAME_FIELD, "password", *USER_COLUMNS):
        if name in fields and fields[name].model._meta.db_table != concrete.db_table:
            unreadable.append(f"{name} is in the table {fields[name].model._meta.db_table}, not in {concrete.db_table}")
        elif name not in fields and (instead := computed(model, name)):
            unreadable.append(instead)
    kind = next((kind for word, kind in kinds.items() if word in pk.get_internal_type()), "other")
    if kind == "other":
        unreadable.append(f"its primary key is a {type(pk).__name__}, and no number, UUID or text")
    if "password" not in fields:
        unreadable.append("it has no column `password`")
    if connection.vendor not in ("postgresql", "mysql", "sqlite"):
        unreadable.append(f"its database is {connection.vendor}")
    if (alias := router.db_for_read(model)) != "default":
        unreadable.append(f"it is in the database {alias}, and the gateway reads one")
    objects = getattr(model, "objects", None)
    if objects is not None and not is_plain(objects):
        unreadable.append(f"its manager {dotted(type(objects))} says which rows are users")
    manager = type(model._default_manager)
    own = {name for c in inspect.getmro(manager) if not c.__module__.startswith("django.") for name in vars(c)}
    if "get_queryset" in own and manager is not type(objects):
        unreadable.append(f"its manager {dotted(manager)} says which rows are users")
    own |= {
        name for name in ("check_password", "get_session_auth_hash")
        if getattr(model, name, None) is not getattr(AbstractBaseUser, name)
    }  # fmt: skip
    for what in unreadable:
        note("differs", f"{meta.label} cannot be read as a table says it, so the project goes on deciding about all of its "
             "users, and no scheme that asks the store is carried", what)  # fmt: skip
    return {
        "model": meta.label,
        "table": concrete.db_table,
        "username": {
            "field": model.USERNAME_FIELD,
            "column": username.column,
            "type": username_type(username),
            "collates": collates(username),
        },
        "pk": {"column": concrete.pk.column, "type": kind},
        "key_field": concrete.pk.name,
        "password": fields["password"].column if "password" in fields else None,
        "columns": columns,
        "groups": membership(model, "groups"),
        "permissions": membership(model, "user_permissions"),
        "readable": not unreadable,
        "tabled": all(fields[name].model._meta.db_table == concrete.db_table for name in fields if name != concrete.pk.name),
        "own": sorted(own & {"check_password", "get_session_auth_hash", "get_by_natural_key"}),
    }


def username_type(field):
    from django.db import connection

    if "Integer" in field.get_internal_type():
        return "integer"
    # MySQL would be asked for its version.
    return "citext" if connection.vendor == "postgresql" and field.db_type(connection) == "citext" else "text"


def collates(field):
    """Whether names that differ in case, or in accents, are one for this database. MySQL's own default is so."""
    from django.db import connection

    own = getattr(field, "db_collation", None)
    if connection.vendor == "mysql":
        return not (own or "").endswith(("_bin", "_cs"))
    return bool(own) or username_type(field) == "citext"


def membership(model, name):
    """The table between users and Django's groups or permissions; none where the model has no such field."""
    from django.contrib.auth.models import Group, Permission

    field = next((field for field in model._meta.many_to_many if field.name == name), None)
    if field is None or field.related_model not in (Group, Permission):
        return None
    return {"table": field.m2m_db_table(), "user": field.m2m_column_name(), "other": field.m2m_reverse_name()}


def computed(model, name):
    """What a model has in place of a column, unless it is what the gateway goes by; or nothing."""
    if name == "password":
        return None
    instead = inspect.getattr_static(model, name, None)
    if instead is None or instead is USER_COLUMNS[name]:
        return None
    # Nobody is let in for it: who is staff by a method of the model's own is not staff here.
    if name in ("email", "first_name", "last_name", "is_staff", "is_superuser", "last_login", "date_joined"):
        note("differs", f"{model._meta.label} has no columns for what the gateway takes to be empty or false", name)
        return None
    return f"{name} is no column, and whether a user is active cannot be told"


def readable():
    return user_model()["readable"]


@functools.lru_cache(None)
def user_model():
    return user()


@functools.lru_cache(None)
def backends():
    """AUTHENTICATION_BACKENDS: which of them have a say in who logs in with a password, and whose sessions are not
    those of a row."""
    from django.conf import settings
    from django.contrib.auth.backends import BaseBackend, ModelBackend
    from django.utils.module_loading import import_string

    deciding, strange = [], []
    for path in settings.AUTHENTICATION_BACKENDS:
        try:
            cls = import_string(path)
        except ImportError:
            # It is not installed where this runs.
            deciding.append(path)
            continue
        own = getattr(cls, "authenticate", None)
        plain_ones = (BaseBackend.authenticate, None)
        row = own is ModelBackend.authenticate and cls.user_can_authenticate is ModelBackend.user_can_authenticate
        if not row and own not in plain_ones and takes_password(own) and not does_nothing(own):
            deciding.append(path)
        # A backend that finds no user has no session.
        finds = getattr(cls, "get_user", None)
        if finds not in (ModelBackend.get_user, BaseBackend.get_user, None) and not finds_the_row(finds):
            strange.append(path)
    return deciding, strange


def finds_the_row(function):
    """Whether it is the `get_user` of Django's documentation: the row of that key, or nobody."""
    from django.contrib.auth import get_user_model

    tree, body = definition(function)
    if tree is None or len(tree.args.args) != 2 or len(body) != 1 or not isinstance(body[0], ast.Try):
        return False
    if body[0].orelse or body[0].finalbody:
        return False
    row, key = ast.unparse(ast.Module(body[0].body, [])), tree.args.args[1].arg
    here = re.fullmatch(rf"return (\w+|get_user_model\(\))\.objects\.get\((pk|id)={key}\)", row)
    missing = [ast.unparse(ast.Module(handler.body, [])) for handler in body[0].handlers]
    if not here or not all(line in ("return None", "return") for line in missing):
        return False
    named = function.__globals__.get(here[1].removesuffix("()"))
    model = named() if named is get_user_model else named
    return model is get_user_model() and is_plain(model.objects)


def is_plain(manager):
    """Whether a manager finds all rows."""
    from django.db.models import Manager, QuerySet

    kind = type(manager)
    own = {name for c in inspect.getmro(kind) if not c.__module__.startswith("django.") for name in vars(c)}
    queries = getattr(kind, "_queryset_class", QuerySet)
    return kind.get_queryset is Manager.get_queryset and queries.get is QuerySet.get and not own & {"get", "filter", "all"}


def takes_password(function):
    """Whether Django's `authenticate` asks it about a name and a password."""
    try:
        inspect.signature(function).bind(None, None, username="", password="")
    except TypeError:
        return False
    return True


def does_nothing(function):
    code = getattr(function, "__code__", None)
    return code is not None and not code.co_names and set(code.co_consts) <= {None, function.__doc__}


@functools.lru_cache(None)
def middleware_that(*words):
    """Middleware of the project's own in whose source one of these expressions is found."""
    return [path for path in own_middleware() if any(re.search(word, text_of(path)) for word in words)]


class StandIn:
    """Stands for a value of which only what is set is known. Who looks at more cannot be foretold: it raises, and is
    remembered, since a bare `except` may catch it."""

    def unforeseen(self, *_, **__):
        raise Unforeseen

    # `isinstance` asks for the class, too.
    __class__ = property(unforeseen)
    __getattr__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __str__ = __repr__ = __bytes__ = __format__ = unforeseen
    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __setitem__ = __delitem__ = __hash__ = __call__ = unforeseen
    __add__ = __radd__ = __sub__ = __mod__ = __int__ = __float__ = __index__ = __fspath__ = __reversed__ = unforeseen


class Unknown(StandIn):
    """Nothing is known of it."""


class Known(StandIn):
    """It is there, and nothing else is known of it."""

    def __bool__(self):
        return True


class Trap(StandIn):
    """A request, a view or a user of which some attributes are known."""

    def __init__(self, **known):
        self.__dict__.update(known)

    def __getattr__(self, name):
        raise Unforeseen(name)

    def __bool__(self):
        return True


class Passing(Trap):
    """A request on its way through the middleware: nobody has looked at its user yet."""

    def __getattr__(self, name):
        if name in ("_cached_user", "_acached_user"):
            raise AttributeError(name)
        raise Unforeseen(name)


class Somebody(Trap):
    """A user who is logged in."""

    @property
    def __class__(self):
        from django.contrib.auth import get_user_model

        return get_user_model()


class Label(str):
    """A name that can be written, and is not known."""

    __eq__ = __ne__ = __lt__ = __gt__ = __hash__ = __contains__ = __len__ = __getitem__ = StandIn.unforeseen
    startswith = endswith = lower = split = StandIn.unforeseen


class Reached(BaseException):
    """A middleware has let a request pass."""


class Unforeseen(BaseException):
    """Not an `Exception`, which a permission might catch."""

    raised = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        Unforeseen.raised = True


def foreseen(function, *arguments):
    """What a function returns, and whether all that it looked at is known."""
    Unforeseen.raised = False
    try:
        found = function(*arguments)
    except (Unforeseen, Exception):
        return None, False
    return found, not Unforeseen.raised


class Path(StandIn):
    """A path of which the text between its variable parts is known."""

    def __init__(self, text):
        self.parts = re.split("\0|\3|([\1\2])[^\1\2]+\\1", text)[::2]

    def __contains__(self, text):
        if any(text in part for part in self.parts):
            return True
        raise Unforeseen

    def startswith(self, text):
        if self.parts[0].startswith(text):
            return True
        if text.startswith(self.parts[0]):
            raise Unforeseen
        return False


def path_of(text, told):
    """What a middleware may know of the path of a view; nothing below a prefix, which a proxy may take away."""
    from django.urls import get_script_prefix

    if get_script_prefix() != "/":
        return Unknown()
    text = text if told else text + "\0"
    return Path("/" + text.lstrip("/")) if re.search("[\0-\3]", text) else "/" + text.lstrip("/")


@functools.lru_cache(None)
def middleware(path):
    from django.utils.module_loading import import_string

    def get_response(request):
        raise Reached

    return import_string(path)(get_response)


# Stands among the keys of a session for its being empty.
EMPTY = "is_empty()"


class Session(dict):
    """Stands for `request.session`: some keys are there, and what is asked is remembered."""

    def __init__(self, there):
        super().__init__()
        self.there, self.asked = there, set()

    def __contains__(self, name):
        self.asked.add(name)
        return name in self.there or super().__contains__(name)

    def get(self, name, default=None):
        if super().__contains__(name):
            return super().__getitem__(name)
        return Known() if name in self else default

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        return self.get(name)

    def is_empty(self):
        return EMPTY in self

    def __setitem__(self, name, value):
        if str(name).startswith("_auth"):
            # It is somebody else's from now on.
            raise Unforeseen(name)
        super().__setitem__(name, value)

    __iter__ = __len__ = __bool__ = __eq__ = __ne__ = __delitem__ = StandIn.unforeseen
    keys = values = items = copy = pop = setdefault = update = clear = StandIn.unforeseen
    __getattr__ = StandIn.unforeseen


def passed_through(path, user, method="GET", at=None, session=None, query=None):
    """A request after it has met a middleware, whether its user is still this one, and what that has read of the request
    and of the view; or None if it cannot be foretold."""
    from django.contrib import auth

    meta, headers, cookies, view = set(), set(), set(), Callback()
    at, session, query = (Unknown() if known is None else known for known in (at, session, query))
    request = Passing(
        META=Meta(meta), headers=Headers(headers), COOKIES=Fields(cookies), method=method, user=user,
        path=at, path_info=at, session=session, GET=query, POST=Unknown(),
    )  # fmt: skip

    def passing():
        made = middleware(path)
        try:
            made(request)
            # It has answered itself.
            return False
        except Reached:
            pass
        if hasattr(made, "process_view") and made.process_view(request, view, Unknown(), Unknown()) is not None:
            return False
        found = request.user
        if found is not user and hasattr(type(found), "_setup"):
            # Without a look, it may be anybody.
            found._setup()
            found = found._wrapped
        return "same" if found is user and request.session is session else "other"

    # Whom the session names is known, and who else might be asked is not.
    get_user, auth.get_user = auth.get_user, lambda _: user
    try:
        found, told = foreseen(passing)
    finally:
        auth.get_user = get_user
    return (request, found == "same", (meta, headers, cookies), view.asked) if told and found else None


def leaves_users(path, at):
    """What a middleware reads where a request's user is afterwards whom its session names, whatever else is in that;
    None if it may be another."""
    from django.contrib.auth.models import AnonymousUser

    read, keys, done = (set(), set(), set()), set(), set()
    while subsets := [names for count in range(len(keys) + 1) for names in combinations(sorted(keys), count)
                      if names not in done]:  # fmt: skip
        if len(keys) > 4:
            return None
        for names in subsets:
            done.add(names)
            for method, user in product(METHODS, (AnonymousUser(), Somebody(is_authenticated=True, is_anonymous=False))):
                session = Session(set(names))
                found = passed_through(path, user, method, at, session)
                if found is None or not found[1] or found[3]:
                    return None
                keys |= session.asked
                for seen, its in zip(read, found[2], strict=True):
                    seen |= its
    return read


# Middleware of packages that has no say in who is asking, nor in whether a page answers.
HARMLESS = (
    "django.", "corsheaders.", "whitenoise.", "debug_toolbar.", "django_prometheus.", "simple_history.",
    "allauth.account.middleware.AccountMiddleware", "portcullis_django.",
)  # fmt: skip
# What says who is asking, in whatever way; without it a middleware has nothing to do with that.
CHANGES = re.compile(
    r"\.(user|_cached_user|_acached_user|auser|COOKIES|META)\b[^=!<>\n]*=[^=]|_force_auth"
    r"|\.session\s*(,[^=\n]*)?=[^=]|session\[(?![\"'](?!_auth))[^]]*\]\s*=[^=]"
    r"|setattr\([^,]+,\s*([\"'](user|_a?cached|auser|session|COOKIES|META)|[^\"'\s])"
    r"|\b(a?login|a?logout|authenticate|impersonate)\w*\(|session\.(flush|cycle_key|clear|pop|delete)|del\s.*(session|user|COOKIES)",
)
# What it may go by unseen.
UNSEEN = r"core\.cache|\bcaches?\.|current_thread|get_ident|\brandom\b"
CLOCK = r"|\btime\(\)|\bnow\(\)"


def own_middleware():
    from django.conf import settings

    return [path for path in settings.MIDDLEWARE if not path.startswith(HARMLESS)]


@functools.lru_cache(None)
def text_of(path):
    """The source of a middleware, of what it inherits, and of the functions that it hands the request to."""
    from django.utils.module_loading import import_string

    try:
        made = import_string(path)
    except ImportError:
        return "authenticate()"
    texts = {}
    for owner in inspect.getmro(made) if inspect.isclass(made) else [made]:
        if owner.__module__ not in ("builtins", "django.utils.deprecation"):
            follow(owner, texts)
    return "\n".join(texts.values())


def follow(thing, texts, depth=3):
    """Adds the source of a function or class, and of those that it calls with the request."""
    if thing in texts or not hasattr(thing, "__module__"):
        return
    # What cannot be read may do anything.
    texts[thing] = textwrap.dedent(source(thing)) or "authenticate()"
    names = vars(sys.modules[thing.__module__]) if thing.__module__ in sys.modules else {}
    try:
        tree = ast.parse(texts[thing])
    except SyntaxError:
        return
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = [*call.args, *(keyword.value for keyword in call.keywords)]
        if depth and any(getattr(value, "id", None) in ("request", "req") for value in given):
            called = functools.reduce(
                lambda found, name: getattr(found, name, None), ast.unparse(call.func).split(".")[1:],
                names.get(ast.unparse(call.func).split(".")[0]),
            )  # fmt: skip
            project = inspect.isfunction(called) or inspect.isclass(called)
            if project and not called.__module__.startswith(("django.", "builtins")):
                follow(called, texts, depth - 1)


@functools.lru_cache(None)
def middleware_users(at):
    """Middleware that may say who the user of a path is, and its entry of a chain: nothing for one that does not after
    all, None where it cannot be told."""
    told = {}
    for path in own_middleware():
        if path in rewrites_credentials():
            continue
        if not CHANGES.search(text_of(path)):
            continue
        read = None if re.search(UNSEEN + CLOCK + "|_force_auth|COOKIES\\[", text_of(path)) else leaves_users(path, path_of(*at))
        told[path] = read if read is None else fields_of(*read) if any(read) else {}
    return told


def fields_of(meta, headers, cookies):
    """The entry for whatever a middleware reads of a request; None for what may be anything. Which first words of
    `Authorization` it knows cannot be asked: it may pass on what it does not find."""
    fields = {wire_name(name) for name in meta if name.startswith("HTTP_")} | {name.title() for name in headers}
    if any(not name.startswith("HTTP_") for name in meta) or {name.lower() for name in fields} & set(PROXIES):
        return None
    entry = {"keywords": ["*"]} if "Authorization" in fields else {}
    if others := sorted(fields - {"Authorization"}):
        entry["headers"] = others
    if cookies:
        entry["cookies"] = sorted(cookies)
    return {"upstream": entry}


class Callback:
    """A view that has no attributes, and remembers which it was asked for."""

    def __init__(self):
        self.asked = set()

    def __getattr__(self, name):
        self.asked.add(name)
        raise AttributeError(name)


@functools.lru_cache(None)
def csrf_is_off():
    """Whether the project's middleware switches Django's CSRF check off for every request; None if for some. What a
    query changes does not count: it is the attacker's to choose."""
    from django.urls import get_resolver

    for path in middleware_that("_dont_enforce_csrf_checks"):
        off = set()
        for method in METHODS:
            found = passed_through(path, Unknown(), method, query=Fields(set()))
            if found is None or any(found[2]) or re.search(UNSEEN + CLOCK, text_of(path)):
                return None
            views = leaves(get_resolver().url_patterns) if found[3] else []
            # Those that the gateway does not judge go on with the project's own check.
            judged = [callback for *_, callback in views if hasattr(callback, "cls") or hasattr(callback, "view_class")]
            if any(hasattr(callback, name) for callback in judged for name in found[3]):
                return None
            off.add(bool(vars(found[0]).get("_dont_enforce_csrf_checks")))
        if off == {True, False}:
            return None
        if off == {True}:
            note("do", "The project's middleware switches Django's CSRF check off, and so does `csrf: { enforce: false }` "
                 "here: any site can act as a visitor who is logged in", path)  # fmt: skip
            return True
    return False


@functools.lru_cache(None)
def rewrites_credentials():
    """Middleware that writes `Authorization`, as from another header, and its entry of a chain; None where it cannot be
    told what it reads."""
    from django.contrib.auth.models import AnonymousUser

    told = {}
    writes = r"HTTP_AUTHORIZATION.\]\s*=[^=]|del .*HTTP_AUTHORIZATION|(pop|setdefault|update)\(.*HTTP_AUTHORIZATION"
    for path in middleware_that(writes):
        found = passed_through(path, AnonymousUser())
        told[path] = found and any(found[2]) and fields_of(*found[2]) or None
    return told


@functools.lru_cache(None)
def session_differs(at):
    """Why `SessionAuthentication` is something else on a path than a row of sessions and a row of users; or nothing."""
    from django.conf import settings

    engine = settings.SESSION_ENGINE
    if not re.fullmatch(r"django\.contrib\.sessions\.backends\.(db|cached_db|signed_cookies)", engine):
        return f"sessions are kept by {engine}, which the gateway does not read"
    for name in ("auth.middleware.AuthenticationMiddleware", "sessions.middleware.SessionMiddleware"):
        if f"django.contrib.{name}" not in settings.MIDDLEWARE:
            return f"django.contrib.{name} is not in MIDDLEWARE"
    for path, told in middleware_users(at).items():
        if told is None:
            return f"{path} says who the user is"
    if csrf_is_off() is None:
        return f"{middleware_that('_dont_enforce_csrf_checks')[0]} switches the CSRF check off now and then"
    if "get_session_auth_hash" in user_model()["own"]:
        return "get_session_auth_hash of the user model is its own"
    if backends()[1]:
        return f"{backends()[1][0]} finds the users of sessions in a way of its own"
    return None


def passwords():
    from django.contrib.auth import hashers

    # The gateway's names are Django's.
    classes = [cls for cls in vars(hashers).values() if hasattr(cls, "algorithm")]
    table = {dotted(cls): (cls.algorithm, {"iterations"}) for cls in classes}
    rows = [(hasher, known(type(hasher), table)) for hasher in hashers.get_hashers()]
    first, row = rows[0]
    carried = [row[0] for _, row in rows if row]
    foreign = [dotted(type(hasher)) for hasher, row in rows if not row]
    for path in backends()[0]:
        note("differs", "Passwords are judged by the project: AUTHENTICATION_BACKENDS has others that have a say", path)
    for path in foreign:
        note("differs", "Passwords are judged by the project: PASSWORD_HASHERS has some that the gateway does not know", path)
    own = [f"{user_model()['model']}.{name}" for name in user_model()["own"] if name != "get_session_auth_hash"]
    for name in own:
        note("differs", "Passwords are judged by the project: its user model has methods of its own for it", name)
    iterations = getattr(first, "iterations", None)
    rows = not backends()[0] and not foreign and not own and readable()
    return {"preferred": row and row[0], "accept": carried, "iterations": iterations, "rows": rows}


def django_settings():
    from django.conf import global_settings, settings
    from django.contrib.auth import get_user_model
    from django.shortcuts import resolve_url
    from django.utils import translation

    names = [name for name in dir(global_settings) if SETTINGS.fullmatch(name)]
    names += [name for name in TABLES["settings"] if hasattr(settings, name)]
    told = {name: plain(getattr(settings, name)) for name in names}
    for name in names:
        if name in TABLES["keys"] or name.endswith("_KEY"):
            setting, usual = TABLES["keys"].get(name, (None, None))
            told[name] = key(getattr(settings, name), setting and getattr(settings, setting, usual))
    told["CSRF_IS_OFF"] = bool(csrf_is_off())
    told["TOKENS_FOR_NEW_USERS"] = makes_tokens()
    told["SERVES_ASGI"] = bool(getattr(settings, "ASGI_APPLICATION", None))
    with translation.override("en"):
        # As the page's own words are.
        told["USERNAME_LABEL"] = str(get_user_model()._meta.get_field(get_user_model().USERNAME_FIELD).verbose_name)
    note_fixed(told, vars(global_settings))
    for name in ("LOGIN_URL", "LOGIN_REDIRECT_URL", "LOGOUT_REDIRECT_URL"):
        try:
            told[name] = told[name] and resolve_url(getattr(settings, name))
        except Exception:  # `NoReverseMatch`, or what the project's own URLconf says of being reversed.
            note("information", f"{name} is {told[name]}, which is the address of nothing.")
            told[name] = None
        if name in LEADING and not is_of_this_host(told[name]):
            told[name] = None
    ended = sessions_that_end()
    for backend in ended:
        told["AUTHENTICATION_BACKENDS"].remove(backend)
        note("information", "Sessions end where no proxy names the user, as RemoteUserMiddleware ends them", backend)
    for middleware in told["MIDDLEWARE"]:
        if middleware == CORS_MIDDLEWARE:
            told.update(cors())
        elif middleware.endswith("LoginRequiredMiddleware") or not middleware.startswith("django."):
            note("information", "Middleware goes on acting in the project, and sees what the gateway lets through", middleware)
    return told


def cors():
    """As django-cors-headers itself resolves its settings, those with older names too."""
    from corsheaders.conf import conf
    from corsheaders.signals import check_request_enabled

    told = {name: plain(getattr(conf, name, None)) for name in CORS}
    regexes = conf.CORS_ALLOWED_ORIGIN_REGEXES
    told["CORS_ALLOWED_ORIGIN_REGEXES"] = [getattr(regex, "pattern", regex) for regex in regexes]
    told["CORS_URLS_REGEX"] = getattr(conf.CORS_URLS_REGEX, "pattern", conf.CORS_URLS_REGEX)
    told["CORS_BY_SIGNAL"] = bool(check_request_enabled.receivers)
    return told


def sessions_that_end():
    """Backends whose sessions RemoteUserMiddleware ends where the header does not come along."""
    from django.conf import settings
    from django.contrib.auth.backends import RemoteUserBackend
    from django.contrib.auth.middleware import PersistentRemoteUserMiddleware, RemoteUserMiddleware
    from django.utils.module_loading import import_string

    def is_a(path, base):
        try:
            found = import_string(path)
        except ImportError:
            # It is not installed where this runs.
            return False
        return inspect.isclass(found) and issubclass(found, base)

    watches = [
        path for path in settings.MIDDLEWARE
        if is_a(path, RemoteUserMiddleware) and import_string(path).process_request is RemoteUserMiddleware.process_request
    ]  # fmt: skip
    if not watches or any(is_a(path, PersistentRemoteUserMiddleware) for path in watches):
        return []
    return [path for path in settings.AUTHENTICATION_BACKENDS if is_a(path, RemoteUserBackend)]


def languages():
    """What the gateway says in Django's and the packages' words, in each language that the project may answer in."""
    from django.conf import settings
    from django.conf.locale import LANG_INFO
    from django.utils import translation

    negotiated = LOCALE in settings.MIDDLEWARE
    english = settings.LANGUAGE_CODE.lower() in ("en", "en-us")
    if not settings.USE_I18N or not negotiated and english or "rest_framework" not in sys.modules:
        return None
    told = {}
    for code in [code for code, _ in settings.LANGUAGES] if negotiated else [settings.LANGUAGE_CODE]:
        if not translation.check_for_language(code):
            continue
        with translation.override(code):
            texts = {text: translation.gettext(text) for text in TABLES["messages"]}
        texts = {text: said for text, said in texts.items() if said != text}
        told[code] = {"messages": {**texts, **throttling(code)}}
    # Django answers in LANGUAGE_CODE even where LANGUAGES leaves it out.
    default = settings.LANGUAGE_CODE.lower()
    if not any(default == code or default.startswith(code + "-") for code in told):
        told[default] = {"messages": {}}
    if negotiated:
        for code, info in LANG_INFO.items():
            fallback = [code for code in info.get("fallback", ()) if code in told]
            if code not in told and fallback:
                told[code] = fallback[0]
    return told


def throttling(code):
    """The one message with a number. DRF looks up the text that it has translated already, so one second is one, and
    any other number is many, whatever the language's own rule is."""
    from django.utils import translation
    from rest_framework.exceptions import Throttled

    with translation.override(code):
        forms = [str(Throttled(number).detail).replace(str(number), "{wait}", 1) for number in (1, 2)]
    return {} if forms == THROTTLED else dict.fromkeys(THROTTLED, forms)


def dictionary(setting, module, keys):
    """A setting that holds all settings of a package, where the package is in use."""
    from django.conf import settings

    if module not in sys.modules:
        return None
    defaults = getattr(importlib.import_module(module + ".settings"), "DEFAULTS", {})
    told = dict(defaults, **(getattr(settings, setting, None) or {}))
    note_fixed(told, defaults)
    for name in {*keys} & {*told}:
        setting, usual = keys[name]
        told[name] = key(told[name], told.get(setting, usual))
    return plain(told)


def key(value, algorithm):
    """A public key itself; of another whether it is set, its public part, and why the gateway does not take it for this
    algorithm."""
    from django.conf import settings

    value = value.decode("latin-1") if isinstance(value, bytes) else str(value or "")
    if "BEGIN PUBLIC KEY" in value and "PRIVATE" not in value:
        return value
    told = {"set": bool(value), "is_secret_key": value == settings.SECRET_KEY, "fault": None}
    private = None
    if "PRIVATE KEY" in value:
        try:
            from cryptography.hazmat.primitives import serialization as pem

            private = pem.load_pem_private_key(value.encode(), None)
            public = private.public_key()
            told["public"] = public.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo).decode()
        except Exception:  # It has a password, or is none.
            pass
    if value and algorithm and not told["is_secret_key"]:
        told["fault"] = fault(value, private, algorithm)
    return told


def fault(value, private, algorithm):
    """Why the gateway does not take a key for an algorithm; or nothing."""
    if algorithm.startswith("HS"):
        if "-----BEGIN " in value:
            return f"is a key in PEM, which is no secret for {algorithm}"
        return None if len(value.encode()) >= SHORTEST else f"is shorter than {SHORTEST} characters, so it can be guessed"
    if private is None:
        return f"is no private key in PEM without a passphrase, as {algorithm} needs one"
    kind = type(private).__name__.removeprefix("_")
    if not kind.startswith({"RS": "RSA", "PS": "RSA", "ES": "EllipticCurve"}.get(algorithm[:2], "Ed")):
        return f"is a key of another kind than {algorithm} takes"
    if kind.startswith("RSA") and private.key_size < 2048:
        return f"is an RSA key of {private.key_size} bits, which can be broken"
    return None


def is_of_this_host(path):
    return str(path or "").startswith("/") and not path.startswith("//")


# --- Django REST framework's classes ---------------------------------------------------------------


@functools.lru_cache(None)
def authentication(classes, at):
    """The chain of some classes, at a path."""
    told = []
    for path, its in rewrites_credentials().items():
        # The challenge is that of the first class.
        if its and classes and (challenge := challenge_of(classes[0])):
            its = {"upstream": {**its["upstream"], "challenge": challenge}}
        told.append({"class": path, "base": None, "gateway": its, "asks_more": True})
    for cls in classes:
        entry, base, asks_more, why = None, None, False, "it is the project's own"
        if row := known(cls, SCHEMES, narrowed=NARROWED, beside={"authenticate_header"}):
            scheme, attributes, base, asks_more = row
            why = not_as_here(scheme, at) or challenges_otherwise(cls, base)
            headers, entry = scheme["headers"], scheme["entry"]
            changed = {
                ours: wire_name(getattr(cls, its)) if its in headers else getattr(cls, its)
                for its, ours in attributes.items() if its in headers or getattr(cls, its) != getattr(base, its)
            }  # fmt: skip
            if not all(isinstance(value, str) for value in changed.values()):
                why = why or "what it reads is computed"
            if scheme["lenient"] and is_lenient(cls, base):
                changed[scheme["lenient"]] = True
            entry = None if why else {entry: changed} if changed else entry
        if entry is None and is_switched_off(cls):
            note("differs", "Classes look at no request, as the project is set up, and are in no chain: run `init` again "
                 "when that changes", dotted(cls))  # fmt: skip
            continue
        if entry is None and row and row[0]["entry"] == "session" and base.authenticate is cls.authenticate:
            entry = session_of_the_project(at)
        if entry is None and (entry := left_to_the_project(cls)):
            pass
        if entry is not None and why:
            note("differs", "Credentials of these classes are judged by the project, all others here", f"{dotted(cls)} ({why})")
        if entry is None:
            note("differs", "Routes with one of these classes in their chain are left to the project whole, for half a "
                 "chain is another policy", f"{dotted(cls)} ({why})")  # fmt: skip
        if entry == "session":
            # What it finds in `request.user` may have been put there.
            told.extend(
                {"class": path, "base": None, "gateway": its, "asks_more": True}
                for path, its in middleware_users(at).items() if its
            )  # fmt: skip
        told.append({"class": dotted(cls), "base": base and dotted(base), "gateway": entry, "asks_more": asks_more})
    return told


@functools.lru_cache(None)
def session_of_the_project(at):
    """The entry for requests with a session that the project judges, and for what else its middleware reads; nothing if
    that may make somebody of a request that has none of these."""
    from django.conf import settings
    from django.contrib.auth.models import AnonymousUser

    reads = (set(), set(), {settings.SESSION_COOKIE_NAME})
    for name in ("auth.middleware.AuthenticationMiddleware", "sessions.middleware.SessionMiddleware"):
        if f"django.contrib.{name}" not in settings.MIDDLEWARE:
            return None
    for path in own_middleware():
        text = text_of(path)
        if path in rewrites_credentials() or not CHANGES.search(text):
            continue
        if re.search(UNSEEN + "|_force_auth|COOKIES\\[", text):
            return None
        for method, there in product(METHODS, ((), (EMPTY,))):
            found = passed_through(path, AnonymousUser(), method, path_of(*at), Session(there))
            if found is None or not found[1] or found[3]:
                return None
            for seen, its in zip(reads, found[2], strict=True):
                seen |= its
    return fields_of(*reads)


class Fields(dict):
    """Stands for `request.META`, `headers` or `COOKIES`, and remembers what is asked of it."""

    def __init__(self, asked, known=()):
        super().__init__(known)
        self.asked = asked

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)

    def __contains__(self, name):
        self.asked.add(name)
        return super().__contains__(name)

    __iter__ = __len__ = __bool__ = __eq__ = __ne__ = __setitem__ = __delitem__ = StandIn.unforeseen
    keys = values = items = copy = pop = setdefault = update = clear = StandIn.unforeseen


class Meta(Fields):
    """`request.META` of a request on its way, which a middleware may write."""

    __setitem__ = dict.__setitem__
    __delitem__ = dict.__delitem__


class Headers(Fields):
    """`request.headers`, which does not look at case."""

    def get(self, name, default=None):
        return super().get(name.lower(), default)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())


def tried(cls, authorization=None):
    """What a class reads of a request, and whether it finds no credential of its own. It is asked, about a request that
    is read and one that has a body."""
    meta, headers, cookies = set(), set(), set()
    none = all([find(cls, method, authorization, meta, headers, cookies) for method in METHODS])
    return meta, headers, cookies, none


def find(cls, method, authorization, meta, headers, cookies):
    known = {"HTTP_AUTHORIZATION": authorization} if authorization else {}
    shown = {"authorization": authorization} if authorization else {}
    request = Trap(META=Fields(meta, known), headers=Headers(headers, shown), COOKIES=Fields(cookies), method=method)
    request._request = request
    # Where it looks at what is not known, it has gone on, or would have.
    found, told = foreseen(lambda: cls().authenticate(request) is None)
    return bool(found) and told


@functools.lru_cache(None)
def left_to_the_project(cls):
    """The entry for credentials that a class reads from fields of their own; nothing if it may read anything else."""
    return entry_for(cls, *tried(cls))


@functools.lru_cache(None)
def is_switched_off(cls):
    """Whether a class passes every request on and looks at none, as the project is set up."""
    meta, headers, cookies, none = tried(cls)
    return none and not (meta or headers or cookies) and not re.search(UNSEEN, source(sys.modules[cls.__module__]))


def entry_for(cls, meta, headers, cookies, none):
    fields = {wire_name(name) for name in meta if name.startswith("HTTP_")} | {name.title() for name in headers}
    told = set(PROXIES) & {name.lower() for name in fields} or any(not name.startswith("HTTP_") for name in meta)
    if not none or told or not (fields or cookies):
        return None
    entry = {}
    if "Authorization" in fields:
        # Not any word is its own, if it lets another pass.
        words = ["*"] if not tried(cls, "Zzz x")[3] else [word for word in WORDS if not tried(cls, f"{word} x.y.z")[3]]
        words = sorted({*words, *own_words(cls)} - ({"*"} if "*" not in words else set()))
        if not words:
            return None
        entry["keywords"] = ["*"] if "*" in words else words
    if others := sorted(fields - {"Authorization"}):
        entry["headers"] = others
    if cookies:
        entry["cookies"] = sorted(cookies)
    if challenge := challenge_of(cls):
        entry["challenge"] = challenge
    return None if challenge is None else {"upstream": entry}


def challenge_of(cls):
    """`WWW-Authenticate`, or nothing; None if it depends on the request."""
    try:
        challenge = cls().authenticate_header(Trap(META=Fields(set()), headers=Fields(set())))
    except (Unforeseen, Exception):
        return None
    return challenge if isinstance(challenge, str) else ""


def own_words(cls):
    """What a class calls the word of its credential, though it may let a bad one of it pass."""
    try:
        word = getattr(cls(), "keyword", None)
    except Exception:
        return []
    return [word] if isinstance(word, str) and word else []


def challenges_otherwise(cls, base):
    """Why the challenge of a class is not that of its base, but for its attributes; or nothing."""
    if cls.authenticate_header is base.authenticate_header:
        return None
    request = Trap(META=Fields(set()), headers=Headers(set()))
    try:
        own, its = cls().authenticate_header(request), base.authenticate_header(cls(), request)
    except (Unforeseen, Exception):
        return "its challenge is its own"
    if own != its:
        return f"its challenge is {own!r}"
    note("differs", "Classes have another challenge for some requests, which the gateway's refusals do not have", dotted(cls))
    return None


def not_as_here(scheme, at):
    """Why the project's settings, or the path, make something else of a class that the gateway has; or nothing."""
    from django.conf import settings

    if scheme["note"]:
        return scheme["note"]
    for name in scheme["unless"]:
        if getattr(settings, name, None):
            return f"{name} is set"
    if scheme["asks_store"] and not readable():
        return "its users cannot be read"
    if scheme["takes_password"] and not passwords()["rows"]:
        return "the project judges passwords"
    if names := watched(tuple(scheme["fires"])):
        return f"its signals are watched by {names[0]}"
    if scheme["entry"] == "session" and (why := session_differs(at)):
        return why
    return None


def wire_name(header):
    """Of a header, from its name in `request.META`."""
    return re.sub("^HTTP_", "", header).replace("_", "-").title()


def rule(cls):
    """A permission class, or several joined with &, | and ~: as text, and as a rule or None."""
    if not hasattr(cls, "operator_class"):
        # What is asked of an object, or said in a refusal, comes after it.
        row = known(cls, RULES) if not has_words(cls) else None
        carried = row and row[0]
        if carried == "staff" and computed_staff():
            carried = None
        return dotted(cls), carried
    sign, key = {"AND": ("&", "all"), "OR": ("|", "any"), "NOT": ("~", "not")}[cls.operator_class.__name__]
    first, rule_of_first = rule(cls.op1_class)
    if key == "not":
        return sign + first, rule_of_first and {key: rule_of_first}
    second, rule_of_second = rule(cls.op2_class)
    both = {key: [rule_of_first, rule_of_second]} if rule_of_first and rule_of_second else None
    return f"({first} {sign} {second})", both


def has_words(cls):
    """Whether its refusal of somebody who is known is in its own words."""
    return any(name in vars(c) for c in inspect.getmro(cls) for name in ("message", "code"))


def computed_staff():
    from django.contrib.auth import get_user_model

    return user_model()["columns"]["is_staff"] is None and hasattr(get_user_model(), "is_staff")


def asked(cls, arguments, actions, method):
    """A view as it stands before its permissions are asked about an anonymous request of a method."""
    from django.contrib.auth.models import AnonymousUser
    from rest_framework.settings import api_settings

    view = cls(**arguments)
    view.args, view.kwargs, view.format_kwarg = Unknown(), Unknown(), None
    anonymous = api_settings.UNAUTHENTICATED_USER
    user = anonymous() if anonymous else None
    if isinstance(user, AnonymousUser) and not permissions_are_django_s():
        # Any backend may give permissions to anonymous callers.
        user.has_perm = user.has_perms = user.has_module_perms = Unknown()
    view.request = Trap(method=method, user=user, auth=None)
    if actions is not None:
        view.action_map = actions
        view.action = "metadata" if method == "OPTIONS" else actions.get(method.lower())
    return view


@functools.lru_cache(None)
def permissions_are_django_s():
    """Whether every backend answers about permissions as `ModelBackend` does: nobody who is anonymous has one."""
    from django.conf import settings
    from django.contrib.auth.backends import ModelBackend
    from django.utils.module_loading import import_string

    names = ("has_perm", "get_all_permissions", "get_user_permissions", "get_group_permissions", "_get_permissions")
    for path in settings.AUTHENTICATION_BACKENDS:
        try:
            backend = import_string(path)
        except ImportError:
            return False
        if any(getattr(backend, name, None) not in (None, getattr(ModelBackend, name)) for name in names):
            return False
    return True


def refuses_anonymous(cls, arguments, actions, method):
    """Whether a view's permissions refuse whoever is not logged in, whatever else the request is. They are asked."""
    def judged():
        view = asked(cls, arguments, actions, method)
        return view, list(view.get_permissions())

    found, told = foreseen(judged)
    if not told:
        return False
    view, permissions = found
    for one in permissions:
        if hasattr(one, "_queryset"):
            # DjangoModelPermissions: which model it is does not matter to callers who have no permission.
            meta = Trap(app_label=Label("app"), model_name=Label("model"))
            one._queryset = lambda _, meta=meta: Trap(model=Trap(_meta=meta))
        allows, told = foreseen(one.has_permission, view.request, view)
        # Where it cannot be told, another one may still refuse.
        if told and not allows:
            return True
    return False


def floor(cls, arguments, actions):
    """The least that a view asks, where its classes are not the gateway's: found out by asking them."""
    refused = {method for method in METHODS if refuses_anonymous(cls, arguments, actions, method)}
    if refused == set(METHODS):
        return "authenticated"
    if refused >= set(METHODS) - set(SAFE) and not refused & set(SAFE):
        return "authenticated_or_read_only"
    return None


def permission(classes, least=None):
    """All of them have to hold; the project goes on asking those that are not carried."""
    rules = [rule(cls) for cls in classes]
    carried = [its for _, its in rules if its and its != "anyone"]
    told = bool(rules) and all(its for _, its in rules)
    if least and not told and not any(its in ("authenticated", "staff", least) for its in carried):
        carried.insert(0, least)
    for text, its in rules:
        if not its:
            note("information", "Permissions are asked by the project, behind the rule of their route", text)
    whole = {"all": carried} if len(carried) > 1 else carried[0] if carried else "anyone"
    return {"classes": [text for text, _ in rules], "gateway": whole}


def throttle(classes, scope):
    told = []
    for cls in classes:
        row, entry = known(cls, THROTTLES), None
        if row:
            name = scope if row[0] == "scope" else cls.scope
            rate = getattr(cls, "rate", None) or cls.THROTTLE_RATES.get(name)
            entry = rate and {row[0]: {"name": name, "rate": rate} if row[0] == "scope" else rate}
        else:
            note("information", "Throttles go on counting in the project", dotted(cls))
        told.append({"class": dotted(cls), "gateway": entry})
    return told


def rest_framework():
    from rest_framework.settings import DEFAULTS, api_settings

    progress("Django REST framework's settings")
    note_fixed({"EXCEPTION_HANDLER": api_settings.EXCEPTION_HANDLER}, DEFAULTS)
    first = dotted(api_settings.DEFAULT_RENDERER_CLASSES[0])
    if first != "rest_framework.renderers.JSONRenderer":
        note("differs", f"The gateway's refusals are JSON; the project's are written by {first}.")
    return {
        "permission": default_permission(),
        "throttle": throttle(api_settings.DEFAULT_THROTTLE_CLASSES, None),
        "rates": plain(api_settings.DEFAULT_THROTTLE_RATES),
        "num_proxies": api_settings.NUM_PROXIES,
        "one_renderer": len(api_settings.DEFAULT_RENDERER_CLASSES) == 1,
    }


# --- the URLconf -----------------------------------------------------------------------------------


def segments(pattern):
    """A pattern's text with `{name}` for what varies, and whether it is told to its end.

    What varies within a segment, or over several, is not told: the text ends with the segment before it.
    """
    from django.urls.converters import get_converters

    if hasattr(pattern, "_route"):
        text, names = "", re.split(r"<(?:([^<>:]+):)?([^<>]+)>", str(pattern._route))
        for literal, kind, name in zip(names[::3], [*names[1::3], None], [*names[2::3], None], strict=False):
            text += literal
            if name:
                text += variable(regex.parse(get_converters()[kind or "str"].regex), name)
        return text, True
    return of_regex(str(pattern._regex), pattern._is_endpoint)


def of_regex(expression, is_endpoint):
    """A regular expression as far as it says one text, or parts that hold no slash."""
    text, parsed = "", regex.parse(expression)
    flags = parsed.state.flags
    names = {number: name for name, number in parsed.state.groupdict.items()}
    starts = (regex.AT, regex.AT_BEGINNING), (regex.AT, regex.AT_BEGINNING_STRING)
    if not len(parsed) or parsed[0] not in starts:
        # Django searches: it begins anywhere.
        return "\0", False
    for token, value in parsed:
        if token is regex.AT:
            if value in (regex.AT_END, regex.AT_END_STRING):
                return text, True
        elif flags & re.IGNORECASE:
            return text + "\0", False
        elif token is regex.LITERAL:
            text += chr(value)
        elif token is regex.ANY:
            # `favicon.ico`, with a dot that was meant to be one.
            text += "."
        elif token is regex.SUBPATTERN and one_segment(value[-1]):
            text += variable(value[-1], names.get(value[0]) or "part")
        elif token is regex.MAX_REPEAT and value[:2] == (0, 1) and list(value[2]) == [(regex.LITERAL, ord("/"))]:
            text += "\3"
        else:
            return text + "\0", False
    return text, not is_endpoint


# What the gateway has types of variable segments for.
TYPES = {
    "[^/]+": "",
    "[0-9]+": ":int",
    "[-a-zA-Z0-9_]+": ":slug",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": ":uuid",
    "[^/.]+": ":label",
}


def variable(parsed, name):
    """The mark of a part: for any segment or a type of them, for some, or for what may be several."""
    if not one_segment(parsed):
        return "\0"
    name = re.sub(r"\W", "_", name)
    kind = next((kind for text, kind in TYPES.items() if str(regex.parse(text)) == str(parsed)), None)
    return f"\2{name}\2" if kind is None else f"\1{name}{kind}\1"


def one_segment(parsed):
    """Whether it matches one character at least, and no slash."""
    return parsed.getwidth()[0] > 0 and not any(may_be_slash(token, value) for token, value in parsed)


def may_be_slash(token, value):
    slash = ord("/")
    if token is regex.LITERAL:
        return value == slash
    if token is regex.NOT_LITERAL:
        return value != slash
    if token in (regex.MAX_REPEAT, regex.MIN_REPEAT):
        return any(may_be_slash(*part) for part in value[2])
    if token is regex.SUBPATTERN:
        return any(may_be_slash(*part) for part in value[-1])
    if token is regex.BRANCH:
        return any(may_be_slash(*part) for branch in value[1] for part in branch)
    if token is regex.IN:
        negated = value[0] == (regex.NEGATE, None)
        return in_set(value[1:] if negated else value, slash) != negated
    return True


def in_set(items, code):
    for kind, value in items:
        if kind is regex.LITERAL and value == code or kind is regex.RANGE and value[0] <= code <= value[1]:
            return True
        if kind is regex.CATEGORY and value not in (regex.CATEGORY_DIGIT, regex.CATEGORY_WORD, regex.CATEGORY_SPACE):
            return True
    return False


def leaves(patterns, before="", texts=("",), told=True):
    """Each view with its pattern, the texts that its path has, and whether they are told to the end; the admin as
    None."""
    for entry in patterns:
        here = before + str(entry.pattern)
        if hasattr(entry.pattern, "prefix_default_language"):
            parts = [(prefix, True) for prefix in languages_of(entry.pattern)]
        else:
            parts = [segments(entry.pattern)]
        for part, goes_to_end in parts:
            now = [text + part for text in texts] if told else texts
            to_end = told and goes_to_end
            if getattr(entry, "app_name", None) == "admin":
                yield here, now, False, None
            elif hasattr(entry, "url_patterns"):
                yield from leaves(entry.url_patterns, here, now, to_end)
            else:
                yield here, now, to_end, entry.callback


def languages_of(pattern):
    """The prefixes of `i18n_patterns`."""
    from django.conf import settings

    codes = [code for code, _ in settings.LANGUAGES]
    if not pattern.prefix_default_language:
        codes = [code for code in codes if code != settings.LANGUAGE_CODE]
        yield ""
    yield from (f"{code}/" for code in codes)


def paths(text, told):
    """The gateway's paths for a text with marks: exact ones, or a prefix that ends with the last whole segment. With
    each, whether the view takes all that the path says, and whether it takes less than a prefix says."""
    # Optional slashes: with, and without.
    both = [text.replace("\3", "/"), text.replace("\3", "")] if "\3" in text else [text]
    for text in both:
        stem = ""
        made, exact, loose = [], told, not told and "\0" not in text and not text.endswith("/")
        for segment in text.split("/"):
            if re.fullmatch("([\1\2])[^\1\2]+\\1", segment):
                made.append("{%s}" % segment.strip("\1\2"))
            elif re.search("[\0\1\2]", segment):
                # `<path:rest>` takes what is below, and a part of a segment, or another expression, some of it.
                loose = segment != "\0" or text.partition("\0")[2] != "" or not told
                exact = False
                stem = re.split("[\0\1\2]", segment)[0]
                made.append("")
                break
            else:
                # As a browser sends it; what routes read as a pattern is encoded too.
                made.append(quote(segment, safe="@,;=+!&'~"))
        path = "/".join(made)
        if not exact and not path.endswith("/"):
            path = path.rpartition("/")[0] + "/"
        yield {"path": ("=" if exact else "") + path, "certain": "\2" not in text and not loose, "loose": loose, "stem": stem}


def page(cls, arguments, name, at):
    """The gateway's page that does what this view does."""
    base = next((base for base in inspect.getmro(cls) if dotted(base) in PAGES), None)
    if base is None:
        return None
    found = known(cls, PAGES, arguments, adds=False)
    if dotted(base) == OBTAIN:
        fields = {} if found else answers_of_token(cls, arguments)
        same = fields is not None and TOKEN_FIELDS.setdefault("told", fields) == fields
        found = (PAGES[OBTAIN][0],) if same else None
    if why := found is None and f"is more than {dotted(base)}" or stays(cls, base, PAGES[dotted(base)][0], arguments, at):
        note("information", "Pages stay the project's", f"{name} ({why})")
        return None
    return found[0]["endpoint"]


@functools.lru_cache(None)
def answers_before(at):
    """Middleware of the project's own that does more with a request for a page than let it pass; or nothing."""
    from django.contrib.auth.models import AnonymousUser

    for path in own_middleware():
        for method in ("GET", "POST"):
            found = passed_through(path, AnonymousUser(), method, path_of(*at), Session(()), Fields(set()))
            if found is None or any(found[2]) or found[3] or re.search(UNSEEN + CLOCK, text_of(path)):
                return path
    return None


def answers_of_token(cls, arguments):
    """What a subclass of `ObtainAuthToken` says beside the token: by name, what of the user. Nothing if it does more than
    the one in DRF's documentation."""
    base = next(base for base in inspect.getmro(cls) if dotted(base) == OBTAIN)
    above = [c for c in inspect.getmro(cls) if c not in inspect.getmro(base)]
    own = {name for c in above for name in vars(c)} - ROUTE - {"__module__", "__qualname__", "__doc__", "__firstlineno__",
                                                               "__static_attributes__"}  # fmt: skip
    function = vars(cls).get("post")
    tree, body = definition(function)
    if len(above) != 1 or own != {"post"} or tree is None or not body or not set(arguments) <= ROUTE:
        return None
    done = [ast.unparse(line) for line in body[:-1]]
    if not any(len(done) == len(way) and all(map(re.fullmatch, way, done)) for way in OBTAINS):
        return None
    answer = body[-1].value if isinstance(body[-1], ast.Return) else None
    if not isinstance(answer, ast.Call) or ast.unparse(answer.func) != "Response" or len(answer.args) != 1 or answer.keywords:
        return None
    said = answer.args[0]
    real = is_drf_s(function, "Response", "rest_framework.response") and is_drf_s(function, "Token", OBTAIN_MODELS)
    if not real or not isinstance(said, ast.Dict):
        return None
    known, told = of_user(), {}
    for name, value in zip(said.keys, said.values, strict=True):
        told[getattr(name, "value", None)] = known.get(ast.unparse(value))
    if told.pop("token", None) != "token" or not all(isinstance(name, str) and field for name, field in told.items()):
        return None
    return {name: f"{{user.{field}}}" for name, field in told.items()}


def of_user():
    """What the view of DRF's documentation may say of a user, and what it is here."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import AbstractUser

    model, columns = get_user_model(), user_model()["columns"]
    known = {"token.key": "token", "user.pk": "id", "token.user_id": "id", "user.get_username()": "username"}
    known[f"user.{user_model()['key_field']}"] = "id"
    known[f"user.{model.USERNAME_FIELD}"] = "username"
    known |= {f"user.{name}": name for name in ("email", "is_staff", "is_superuser") if columns[name] == name}
    if getattr(model, "get_full_name", None) is AbstractUser.get_full_name:
        known["user.get_full_name()"] = "name"
    return known


def stays(cls, base, row, arguments, at):
    """Why a page is served by the project; or nothing."""
    serializer = getattr(cls, "_serializer_class", dotted(base))
    if not serializer.startswith(base.__module__.split(".")[0] + "."):
        return f"its serializer is {serializer}"
    if arguments.get("template_name") not in (None, "rest_framework/login.html"):
        return f"its template is {arguments['template_name']}"
    if not readable():
        return "the gateway cannot read its users"
    if first := answers_before(at):
        return f"{first} may answer before it"
    if row["takes_password"] and not passwords()["rows"]:
        return "the project judges passwords"
    if names := watched(tuple(row["fires"])):
        return f"its signals are watched by {', '.join(names)}"
    if why := leads_elsewhere(row["leads_to"]):
        return why
    if row["endpoint"].__class__ is dict and "session" in row["endpoint"]:
        if why := session_differs(at):
            return why
        if row["endpoint"]["session"].get("page") == "logout" and "get" in cls.http_method_names:
            return "it answers GET in this Django"
    return None


def leads_elsewhere(name):
    """Why a page does not lead to a path of this host; or nothing."""
    from django.conf import settings
    from django.shortcuts import resolve_url

    to = name and getattr(settings, name)
    # Without one, who logs out stays where they are.
    if not name or not to and name == "LOGOUT_REDIRECT_URL":
        return None
    try:
        resolved = resolve_url(to)
    except Exception:  # `NoReverseMatch`, or what the project's own URLconf says of being reversed.
        resolved = ""
    return None if is_of_this_host(resolved) else f"{name} is {to!r}, no path of this host"


# Decorators of Django's that leave a view what it is.
TRANSPARENT = re.compile(r"/django/views/decorators/(csrf|cache|debug|vary)\.py$")


def class_of(view):
    """The class of a view that is one, and not another function that was made to look like it."""
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    while cls and hasattr(view, "__wrapped__") and TRANSPARENT.search(view.__code__.co_filename):
        view = view.__wrapped__
    made = getattr(getattr(view, "__code__", None), "co_filename", "")
    return cls if made.endswith(("/django/views/generic/base.py", "/rest_framework/viewsets.py")) else None


def url(pattern, path, view, at):
    told = {"pattern": pattern, **path, "view": "django.contrib.admin", "kind": "admin", "methods": None}
    told["endpoint"] = None
    if view is None:
        return told
    cls = class_of(view)
    name = f"{cls.__module__}.{cls.__name__}" if cls else plain(view)
    told.update({"view": name, "kind": "django"})
    if cls:
        arguments = getattr(view, "initkwargs", None) or getattr(view, "view_initkwargs", {})
        actions = getattr(view, "actions", None)
        methods = set(actions or [word for word in cls.http_method_names if hasattr(cls, word)])
        methods |= {"options", "head"} if "get" in methods else {"options"}
        told["methods"] = sorted(method.upper() for method in methods)
        told["endpoint"] = page(cls, arguments, name, at)
        if hasattr(cls, "authentication_classes"):
            told.update(differences(cls, arguments, actions, name, at), kind="drf")
    return told


def dispatches(cls):
    """Whether a view's `dispatch` is that of `APIView`, or does nothing with a request before it calls that."""
    from rest_framework.views import APIView

    for owner in inspect.getmro(cls):
        if owner is APIView:
            return True
        if "dispatch" in vars(owner) and not calls_above(vars(owner)["dispatch"]):
            return False
    return False


def calls_above(function):
    """Whether a `dispatch` returns what the one above it does, or handles what that raises."""
    tree, body = definition(function)
    if tree is None or tree.decorator_list or len(tree.args.args) < 2:
        return False
    request = tree.args.args[1].arg
    for line in body:
        if isinstance(line, ast.Assign) and request not in {getattr(part, "id", None) for part in ast.walk(line)}:
            continue
        if isinstance(line, ast.Try) and line.body:
            line = line.body[0]
        call = line.value if isinstance(line, ast.Return) else None
        if not isinstance(call, ast.Call) or not call.args:
            return False
        return ast.unparse(call.func) == "super().dispatch" and getattr(call.args[0], "id", None) == request
    return False


# What a view may do otherwise about who is asking, or about what a refusal looks like.
HOOKS = (
    "initial", "perform_authentication", "check_permissions", "check_throttles", "permission_denied", "handle_exception",
    "initialize_request", "get_authenticate_header", "setup", "http_method_not_allowed",
)  # fmt: skip


def hooked(cls):
    """A method of `APIView` that a view has otherwise, but for one that first calls the one above it; or nothing."""
    from rest_framework.views import APIView
    from rest_framework.viewsets import ViewSetMixin

    for name in HOOKS:
        for owner in inspect.getmro(cls):
            # simplejwt's pages have a challenge of their own, which the gateway's have too.
            known = ("django.", "rest_framework.", "rest_framework_simplejwt.views")
            if owner in (APIView, ViewSetMixin) or owner.__module__.startswith(known):
                continue
            if name in vars(owner) and not calls_first(vars(owner)[name], name):
                return name
    return None


def calls_first(function, name):
    """Whether a method returns what the one above it does, or, of those that return nothing, calls that one whatever else
    it does: what is refused before or behind it, the project refuses."""
    tree, body = definition(function)
    if tree is None:
        return False
    if name == "handle_exception":
        return adds_headers(tree, body)
    for line in body:
        call = getattr(line, "value", None)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"super().{name}":
            return isinstance(line, ast.Return) or name in ("initial", "setup")
        notes = isinstance(line, ast.Assign) and all(ast.unparse(to).startswith("self.") for to in line.targets)
        if not notes and (name != "initial" or any(isinstance(node, ast.Return) for node in ast.walk(line))):
            return False
    return False


def adds_headers(tree, body):
    """Whether it returns the answer of the one above it, with more headers at most."""
    if not body or not isinstance(body[0], ast.Assign) or not isinstance(body[0].value, ast.Call):
        return False
    answer = ast.unparse(body[0].targets[0])
    if ast.unparse(body[0].value.func) != "super().handle_exception" or len(body[0].targets) != 1:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and getattr(node.value, "id", None) != answer:
            return False
        changed = [*getattr(node, "targets", []), getattr(node, "target", None)]
        if node is not body[0] and any(to is not None and ast.unparse(to).split("[")[0].startswith(answer) and
                                       not isinstance(to, ast.Subscript) for to in changed):  # fmt: skip
            return False
    return True


def differences(cls, arguments, actions, name, at):
    """What a DRF view says otherwise than the defaults."""
    from rest_framework.settings import api_settings
    from rest_framework.views import APIView

    def said(key):
        return arguments.get(key, getattr(cls, key, None))

    told = {}
    authenticators, permissions, throttles = (
        said(f"{key}_classes") for key in ("authentication", "permission", "throttle")
    )
    scope = said("throttle_scope")
    if not dispatches(cls) or hooked(cls):
        note("differs", "Views have a `dispatch`, or another method that judges requests, of their own, and are left to "
             "the project", name if not hooked(cls) else f"{name} ({hooked(cls)})")  # fmt: skip
        told["authentication"] = None
    elif cls.get_authenticators is not APIView.get_authenticators or not isinstance(authenticators, (list, tuple)):
        note("differs", "Views say for each request which classes authenticate it, and are left to the project", name)
        told["authentication"] = None
    else:
        told["authentication"] = authentication(tuple(authenticators), at)
        told["by_default"] = list(authenticators) == list(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    least = floor(cls, arguments, actions)
    own = cls.get_permissions is not APIView.get_permissions or not isinstance(permissions, (list, tuple))
    if own:
        note("information", "Permissions are asked by the project, behind the rule of their route", f"those of {name}")
    given = permission([] if own else permissions, least)
    if given["gateway"] != default_permission()["gateway"]:
        told["permission"] = given
    own = cls.get_throttles is not APIView.get_throttles or not isinstance(throttles, (list, tuple))
    if own:
        told["throttle"] = []
    elif list(throttles) != list(api_settings.DEFAULT_THROTTLE_CLASSES) or scope:
        told["throttle"] = throttle(throttles, scope)
    return told


def default_chain(urls):
    """What DEFAULT_AUTHENTICATION_CLASSES are at most paths. Views that are judged by that have no chain of their own."""
    from rest_framework.settings import api_settings

    chains = [json.dumps(row["authentication"]) for row in urls if row.pop("by_default", False)]
    most = Counter(chains).most_common(1)
    classes = tuple(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    chain = json.loads(most[0][0]) if most else authentication(classes, ("", False))
    for row in urls:
        if row.get("authentication") == chain:
            del row["authentication"]
    return chain


@functools.lru_cache(None)
def default_permission():
    from rest_framework.settings import api_settings
    from rest_framework.views import APIView

    return permission(api_settings.DEFAULT_PERMISSION_CLASSES, floor(APIView, {}, None))


def served_files():
    """The prefixes of files that anyone gets; none that would cover the application."""
    from django.conf import settings
    from django.urls import get_script_prefix

    for name in ("STATIC_URL", "MEDIA_URL"):
        path = getattr(settings, name) or ""
        if path.startswith("/") and not path.startswith("//") and not get_script_prefix().startswith(path):
            yield path


def lines():
    """What the project has to be told, and where its settings come from."""
    from django.apps import apps
    from django.conf import settings

    name = os.environ["DJANGO_SETTINGS_MODULE"]
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None) or ""
    own = {
        "MIDDLEWARE": [name for name in settings.MIDDLEWARE if not name.startswith("portcullis_django.")],
        "INSTALLED_APPS": [name for name in settings.INSTALLED_APPS if name != "portcullis_django"],
    }
    there = all(list(getattr(module, key, ())) == list(getattr(settings, key)) for key in own)
    told = {"module": name, "middleware": own["MIDDLEWARE"], "apps": own["INSTALLED_APPS"]}
    told["dynaconf"] = type(settings).__module__.startswith("dynaconf")
    told["layered"] = told["dynaconf"] or not there
    told["packaged"] = "site-packages" in file or "dist-packages" in file
    told["already"] = apps.is_installed("portcullis_django") or len(own["MIDDLEWARE"]) != len(settings.MIDDLEWARE)
    told["expects"] = {
        "AUTH_USER_MODEL": settings.AUTH_USER_MODEL,
        "AUTHENTICATION_BACKENDS": list(settings.AUTHENTICATION_BACKENDS),
        "MIDDLEWARE": own["MIDDLEWARE"],
        "SESSION_ENGINE": settings.SESSION_ENGINE,
    }
    if "rest_framework" in sys.modules:
        from rest_framework.settings import api_settings

        for name in ("DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES"):
            classes = getattr(api_settings, name)
            told["expects"][name] = [rule(each)[0] for each in classes]
    return told


def natively(told, credentials):
    """What the project answers to strangers at a few paths, two of each rule that refuses them. It is asked as any client
    may ask it, and its own database answers."""
    from django.conf import settings
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.test import Client

    usual, rules, answers = told["rest_framework"] or {}, Counter(), []
    hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
    client = Client(raise_request_exception=False, headers={"host": hosts[0] if hosts else "localhost"})

    def late(*_):
        raise Unforeseen

    closed, BaseDatabaseWrapper.connect = BaseDatabaseWrapper.connect, OPENING[0]
    signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    logging.disable()
    try:
        for row in told["urls"]:
            rule = json.dumps([{**usual, **row}.get(key) for key in ("authentication", "permission")])
            guarded = row["kind"] == "drf" and row.get("permission", usual.get("permission"))["gateway"] != "anyone"
            told_whole = row["path"].startswith("=") and "{" not in row["path"]
            if not guarded or not told_whole or "GET" not in row["methods"] or rules[rule] == 2 or rules.total() == 20:
                continue
            rules[rule] += 1
            bare = None
            for what, value in credentials:
                answer = client.get(row["path"][1:], headers={"authorization": value} if value else {})
                status, body = answer.status_code, getattr(answer, "content", None)
                bare = bare if value else (status, body)
                # Elsewhere, not found or broken: it says nothing of who may.
                if status < 300 or status in (401, 403):
                    apart = (status, body) != bare
                    answers.append({"path": row["path"][1:], "credential": what, "status": status, "told_apart": apart})
    except (Unforeseen, Exception):
        pass
    finally:
        signal.alarm(0)
        BaseDatabaseWrapper.connect = closed
    return answers


def document(credentials):
    from django.apps import apps
    from django.conf import settings
    from django.urls import get_resolver, get_script_prefix

    fallbacks = getattr(settings, "SECRET_KEY_FALLBACKS", ())
    told = {
        "format": 2,
        "settings_module": os.environ["DJANGO_SETTINGS_MODULE"],
        "database": database(),
        "user": user_model(),
        "secret_key": {"short": len(str(settings.SECRET_KEY).encode()) < SHORTEST, "fallbacks": len(fallbacks)},
        "passwords": passwords(),
        "installed": [name for app, name in TABLES["apps"].items() if apps.is_installed(app)],
        "settings": django_settings(),
    }
    progress("URLs")
    # A proxy in front takes the prefix away, or ASGI does.
    bases = tuple({"/": 0, get_script_prefix(): 0})
    views = list(leaves(get_resolver().url_patterns, texts=bases))
    told["rest_framework"] = rest_framework() if "rest_framework" in sys.modules else None
    told["urls"] = [
        url(pattern, path, view, (text, told_to_end))
        for pattern, texts, told_to_end, view in views for text in texts for path in paths(text, told_to_end)
    ]  # fmt: skip
    told["settings"]["TOKEN_FIELDS"] = TOKEN_FIELDS.get("told") or None
    if told["rest_framework"]:
        told["rest_framework"]["authentication"] = default_chain(told["urls"])
    told["open"] = list(served_files())
    told["lines"] = lines()
    told["packages"] = {name: dictionary(name, **row) for name, row in TABLES["dictionaries"].items()}
    told["languages"] = languages()
    told["answers"] = natively(told, credentials)
    told["notes"] = [{"group": group, "text": text, "about": about} for (group, text), about in notes.items()]
    return told


if __name__ == "__main__":
    # What the project prints while it loads is not part of the document.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        given = json.loads(sys.argv[1])
        load(given)
        json.dump(document(given["credentials"]), output, indent=2)
        # What the project has started may end the process without it.
        output.flush()
    except Exception as error:  # Whatever a project may do while it is imported.
        where = traceback.extract_tb(error.__traceback__)[-1]
        sys.exit(f"{type(error).__name__}: {error} ({where.filename}, line {where.lineno})")
