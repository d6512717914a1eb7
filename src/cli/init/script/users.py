# --- The database, its users, and who judges them -------------------------------------------------


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
    if "get_queryset" in own and manager is not type(objects) and not is_plain(model._default_manager):
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
    # No request is admitted for it: who is staff by a method of the model's own is not staff here.
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


# By these a manager, or a class of querysets, could hide rows.
HIDING = {"get", "filter", "all", "exclude", "iterator", "_chain", "_clone", "_fetch_all", "_filter_or_exclude"}


def is_plain(manager):
    """Whether a manager finds all rows."""
    from django.db.models import Manager, QuerySet

    kind = type(manager)
    if kind.get_queryset is Manager.get_queryset:
        queries = getattr(kind, "_queryset_class", QuerySet)
    else:
        queries = only_makes(kind.get_queryset)
    return queries is not None and not HIDING & names_of_its_own(kind) and not HIDING & names_of_its_own(queries)


def names_of_its_own(kind):
    return {name for c in inspect.getmro(kind) if not c.__module__.startswith("django.") for name in vars(c)}


def only_makes(function):
    """The class of querysets that a `get_queryset` returns as `Kind(self.model, using=self._db)`, if it does no more:
    what asks a setting, a thread or a request may filter when it is served."""
    from django.db.models import QuerySet

    _, body = definition(function)
    made = re.fullmatch(r"return (\w+)\(self\.model, (?:using=)?self\._db\)", "\n".join(map(ast.unparse, body)))
    kind = made and function.__globals__.get(made[1])
    return kind if inspect.isclass(kind) and issubclass(kind, QuerySet) else None


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
