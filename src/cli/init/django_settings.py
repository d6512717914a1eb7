"""Tells `portcullis init` what a Django project does: one JSON document on the standard output.

    PROJECT'S-OWN-PYTHON - path/to/manage.py TABLES < django_settings.py

TABLES is what the gateway's packages know of theirs, as JSON:

    schemes          {class: {entry, attributes: {attribute: setting}, headers: [attribute], note}}
    pages            {class: {endpoint, drf}}
    apps             {name in INSTALLED_APPS: name}
    fixed            {setting: what the gateway does, whatever it says}
    settings         [name]
    dictionaries     {setting: {module, keys: [name]}}
    messages         [what the gateway says in words that have translations]

It imports settings, models and URLconf; it opens no database and runs no command. Of passwords and keys it says only
whether they are set. Durations are seconds, classes dotted names, and `gateway` is what gateway.yaml calls it, or null.

    format           1
    settings_module  text
    database         {vendor, name (SQLite's as a whole path), host, port, user, password_set, options: {name: value}}
    user             {model, table, username_field, pk: {column, type: integer|uuid|text|other}, password: column,
                     columns: {name: column}}, null where the model has none
    secret_key       {set, fallbacks: count}
    passwords        {preferred, accept: [name], iterations}: as in gateway.yaml; preferred, iterations may be null
    installed        [name] of the apps in TABLES
    settings         {name: value}: SESSION_*, CSRF_* and more in Django's names, with defaults, and those of TABLES
    rest_framework   {authentication: [{class, base, gateway}], permission: {classes: [text], gateway},
                      throttle: [{class, gateway}], rates: {scope: rate}, num_proxies}, or null
                     `base` is the class in TABLES that a class is or inherits from, or null
    packages         {setting: {name: value}} of the dictionaries in TABLES, with defaults; null where the package is not
                     in use. A key is {set, is_secret_key}, or itself if it is the PEM of a public one
    urls             [{pattern, path, view, kind, methods, csrf_exempt, endpoint}], several may have one path:
                     pattern   Django's
                     path      `=/exact/`; or `/prefix/`, up to the first part that varies; or null: no whole segment
                     kind      drf, django, or admin (all below it)
                     methods   [name], or null: all
                     endpoint  the gateway's page that does the same, or null
                     and where a DRF view differs from the defaults: authentication, permission, throttle, as above
    languages        {code: {messages: {English: text, or [of one, of many]}} or code}: the languages that refusals come in,
                     each translated by the project's own catalogues; null where they come in English
    not_carried      [sentence]
"""

import importlib
import inspect
import json
import os
import re
import runpy
import sys
from datetime import timedelta

try:
    from re import _parser as regex
except ImportError:
    import sre_parse as regex

TABLES = json.loads(sys.argv[2])

# Each row: what the gateway has for a class, and the attributes that a class may set and still be carried.
SCHEMES = {name: (row, row["attributes"]) for name, row in TABLES["schemes"].items()}
RULES = {
    "rest_framework.permissions.AllowAny": ("anyone", {}),
    "rest_framework.permissions.IsAuthenticated": ("authenticated", {}),
    "rest_framework.permissions.IsAdminUser": ("staff", {}),
    "rest_framework.permissions.IsAuthenticatedOrReadOnly": ("authenticated_or_read_only", {}),
}
THROTTLES = {
    "rest_framework.throttling.AnonRateThrottle": ("anon", {"rate", "scope"}),
    "rest_framework.throttling.UserRateThrottle": ("user", {"rate", "scope"}),
    "rest_framework.throttling.ScopedRateThrottle": ("scope", {}),
}
ROUTE = {"authentication_classes", "permission_classes", "throttle_classes", "throttle_scope"}
PAGES = {
    name: (row["endpoint"], ROUTE if row["drf"] else {"template_name"}) for name, row in TABLES["pages"].items()
}
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
CORS = {
    "CORS_ALLOWED_ORIGINS": [],
    "CORS_ALLOWED_ORIGIN_REGEXES": [],
    "CORS_ALLOW_ALL_ORIGINS": False,
    "CORS_ALLOW_CREDENTIALS": False,
    "CORS_ALLOW_METHODS": ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT"],
    "CORS_ALLOW_HEADERS": ["accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with"],
    "CORS_EXPOSE_HEADERS": [],
    "CORS_PREFLIGHT_MAX_AGE": 86400,
}
LOCALE = "django.middleware.locale.LocaleMiddleware"
THROTTLED = [f"Request was throttled. Expected available in {{wait}} {unit}." for unit in ("second", "seconds")]
not_carried = []


