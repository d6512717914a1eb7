# --- Settings -------------------------------------------------------------------------------------


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
        return f"is shorter than {SHORTEST} characters, so it can be guessed" if is_short(value) else None
    if private is None:
        return f"is no private key in PEM without a passphrase, as {algorithm} needs one"
    kind = type(private).__name__.removeprefix("_")
    if not kind.startswith({"RS": "RSA", "PS": "RSA", "ES": "EllipticCurve"}.get(algorithm[:2], "Ed")):
        return f"is a key of another kind than {algorithm} takes"
    if kind.startswith("RSA") and private.key_size < 2048:
        return f"is an RSA key of {private.key_size} bits, which can be broken"
    return None


def is_short(secret):
    return len(str(secret).encode()) < SHORTEST


def is_of_this_host(path):
    return str(path or "").startswith("/") and not path.startswith("//")
