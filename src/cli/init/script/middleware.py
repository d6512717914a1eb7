# --- Middleware, asked with requests that it must not look into -----------------------------------


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
