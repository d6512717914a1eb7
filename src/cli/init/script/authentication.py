# --- Authentication classes -----------------------------------------------------------------------


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