def note(sentence):
    if sentence not in not_carried:
        not_carried.append(sentence)


def note_fixed(values, defaults):
    for name, what in TABLES["fixed"].items():
        if name in values and plain(values[name]) != plain(defaults.get(name)):
            note(f"{name} is {plain(values[name])}, which is not carried: {what}.")


def load(manage):
    """Runs manage.py without its command: only it knows the settings module, the import path and the .env file."""
    sys.path.insert(0, os.path.dirname(manage))
    os.chdir(sys.path[0])
    try:
        import django
        from django.core.management import ManagementUtility
    except ImportError:
        sys.exit("this Python has no Django: name the project's own")
    ManagementUtility.execute = lambda self: None
    sys.argv = [manage, "check"]
    try:
        runpy.run_path(manage, run_name="__main__")
    except SystemExit:
        pass
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        sys.exit(manage + " sets no DJANGO_SETTINGS_MODULE: set it in the environment")
    django.setup()


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


def known(cls, table, also_set=()):
    """The table's row for a class, and the class that the row is of. None if it does more than set attributes."""
    for base in inspect.getmro(cls) if inspect.isclass(cls) else ():
        if dotted(base) in table:
            own = {name for c in inspect.getmro(cls) if c not in inspect.getmro(base) for name in vars(c)}
            own = {name for name in own if not name.startswith("__") or name in ("__init__", "__new__")}
            name, attributes = table[dotted(base)]
            return (name, attributes, base) if own.union(also_set) <= set(attributes) else None
    return None


# --- settings --------------------------------------------------------------------------------------


def database():
    from django.db import connections

    vendor, told = connections["default"].vendor, connections["default"].settings_dict
    if vendor not in ("postgresql", "mysql", "sqlite"):
        note(f"The database is {vendor}, which the gateway cannot read.")
    options = told.get("OPTIONS") or {}
    carried = {"sslmode", "sslrootcert", "service", "charset", "unix_socket", "options"} & set(options)
    for name in sorted(set(options) - carried):
        note(f"The database option {name} is not carried.")
    return {
        "vendor": vendor,
        "name": os.path.abspath(told["NAME"]) if vendor == "sqlite" else str(told["NAME"] or ""),
        "host": str(told["HOST"]),
        "port": str(told["PORT"]),
        "user": str(told["USER"] or ""),
        "password_set": bool(told["PASSWORD"]),
        "options": {name: plain(options[name]) for name in sorted(carried)},
    }


def user():
    from django.contrib.auth import get_user_model

    model = get_user_model()
    meta, pk = model._meta, model._meta.pk
    while pk.remote_field:
        pk = pk.target_field
    kinds = {"Auto": "integer", "Integer": "integer", "UUID": "uuid", "Char": "text", "Slug": "text", "Text": "text"}
    fields = {field.name: field for field in meta.concrete_fields}
    columns = {name: fields[name].column if name in fields else None for name in USER_COLUMNS}
    username = fields[model.USERNAME_FIELD]
    if username.column != username.name:
        note(f"The column of {meta.label}.{username.name} is {username.column}: its users cannot be read.")
    for name in ("password", *USER_COLUMNS):
        if name in fields and fields[name].model._meta.db_table != meta.db_table:
            note(f"{meta.label}.{name} is in the table of another model: its users cannot be read.")
        elif name not in fields:
            note_computed(model, name)
    many = {field.name: field for field in meta.many_to_many}
    for name in ("groups", "user_permissions"):
        table, member = f"{meta.db_table}_{name}", f"{meta.object_name.lower()}_id"
        there = name in many and (many[name].m2m_db_table(), many[name].m2m_column_name()) == (table, member)
        if not there:
            note(f"{meta.label} has no {name} in a table {table} with a column {member}: its users cannot be read.")
    return {
        "model": meta.label,
        "table": meta.db_table,
        "username_field": model.USERNAME_FIELD,
        "pk": {
            "column": meta.pk.column,
            "type": next((kind for word, kind in kinds.items() if word in pk.get_internal_type()), "other"),
        },
        "password": fields["password"].column if "password" in fields else None,
        "columns": columns,
    }


