# --- Views and pages ------------------------------------------------------------------------------


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
    renderers = said("renderer_classes")
    if isinstance(renderers, (list, tuple)) and renderers and renderers[0] is not api_settings.DEFAULT_RENDERER_CLASSES[0]:
        if dotted(renderers[0]) != "rest_framework.renderers.JSONRenderer":
            note("differs", "Views refuse in a format of their own, where the gateway's refusals are JSON", name)
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
