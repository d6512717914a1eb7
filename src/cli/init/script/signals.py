# --- Signals --------------------------------------------------------------------------------------


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