def note_computed(model, name):
    """What a model has in place of a column is not carried, unless it is what the gateway goes by."""
    instead = inspect.getattr_static(model, name, None)
    if name == "password":
        note(f"{model._meta.label} has no password: its users cannot be read.")
    elif instead is not None and instead is not USER_COLUMNS[name]:
        note(f"{model._meta.label}.{name} is no column: THE GATEWAY TAKES IT FOR {USER_COLUMNS[name]!r}.")


def passwords():
    from django.contrib.auth import hashers

    # The gateway's names are Django's.
    classes = [cls for cls in vars(hashers).values() if hasattr(cls, "algorithm")]
    table = {dotted(cls): (cls.algorithm, {"iterations"}) for cls in classes}
    rows = [(hasher, known(type(hasher), table)) for hasher in hashers.get_hashers()]
    for hasher, row in rows:
        if not row:
            note(f"Password hasher {dotted(type(hasher))} is not carried: its passwords cannot log in.")
    first, row = rows[0]
    accept = [row[0] for _, row in rows if row]
    return {"preferred": row and row[0], "accept": accept, "iterations": getattr(first, "iterations", None)}


def django_settings():
    from django.conf import global_settings, settings
    from django.shortcuts import resolve_url
    from django.urls import NoReverseMatch

    names = [name for name in dir(global_settings) if SETTINGS.fullmatch(name)]
    names += [name for name in TABLES["settings"] if hasattr(settings, name)]
    told = {name: plain(getattr(settings, name)) for name in names}
    note_fixed(told, vars(global_settings))
    for name in ("LOGIN_URL", "LOGIN_REDIRECT_URL", "LOGOUT_REDIRECT_URL"):
        try:
            told[name] = told[name] and resolve_url(getattr(settings, name))
        except NoReverseMatch:
            note(f"{name} is {told[name]}, which is the address of nothing.")
    engine = told["SESSION_ENGINE"]
    if not re.fullmatch(r"django\.contrib\.sessions\.backends\.(db|cached_db|signed_cookies)", engine):
        note(f"Session engine {engine} is not carried: db, cached_db and signed_cookies are.")
    for backend in told["AUTHENTICATION_BACKENDS"]:
        if backend != "django.contrib.auth.backends.ModelBackend":
            note(f"Authentication backend {backend} is not carried: users log in by the password in their row.")
    ended = sessions_that_end()
    for backend in ended:
        told["AUTHENTICATION_BACKENDS"].remove(backend)
        note(f"Sessions of {backend} end where no proxy names the user, as RemoteUserMiddleware ends them.")
    for middleware in told["MIDDLEWARE"]:
        if middleware == CORS_MIDDLEWARE:
            told.update({name: plain(getattr(settings, name, default)) for name, default in CORS.items()})
        elif not middleware.startswith("django.") or middleware.endswith(("LoginRequiredMiddleware", "UserMiddleware")):
            note(f"Middleware {middleware} acts behind the gateway only.")
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

    watches = [path for path in settings.MIDDLEWARE if is_a(path, RemoteUserMiddleware)]
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
        key = told[name]
        public = "BEGIN PUBLIC KEY" in str(key) and "PRIVATE" not in str(key)
        told[name] = str(key) if public else {"set": bool(key), "is_secret_key": key == settings.SECRET_KEY}
    return plain(told)


# --- Django REST framework's classes ---------------------------------------------------------------


