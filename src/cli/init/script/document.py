# --- The document ---------------------------------------------------------------------------------


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


def serves_by_other_settings():
    """The settings module that the file of WSGI_APPLICATION or ASGI_APPLICATION names, where it is another one than
    this; manage.py often names those of development. What is installed is served by a command of its own."""
    from django.conf import settings

    file = getattr(sys.modules.get(os.environ["DJANGO_SETTINGS_MODULE"]), "__file__", None) or ""
    if "site-packages" in file or "dist-packages" in file:
        return
    for setting in ("WSGI_APPLICATION", "ASGI_APPLICATION"):
        module = (getattr(settings, setting, None) or "").rpartition(".")[0]
        try:
            with open(importlib.util.find_spec(module).origin, encoding="utf-8") as file:
                text = file.read()
        except Exception:  # It is nowhere, or is none that Python has as a file.
            continue
        named = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""", text)
        if named and named[1] != os.environ["DJANGO_SETTINGS_MODULE"]:
            note("do", f"{module} names the settings {named[1]}, and this file is made from others: set "
                 f"DJANGO_SETTINGS_MODULE={named[1]} and run `init` again, if the project is served by it")  # fmt: skip
            return


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
        "secret_key": {"short": is_short(settings.SECRET_KEY), "short_fallbacks": [is_short(key) for key in fallbacks]},
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
    serves_by_other_settings()
    version = getattr(sys.modules.get("rest_framework_simplejwt"), "__version__", None)
    if re.match(r"([0-4]\.|5\.[0-4](\.|$))", version or ""):
        note("differs", f"djangorestframework-simplejwt {version} words some refusals otherwise than 5.5, as which the gateway "
             "speaks")  # fmt: skip
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
