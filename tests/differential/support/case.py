"""A case: one conversation, held with Django and with the gateway. What they answer, and what they leave in the
database, is the same, or the case says in which points it is not, and why."""

import re
import sys
import unittest
from dataclasses import dataclass

from . import database, explained, http, seen
from .differences import CAREFUL, RULES, Differs
from .environment import DEFAULT
from .servers import Variant


@dataclass(frozen=True)
class Case:
    """A case of one request: Django's status, and the bytes or what makes them once the database has been put back."""

    name: str
    status: int
    request: object
    differs: Differs | None = None


class Side:
    """One of the two, and what it has said in this conversation."""

    def __init__(self, name, port, explained=None):
        self.name = name
        self.record = []
        self.sent = []
        self._port = port
        # Asked before each request is sent.
        self._explained = explained

    @property
    def is_gateway(self):
        return self.name == "gateway"

    def send(self, request):
        self.sent.append(request)
        if self._explained:
            answer = self._explained.ask(request, lambda: http.exchange(self._port, request))
        else:
            answer = http.exchange(self._port, request)
        self.record.append(seen.seen(answer, request))
        return answer

    def notice(self, what, value):
        """A fact that is compared like an answer."""
        self.sent.append(what.encode())
        self.record.append({what: value})


class Differential(unittest.TestCase):
    """Cases under one set of settings. `cases` become a test each; others call `compare`."""

    variant = Variant()
    # Puts back the rows that conversations start from, and reads what they leave.
    tables = database
    database = DEFAULT
    # The database with whose cases they run, if not their own.
    part = None
    cases: list[Case] = []
    rules = RULES
    # Whether `portcullis explain` is asked about each request before the gateway has it, and has to be right.
    explains = False
    # All differences on purpose, for the summary.
    differences: list[tuple[str, str]] = []
    maxDiff = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for case in cls.__dict__.get("cases", []):
            name = "test_" + re.sub(r"\W+", "_", case.name).strip("_")
            if hasattr(cls, name):
                raise TypeError(f"{cls.__name__}: two cases are called {case.name!r}")
            setattr(cls, name, test_of(case))

    def compare(self, conversation, differs=None, remembered=()):
        """Holds `conversation(side)` with each. `differs` is for the last answer, or a dict by their number;
        `remembered` are the numbers of requests that `explain` cannot know about, for the gateway's memory decides."""
        pair = self.variant.on(self.database)
        self.tables.use(self.database)
        told = []
        asked = None
        if self.explains or explained.always():
            asked = explained.Explained(pair.gateway, self.tables, remembered)
        for name, process, asks in [("Django", pair.native, None), ("gateway", pair.gateway, asked)]:
            self.tables.reset()
            side = Side(name, process.port, asks)
            conversation(side)
            told.append([*side.record, {"database": self.tables.footprint()}])
        django, gateway = told
        self.assertEqual(len(django), len(gateway), "the conversations are not equally long")
        sent = [*side.sent, b"what is left in the database"]
        for request, answer in zip(sent, django, strict=True):
            self.apply_rules(request, answer)
        for request, theirs, ours in zip(sent, django, gateway, strict=True):
            self.apply_careful(request, theirs, ours)
        if isinstance(differs, Differs):
            differs = {len(django) - 2: differs}
        for number, difference in (differs or {}).items():
            self.apply(difference, number, django)
        if found := [line for each in zip(sent, django, gateway, strict=True) for line in unlike(*each)]:
            self.fail("\n".join(found))
        if asked and asked.differences:
            self.fail("\n".join(asked.differences))

    def apply_rules(self, request, answer):
        for rule in self.rules if "status" in answer else []:
            parts = rule.parts(request, answer)
            if any(answer[part] != expected for part, expected in parts.items()):
                self.differences.append((self.id(), rule.why))
                answer.update(parts)

    def apply_careful(self, request, django, gateway):
        django, gateway = (answer.get("headers", {}) for answer in (django, gateway))
        for name, (why, expected) in CAREFUL.items():
            if name in gateway and name not in django and expected in gateway[name]:
                self.differences.append((self.id(), why))
                django[name] = gateway[name]

    def apply(self, difference, number, django):
        """Puts the expected parts into Django's answer. If that changes nothing, there is no difference."""
        self.differences.append((self.id(), difference.why))
        before = [dict(answer) for answer in django]
        for part, expected in difference.parts.items():
            if part == "database":
                # What only the database can say is asked now.
                expected = expected() if callable(expected) else expected
                django[-1][part] = django[-1][part] | expected
            else:
                self.assertIn(part, django[number])
                django[number][part] = expected
        self.assertNotEqual(before, django, "Django answers like that too")


def unlike(request, django, gateway):
    """Lines that say in what two answers differ."""
    parts = [part for part in {**django, **gateway} if django.get(part) != gateway.get(part)]
    lines = [line for part in parts for line in unlike_part(part, django.get(part), gateway.get(part))]
    return [f"\n{request.decode('latin-1').rstrip()}", *lines] if lines else []


def unlike_part(part, theirs, ours):
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [f"  {part} {line.strip()}" for line in unlike(b"", theirs, ours) if line.strip()]
    return [f"  {part}: Django {theirs!r}\n  {' ' * len(part)}  gateway {ours!r}"]


def test_of(case):
    def test(self):
        def conversation(side):
            answer = side.send(case.request() if callable(case.request) else case.request)
            if not side.is_gateway:
                self.assertEqual(answer.status, case.status, f"Django's own answer: {answer.body[:400]!r}")

        self.compare(conversation, case.differs)

    test.__doc__ = case.name
    return test


def on_every_database(cls):
    """The same cases on the two other databases."""
    for name in ("mariadb", "sqlite"):
        derived = type(f"{cls.__name__}On{name.title()}", (cls,), {"database": name, "cases": []})
        derived.__module__ = cls.__module__
        setattr(sys.modules[cls.__module__], derived.__name__, derived)
    return cls
