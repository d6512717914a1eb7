"""One application natively and behind the gateway, before and after the lines that `init` prints."""

import re
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field

from . import lines
from .application import Place
from .compare import differences
from .environments import Unavailable
from .gateway import Gateway
from .recipe import reason
from .talk import HOST, Talk
from .twins import twins

REFUSED = (401, 403)


@dataclass
class Behind:
    """What one pass behind the gateway came to."""

    when: str
    calls: dict = field(default_factory=dict)
    same: int = 0
    # A call, and what differs; with a reason, and without.
    named: list = field(default_factory=list)
    differing: list = field(default_factory=list)
    # Of Django REST framework's views; other views guard themselves in ways of their own.
    guarded: int = 0
    judged: int = 0
    refused: int = 0
    others: int = 0
    # Guarded calls that the application gets with nobody's judgement, those that it refuses apart.
    reached: list = field(default_factory=list)
    leaked: list = field(default_factory=list)
    # Those of the latter whose route, or class of credential, is carried: there are none.
    opened: list = field(default_factory=list)
    broken: list = field(default_factory=list)
    doctor: str = "not run"

    @property
    def share(self):
        return f"{100 * self.judged // self.guarded} %" if self.guarded else "-"


@dataclass
class Result:
    name: str
    calls: int = 0
    notes: int = 0
    file: tuple = (0, 0)
    passes: list = field(default_factory=list)
    broken: list = field(default_factory=list)

    @property
    def good(self):
        if self.broken or any(behind.broken or behind.differing or behind.opened for behind in self.passes):
            return False
        # Before the lines, the project believes anybody whom it believed without a gateway.
        return self.passes[-1].doctor.startswith("0")


def trial(recipe, number, binary, work):
    result = Result(recipe.name)
    try:
        place = Place(recipe, number)
        lines.take_back(place)
        place.seed()
        # Twice, since some of it differs from time to time.
        native, again = (natively(place, work / f"native-{turn}.log") for turn in (1, 2))
        result.calls = len(native)
        own = place.paths_of_drf({bare(call) for call in native.values()})
        said, gateway = prepare(result, place, binary, work)
        for when in ("before", "after"):
            behind = Behind(when)
            result.passes.append(behind)
            through(behind, place, gateway, work, when == "after" and said)
            if not behind.broken:
                judge(behind, recipe, native, again, own)
                behind.opened = [name for name in behind.leaked if gateway.carries(behind.calls[name])]
    except Unavailable:
        raise
    except Exception:
        result.broken.append(traceback.format_exc(limit=-2))
    return result


def conversation(place, port, watch=None):
    talk = Talk(place, port, watch)
    place.recipe.calls(talk)
    twins(talk, list(talk.calls.values()))
    return talk.calls


def natively(place, log):
    place.reset()
    server = place.start(log)
    try:
        return conversation(place, place.port)
    finally:
        server.stop()


def prepare(result, place, binary, work):
    place.reset()
    gateway = Gateway(work, place, binary)
    said = gateway.init()
    (work / "init.txt").write_text(said)
    text = gateway.file.read_text()
    # What stands above the first step.
    result.notes = len(re.findall(r"^  .", said.partition("\n1. ")[0], re.MULTILINE))
    result.file = len(text.splitlines()), len(text)
    return said, gateway


def through(behind, place, gateway, work, said):
    """The conversation through the gateway; `said` is what `init` printed, where its lines are put in."""
    status, told = gateway.printed("check")
    if status:
        behind.broken.append(f"check: {told.strip()}")
        return
    place.reset()
    try:
        with lines.applied(said, place, work) if said else nullcontext({}) as more:
            converse(behind, place, gateway, work, more)
    except Exception:
        behind.broken.append(traceback.format_exc(limit=-2))


def converse(behind, place, gateway, work, more):
    server = place.start(work / f"{behind.when}.log", **more)
    try:
        gateway.run(work / f"gateway-{behind.when}.log")

        def watch(call):
            line = gateway.line(call)
            call.user, call.scheme = line["user"], line["scheme"]
            call.arrived = (call.method, call.path) in server.requests()

        behind.calls = conversation(place, gateway.port, watch)
        # The applications know their host alone, and `init` does not.
        status, told = gateway.printed("doctor", "--host", HOST)
        (work / f"doctor-{behind.when}.txt").write_text(told)
        behind.doctor = f"{status}: {told.strip().splitlines()[-1]}"
    finally:
        gateway.stop()
        server.stop()


def judge(behind, recipe, native, again, own):
    for name, call in native.items():
        now = behind.calls[name]
        told = differences(call.answer, again[name].answer, now.answer)
        if now.scheme != "-" and now.client.user and now.user != now.client.user:
            told.append(f"user {now.client.user} → {now.user}")
        reasons = [reason(recipe, f"{now.answer.status} {name}: {line}") for line in told]
        same = all(reasons)
        if not told:
            behind.same += 1
        elif same:
            behind.named += [(name, f"{line}\n        because {why}") for line, why in zip(told, reasons)]
        else:
            behind.differing += [(name, line) for line in told]
        if is_guarded(call, native) and bare(call) not in own:
            behind.others += 1
        elif is_guarded(call, native):
            passed = now.arrived and now.scheme == "-"
            behind.guarded += 1
            # Judging otherwise than the application is no judging.
            behind.judged += same and not passed
            refused = call.answer.status in REFUSED and not call.client.user
            behind.refused += refused
            if passed:
                (behind.leaked if refused else behind.reached).append(name)


def bare(call):
    return call.path.partition("?")[0]


def is_guarded(call, calls):
    """Whether its view turns away whoever shows no credential. A form without its CSRF token is another matter."""
    twin = calls.get(f"no credential: {call.method} {call.path}", call)
    return twin.answer.status in REFUSED and "CSRF" not in twin.answer.text
