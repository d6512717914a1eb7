# --- Paths ----------------------------------------------------------------------------------------


def segments(pattern):
    """A pattern's text with `{name}` for what varies, and whether it is told to its end.

    What varies within a segment, or over several, is not told: the text ends with the segment before it.
    """
    from django.urls.converters import get_converters

    if hasattr(pattern, "_route"):
        text, names = "", re.split(r"<(?:([^<>:]+):)?([^<>]+)>", str(pattern._route))
        for literal, kind, name in zip(names[::3], [*names[1::3], None], [*names[2::3], None], strict=False):
            text += literal
            if name:
                text += variable(regex.parse(get_converters()[kind or "str"].regex), name)
        return text, True
    return of_regex(str(pattern._regex), pattern._is_endpoint)


def of_regex(expression, is_endpoint):
    """A regular expression as far as it says one text, or parts that hold no slash."""
    text, parsed = "", regex.parse(expression)
    flags = parsed.state.flags
    names = {number: name for name, number in parsed.state.groupdict.items()}
    starts = (regex.AT, regex.AT_BEGINNING), (regex.AT, regex.AT_BEGINNING_STRING)
    if not len(parsed) or parsed[0] not in starts:
        # Django searches: it begins anywhere.
        return "\0", False
    for token, value in parsed:
        if token is regex.AT:
            if value in (regex.AT_END, regex.AT_END_STRING):
                return text, True
        elif flags & re.IGNORECASE:
            return text + "\0", False
        elif token is regex.LITERAL:
            text += chr(value)
        elif token is regex.ANY:
            # `favicon.ico`, with a dot that was meant to be one.
            text += "."
        elif token is regex.SUBPATTERN and one_segment(value[-1]):
            text += variable(value[-1], names.get(value[0]) or "part")
        elif token is regex.MAX_REPEAT and value[:2] == (0, 1) and list(value[2]) == [(regex.LITERAL, ord("/"))]:
            text += "\3"
        else:
            return text + "\0", False
    return text, not is_endpoint


# What the gateway has types of variable segments for.
TYPES = {
    "[^/]+": "",
    "[0-9]+": ":int",
    "[-a-zA-Z0-9_]+": ":slug",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": ":uuid",
    "[^/.]+": ":label",
}


def variable(parsed, name):
    """The mark of a part: for any segment or a type of them, for some, or for what may be several."""
    if not one_segment(parsed):
        return beginning(parsed) + "\0"
    name = re.sub(r"\W", "_", name)
    kind = next((kind for text, kind in TYPES.items() if str(regex.parse(text)) == str(parsed)), None)
    return f"\2{name}\2" if kind is None else f"\1{name}{kind}\1"


def beginning(parsed):
    """The text that it begins with, as `.` of DRF's format suffixes."""
    text = ""
    for token, value in parsed:
        if token is not regex.LITERAL or value == ord("/"):
            break
        text += chr(value)
    return text


def one_segment(parsed):
    """Whether it matches one character at least, and no slash."""
    return parsed.getwidth()[0] > 0 and not any(may_be_slash(token, value) for token, value in parsed)


def may_be_slash(token, value):
    slash = ord("/")
    if token is regex.LITERAL:
        return value == slash
    if token is regex.NOT_LITERAL:
        return value != slash
    if token in (regex.MAX_REPEAT, regex.MIN_REPEAT):
        return any(may_be_slash(*part) for part in value[2])
    if token is regex.SUBPATTERN:
        return any(may_be_slash(*part) for part in value[-1])
    if token is regex.BRANCH:
        return any(may_be_slash(*part) for branch in value[1] for part in branch)
    if token is regex.IN:
        negated = value[0] == (regex.NEGATE, None)
        return in_set(value[1:] if negated else value, slash) != negated
    return True


def in_set(items, code):
    for kind, value in items:
        if kind is regex.LITERAL and value == code or kind is regex.RANGE and value[0] <= code <= value[1]:
            return True
        if kind is regex.CATEGORY and value not in (regex.CATEGORY_DIGIT, regex.CATEGORY_WORD, regex.CATEGORY_SPACE):
            return True
    return False


def leaves(patterns, before="", texts=("",), told=True):
    """Each view with its pattern, the texts that its path has, and whether they are told to the end; the admin as
    None."""
    for entry in patterns:
        here = before + str(entry.pattern)
        if hasattr(entry.pattern, "prefix_default_language"):
            parts = [(prefix, True) for prefix in languages_of(entry.pattern)]
        else:
            parts = [segments(entry.pattern)]
        for part, goes_to_end in parts:
            now = [text + part for text in texts] if told else texts
            to_end = told and goes_to_end
            if getattr(entry, "app_name", None) == "admin":
                yield here, now, False, None
            elif hasattr(entry, "url_patterns"):
                yield from leaves(entry.url_patterns, here, now, to_end)
            else:
                yield here, now, to_end, entry.callback


def languages_of(pattern):
    """The prefixes of `i18n_patterns`."""
    from django.conf import settings

    note("differs", "Below `i18n_patterns` Django refuses in the language of the path, the gateway in that of the cookie or "
         "of Accept-Language")  # fmt: skip
    codes = [code for code, _ in settings.LANGUAGES]
    if not pattern.prefix_default_language:
        codes = [code for code in codes if code != settings.LANGUAGE_CODE]
        yield ""
    yield from (f"{code}/" for code in codes)


def paths(text, told):
    """The gateway's paths for a text with marks: exact ones, or a prefix that ends with the last whole segment. With
    each, whether the view takes all that the path says, and whether it takes less than a prefix says."""
    # Optional slashes: with, and without.
    both = [text.replace("\3", "/"), text.replace("\3", "")] if "\3" in text else [text]
    for text in both:
        stem = ""
        made, exact, loose = [], told, not told and "\0" not in text and not text.endswith("/")
        for segment in text.split("/"):
            if re.fullmatch("([\1\2])[^\1\2]+\\1", segment):
                made.append("{%s}" % segment.strip("\1\2"))
            elif re.search("[\0\1\2]", segment):
                # `<path:rest>` takes what is below, and a part of a segment, or another expression, some of it.
                loose = segment != "\0" or text.partition("\0")[2] != "" or not told
                exact = False
                stem = re.split("[\0\1\2]", segment)[0]
                made.append("")
                break
            else:
                # As a browser sends it; what routes read as a pattern is encoded too.
                made.append(quote(segment, safe="@,;=+!&'~"))
        path = "/".join(made)
        if not exact and not path.endswith("/"):
            path = path.rpartition("/")[0] + "/"
        yield {"path": ("=" if exact else "") + path, "certain": "\2" not in text and not loose, "loose": loose, "stem": stem}
