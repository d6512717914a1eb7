"""What `portcullis explain` says of a request before it is sent, beside what the gateway then decides of it."""

import json
import os
import re
import subprocess
import time

from . import http
from .environment import BINARY

# `tests/run differential --explain` asks about every request; else the classes that say so do.
ALWAYS = "PORTCULLIS_TEST_EXPLAIN"
# Who has to wait is in the memory of the gateway. `explain` is another process, which has counted nothing.
WAITS = 429
PAGE = "\n  answered   by the page"
UPSTREAM = "\nThe upstream would see:"
# What the upstream does not answer is not decided, nor what a page refuses.
UNANSWERED = {502, 503, 504}
WORDS = {
    "not_attempted": "not its credential",
    "left": "its credential, which the upstream judges",
    "ended": "a session that is over",
    "authenticated": "a good credential",
    "wait": "has to wait: too many failures",
}
# As Rust's `escape_debug` writes for a terminal what may not be printed there.
ESCAPED = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
# At the end of an access line.
ID = re.compile(rb"us ([0-9a-f]{16})$", re.MULTILINE)
PATIENCE = 10


def always():
    return ALWAYS in os.environ


class Explained:
    """The requests to one gateway in one conversation."""

    def __init__(self, gateway, tables, remembered=()):
        self._gateway = gateway
        # What may not change while it is asked.
        self._tables = tables
        # By number, the requests that the gateway's memory decides, such as of proofs that were used up.
        self._remembered = remembered
        self._number = -1
        # In what the two have differed.
        self.differences = []

    def ask(self, request, send):
        """Asks, lets it be sent, and notes in what `explain` was wrong. The answer to it."""
        self._number += 1
        arguments = command(request)
        before = self._tables.footprint()
        text = problem = None
        if arguments:
            head, body = arguments
            asked = [BINARY, "--config", self._gateway.config, "explain", *head]
            done = subprocess.run(asked, input=body, capture_output=True, env=self._gateway.environment, check=False)
            text = done.stdout.decode() if done.returncode == 0 else None
            problem = done.stderr.decode()
        if self._tables.footprint() != before:
            self._note(request, "it has changed the database", text)
        known = self._ids()
        answer = send()
        if text is None:
            # What it cannot read is what no parser of HTTP takes; it is not asked what is no text.
            if arguments and answer.status != 400:
                self._note(request, f"the gateway answers {answer.status}", problem)
            return answer
        told = self._told(known, answer)
        if told is None:
            if answer.status not in (400, 431):
                self._note(request, f"no access line of a {answer.status}", text)
        elif answer.status != WAITS and self._number not in self._remembered:
            self._compare(request, text, told)
        return answer

    def _compare(self, request, text, told):
        theirs, ours = decided(text), happened(told, text)
        if theirs["refused"] is None and ours["refused"] is None and ours["admitted"] is None:
            # It is not kept that an anonymous caller was admitted, only that nothing was refused.
            theirs["admitted"] = theirs["admitted"] or None
        for part in theirs:
            if theirs[part] != ours[part]:
                self._note(request, f"{part}: explain {theirs[part]!r}, the gateway {ours[part]!r}", text)

    def _note(self, request, what, text):
        self.differences.append(f"\n{request.decode('latin-1').rstrip()}\nexplain: {what}\n{text or ''}")

    def _ids(self):
        return ID.findall(self._gateway.log.read_bytes())

    def _told(self, known, answer):
        """What `explain --request` is told of it. A request that no parser takes has no access line."""
        end = time.monotonic() + (0.2 if answer.status in (400, 431) else PATIENCE)
        while len(ids := self._ids()) == len(known):
            if time.monotonic() > end:
                return None
            time.sleep(0.002)
        found = http.exchange(self._gateway.admin, http.get(f"/requests/{ids[len(known)].decode()}"))
        return json.loads(found.body)


def command(request):
    """The words of the command, and the body; nothing for what cannot be words."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    try:
        method, target, _ = first.decode().split(" ")
    except ValueError:
        return None
    if b"\0" in head:
        return None
    words = [method, target, *(b"--header=" + line for line in lines)]
    return (words + ["--body=@/dev/stdin"] * bool(body), body)


def decided(text):
    told = text.partition("\n\n")[0].splitlines()[1:]
    lines = [(line[:13].strip(), ESCAPED.sub(unescaped, line[13:])) for line in told]
    named = dict(line for line in lines if line[0] != "scheme")
    admitted = named.get("admitted")
    refused = named.get("refused")
    user = admitted and re.match("as (.*), by ", admitted)
    return {
        "route": named.get("route"),
        "schemes": [value for key, value in lines if key == "scheme"],
        "rule": named.get("rule"),
        "admitted": (user[1] if user else "") if admitted else None,
        "refused": refused and int(refused[:3]),
    }


def unescaped(found):
    number, character = found.groups()
    return chr(int(number, 16)) if number else CONTROLS.get(character, character)


def happened(told, text):
    user = told["user"] and told["user"][0]
    beyond = PAGE in text or (UPSTREAM in text and told["status"] in UNANSWERED)
    return {
        "route": told["route"],
        "schemes": [f"{name}: {said(result, user)}" for name, result in told["schemes"]],
        "rule": told["rule"],
        "admitted": user,
        "refused": told["status"] if told["refused"] and not beyond else None,
    }


def said(result, user):
    if result == "authenticated" and user is not None:
        return f"is {user}"
    return WORDS[result] if isinstance(result, str) else f"refused: {result['failed']}"
