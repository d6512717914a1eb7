# --- What a class overrides -----------------------------------------------------------------------


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
