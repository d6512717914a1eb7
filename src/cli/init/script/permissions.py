# --- Permissions and throttles --------------------------------------------------------------------


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
        "json_alone": [dotted(cls) for cls in api_settings.DEFAULT_RENDERER_CLASSES] == ["rest_framework.renderers.JSONRenderer"],
    }