def authentication(classes):
    told = []
    for cls in classes:
        row, base, entry = known(cls, SCHEMES), None, None
        if row:
            scheme, attributes, base = row
            headers, entry = scheme["headers"], scheme["entry"]
            changed = {
                ours: wire_name(getattr(cls, its)) if its in headers else getattr(cls, its)
                for its, ours in attributes.items() if its in headers or getattr(cls, its) != getattr(base, its)
            }  # fmt: skip
            entry = {entry: changed} if changed else entry
            if scheme["note"]:
                note(f"{dotted(cls)} {scheme['note']}")
        else:
            note(f"Authentication class {dotted(cls)} is not carried.")
        told.append({"class": dotted(cls), "base": base and dotted(base), "gateway": entry})
    return told


def wire_name(header):
    """Of a header, from its name in `request.META`."""
    return re.sub("^HTTP_", "", header).replace("_", "-").title()


def rule(cls):
    """A permission class, or several joined with &, | and ~: as text, and as a rule or None."""
    if not hasattr(cls, "operator_class"):
        row = known(cls, RULES)
        return dotted(cls), row and row[0]
    sign, key = {"AND": ("&", "all"), "OR": ("|", "any"), "NOT": ("~", "not")}[cls.operator_class.__name__]
    first, rule_of_first = rule(cls.op1_class)
    if key == "not":
        return sign + first, rule_of_first and {key: rule_of_first}
    second, rule_of_second = rule(cls.op2_class)
    both = {key: [rule_of_first, rule_of_second]} if rule_of_first and rule_of_second else None
    return f"({first} {sign} {second})", both


def permission(classes):
    """All of them have to hold; the project goes on asking those that are not carried."""
    rules = [rule(cls) for cls in classes]
    for text, its in rules:
        if not its:
            note(f"Permission {text} is not carried: the project goes on asking it.")
    carried = [its for _, its in rules if its]
    whole = {"all": carried} if len(carried) > 1 else carried[0] if carried else None if rules else "anyone"
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
            note(f"Throttle {dotted(cls)} is not carried: the project goes on counting.")
        told.append({"class": dotted(cls), "gateway": entry})
    return told


def rest_framework():
    from rest_framework.settings import DEFAULTS, api_settings

    note_fixed({"EXCEPTION_HANDLER": api_settings.EXCEPTION_HANDLER}, DEFAULTS)
    return {
        "authentication": authentication(api_settings.DEFAULT_AUTHENTICATION_CLASSES),
        "permission": permission(api_settings.DEFAULT_PERMISSION_CLASSES),
        "throttle": throttle(api_settings.DEFAULT_THROTTLE_CLASSES, None),
        "rates": plain(api_settings.DEFAULT_THROTTLE_RATES),
        "num_proxies": api_settings.NUM_PROXIES,
    }


# --- the URLconf -----------------------------------------------------------------------------------


def fixed_part(pattern):
    """What the path has under a pattern, and whether it goes on in ways that are not told."""
    if hasattr(pattern, "_route"):
        return str(pattern._route).split("<")[0], "<" in str(pattern._route)
    if not hasattr(pattern, "_regex"):
        note("Routes of i18n_patterns begin with a language and are not told apart.")
        return "", True
    text, parsed = "", regex.parse(str(pattern._regex))
    for token, value in parsed:
        if token is regex.AT:
            if value in (regex.AT_END, regex.AT_END_STRING):
                return text, False
        elif token is regex.LITERAL and not parsed.state.flags & re.IGNORECASE:
            text += chr(value)
        else:
            return text, True
    return text, pattern._is_endpoint


def leaves(patterns, before="", path="/", varies=False):
    """Each view with its pattern and path, and whether that path goes on; the admin as None."""
    for entry in patterns:
        part, goes_on = ("", True) if varies else fixed_part(entry.pattern)
        here = before + str(entry.pattern), path + part, goes_on
        if "format>" in str(entry.pattern):
            note("Paths that end in a format, such as items.json, have the rules of the whole file.")
        elif getattr(entry, "app_name", None) == "admin":
            yield here[0], here[1], True, None
        elif hasattr(entry, "url_patterns"):
            yield from leaves(entry.url_patterns, *here)
        else:
            yield here + (entry.callback,)


