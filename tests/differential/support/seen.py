"""An answer, made comparable by written rules. What a rule takes away is no part of the promise; the rest is."""

import json
import re
import time
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser

from django.contrib.sessions.serializers import JSONSerializer
from django.core import signing

from . import tokens

SIGNED_COOKIES = "django.contrib.sessions.backends.signed_cookies"
# Of the server and its connection, not of the application.
OF_THE_SERVER = {"date", "server", "connection", "transfer-encoding", "keep-alive", "content-length"}


def seen(answer, sent):
    """What two answers must have in common. `sent` is the request: what it holds is not random."""
    headers = {}
    for name, value in answer.headers:
        if name.lower() not in OF_THE_SERVER | {"set-cookie"}:
            headers.setdefault(name.lower(), []).append(value)
    result = {
        "status": answer.status,
        "content_type": only(headers.pop("content-type", None)),
        "www_authenticate": challenge(only(headers.pop("www-authenticate", None))),
        "allow": only(headers.pop("allow", None)),
        "vary": vary(headers.pop("vary", [])),
        "location": only(headers.pop("location", None)),
        "set_cookie": [set_cookie(value, sent) for value in answer.all("set-cookie")],
        "headers": {name: header(name, only(values)) for name, values in sorted(headers.items())},
        "body": body(answer, sent),
    }
    if sent.startswith(b"HEAD ") or answer.status == 204:
        html = (result["content_type"] or "").startswith("text/html")
        result["length"] = "of a page" if html else answer.header("content-length")
    return result


def challenge(value):
    """hawkrest's, or one that says the time, which is never the same."""
    return "Hawk, and the time" if value and value.startswith("Hawk ts=") else value


def header(name, value):
    if name == "server-authorization":
        # Its tests verify it.
        return "signed"
    if name == "retry-after":
        return seconds(value)
    if name == "expires":
        return f"now + {round((parsedate_to_datetime(value).timestamp() - time.time()) / 60)} min"
    return value


def seconds(value):
    """A wait is over a little sooner for the later question."""
    return f"<{round(int(value) / 30) * 30} s>"


def only(values):
    return values[0] if values and len(values) == 1 else values


def vary(values):
    """A set of names (RFC 9110, section 12.5.5)."""
    return sorted({name.strip().lower() for value in values for name in value.split(",")})


# --- Set-Cookie ------------------------------------------------------------------------------------

TEN_YEARS = 315_360_000


def set_cookie(line, sent):
    """Name, value and attributes in their order; what is random as its form, dates as their distance."""
    pair, *attributes = line.split("; ")
    name, value = pair.split("=", 1)
    if value and value != '""' and value.encode() in sent:
        value = "<as sent>"
    elif re.fullmatch(r"\.?[\w-]+:[\w-]+:[\w-]{43}", value):
        value = signed_session(value)
    elif value != '""':
        value = re.sub(r"[a-z0-9]{32}|[A-Za-z0-9]{32}", form, value)
    age = next((int(each[8:]) for each in attributes if each.lower().startswith("max-age=")), None)
    return (name, value, [moments(each, age) for each in attributes])


def signed_session(value):
    """The session that the cookie is."""
    try:
        data = signing.loads(value, salt=SIGNED_COOKIES, serializer=JSONSerializer)
    except signing.BadSignature:
        return value
    return "<signed> " + str(sorted(data.items()))


def form(match):
    return "<32 of a-z 0-9>" if match[0] == match[0].lower() else "<32 of A-Z a-z 0-9>"


def moments(attribute, age):
    name, _, value = attribute.partition("=")
    if name.lower() == "max-age" and age > TEN_YEARS:
        # Until a date, which is a second nearer for the later answer.
        return f"{name}=<until minute {round((time.time() + age) / 60)}>"
    if name.lower() != "expires" or age is None:
        return attribute
    distance = parsedate_to_datetime(value).timestamp() - time.time()
    # A date is in form and in agreement with Max-Age, or stays what it is.
    ok = re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", value) and abs(distance - age) < 60
    return f"{name}=<now + Max-Age>" if ok else attribute


# --- bodies ----------------------------------------------------------------------------------------

# Keys of seed.py: who already has one gets no other.
KNOWN = {"0123456789abcdef0123456789abcdef01234567", "b" * 40}
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def body(answer, sent):
    kind = (answer.header("content-type") or "").partition(";")[0]
    if kind == "text/html":
        return page(answer.body.decode(), sent.split()[1].decode())
    text = answer.body.decode("utf-8", "backslashreplace")
    if kind != "application/json":
        return text
    text = re.sub(r'("csrf_token":")\w{64}"', r'\1<masked>"', text)
    # Users of seed.py have the first five; the next ones are as they come.
    text = re.sub(r'("id":)([6-9]|\d\d+),', r"\1<new>,", text)
    text = JWT.sub(lambda match: json.dumps(tokens.claims(match[0])), text)
    text = re.sub(r"(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{40})(?![0-9a-f])", hexadecimal, text)
    text = re.sub(r"(?<=Expected available in )\d+(?= second)", lambda match: seconds(match[0]), text)
    return MOMENT.sub(moment, text)


def hexadecimal(match):
    return match[0] if match[0] in KNOWN else f"<{len(match[0])} hexadecimal digits>"


def moment(match):
    """A date and time as its distance from now in minutes, and how it is written."""
    text = match[0].replace("Z", "+00:00")
    distance = tokens.datetime_of(text) - time.time()
    digits = len(match[1] or ".") - 1
    return f"<now + {round(distance / 60)} min, {digits} digits, {match[2] or 'no zone'}>"


class Page(HTMLParser):
    """The promise of an HTML page: its form and what it says about failure. Mark-up is each side's own."""

    def __init__(self):
        super().__init__()
        self.inputs = []
        self.forms = []
        self.text = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.forms.append((attributes.get("method", "get").lower(), attributes.get("action")))
        if tag == "input" and attributes.get("type") != "submit" and attributes.get("name"):
            self.inputs.append((attributes["name"], attributes.get("type", "text"), attributes.get("value") or ""))

    def handle_data(self, data):
        self.text.append(data.strip())


# With what `USERNAME_FIELD` is called.
LOG_IN_AGAIN = re.compile(r"Please enter a correct [\w ]+ and password\. Note that both fields may be case-sensitive\.")
SAID = [
    "This field is required.",
    "Null characters are not allowed.",
    "Server Error (500)",
    "Bad Request",
    "Not Found",
]


def page(text, target):
    parser = Page()
    parser.feed(text)
    said = " ".join(filter(None, parser.text))
    # Without an action a form goes where its page came from.
    forms = [(method, (action or target).partition("?")[0]) for method, action in parser.forms]
    inputs = [
        (name, kind, "<masked>" if name == "csrfmiddlewaretoken" else value) for name, kind, value in parser.inputs
    ]
    says = LOG_IN_AGAIN.findall(said) + [phrase for phrase in SAID if phrase in said]
    return {"forms": forms, "inputs": inputs, "says": says}


def csrf_token(answer):
    """The masked secret in a page's form."""
    parser = Page()
    parser.feed(answer.body.decode())
    return next((value for name, _, value in parser.inputs if name == "csrfmiddlewaretoken"), "")