def page(cls, arguments, name):
    """The gateway's page that does what this view does."""
    base = next((base for base in inspect.getmro(cls) if dotted(base) in PAGES), None)
    if base is None:
        return None
    row, template = known(cls, PAGES, arguments), arguments.get("template_name")
    if not row:
        note(f"{name} is more than {dotted(base)}: it stays a page of the project.")
        return None
    serializer = getattr(cls, "_serializer_class", dotted(base))
    if not serializer.startswith(base.__module__.split(".")[0]):
        note(f"{name} has the serializer {serializer}: it stays a page of the project.")
        return None
    if template not in (None, "rest_framework/login.html"):
        note(f"The template {template} of {name} is not carried: `session.templates` may name a folder.")
    return row[0]


def url(pattern, path, goes_on, view):
    # Only whole segments tell one route from another.
    path = "=" + path if not goes_on else path if path.endswith("/") and path != "/" else None
    told = {"pattern": pattern, "path": path, "view": "django.contrib.admin", "kind": "admin", "methods": None}
    told.update({"csrf_exempt": False, "endpoint": None})
    if view is None:
        return told
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    name = f"{cls.__module__}.{cls.__name__}" if cls else plain(view)
    told.update({"view": name, "kind": "django", "csrf_exempt": getattr(view, "csrf_exempt", False)})
    if cls:
        arguments = getattr(view, "initkwargs", None) or getattr(view, "view_initkwargs", {})
        methods = set(getattr(view, "actions", None) or [word for word in cls.http_method_names if hasattr(cls, word)])
        methods |= {"options", "head"} if "get" in methods else {"options"}
        told["methods"] = sorted(method.upper() for method in methods)
        told["endpoint"] = page(cls, arguments, name)
        if hasattr(cls, "authentication_classes"):
            told.update(differences(cls, arguments, name), kind="drf")
    if path is None and {"authentication", "permission", "throttle"} & set(told):
        note(f"{pattern} ({name}) has rules and no path of its own: those of the whole file hold.")
    return told


def differences(cls, arguments, name):
    """What a DRF view says otherwise than the defaults."""
    from rest_framework.settings import api_settings
    from rest_framework.views import APIView

    authenticators, permissions, throttles, scope = (
        arguments.get(key, getattr(cls, key, None)) for key in
        ("authentication_classes", "permission_classes", "throttle_classes", "throttle_scope")
    )
    told = {}
    if list(authenticators) != list(api_settings.DEFAULT_AUTHENTICATION_CLASSES):
        told["authentication"] = authentication(authenticators)
    if list(permissions) != list(api_settings.DEFAULT_PERMISSION_CLASSES):
        told["permission"] = permission(permissions)
    if list(throttles) != list(api_settings.DEFAULT_THROTTLE_CLASSES) or scope:
        told["throttle"] = throttle(throttles, scope)
    for method in ("get_authenticators", "get_permissions", "get_throttles"):
        if getattr(cls, method) is not getattr(APIView, method):
            note(f"{name} has a {method} of its own, whose answer is not carried.")
            if method == "get_permissions":
                told["permission"] = {"classes": [], "gateway": None}
    return told


def document():
    from django.apps import apps
    from django.conf import settings
    from django.urls import get_resolver, get_script_prefix

    fallbacks = getattr(settings, "SECRET_KEY_FALLBACKS", ())
    told = {
        "format": 1,
        "settings_module": os.environ["DJANGO_SETTINGS_MODULE"],
        "database": database(),
        "user": user(),
        "secret_key": {"set": bool(settings.SECRET_KEY), "fallbacks": len(fallbacks)},
        "passwords": passwords(),
        "installed": [name for app, name in TABLES["apps"].items() if apps.is_installed(app)],
        "settings": django_settings(),
    }
    views = list(leaves(get_resolver().url_patterns, path=get_script_prefix()))
    told["rest_framework"] = rest_framework() if "rest_framework" in sys.modules else None
    told["urls"] = [url(*view) for view in views]
    told["packages"] = {name: dictionary(name, **row) for name, row in TABLES["dictionaries"].items()}
    told["languages"] = languages()
    told["not_carried"] = not_carried
    return told


if __name__ == "__main__":
    # What the project prints while it loads is not part of the document.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        load(os.path.abspath(sys.argv[1]))
        json.dump(document(), output, indent=2)
    except Exception as error:  # Whatever a project may do while it is imported.
        sys.exit(f"{type(error).__name__}: {error}")
