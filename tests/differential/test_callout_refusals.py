"""What a class of a project's own says when it refuses, beside a text. Its service says it as DRF would: by status,
body, and `Retry-After`."""

from support import Case, Differential, get, head
from test_callout import both, said


def failures(path, refused):
    """An object or a list is the whole body."""
    return [
        Case("object", refused, said("dict", path)),
        Case("object where anyone may", refused, said("dict", f"{path}public/")),
        Case("object and a code, which nobody sees", refused, said("dict-with-code", path)),
        Case("object with a detail", refused, said("dict-with-detail", path)),
        Case("object with a detail at its end", refused, said("dict-with-detail-last", path)),
        Case("object in the detail", refused, said("dict-in-detail", path)),
        Case("object of other values than text", refused, said("dict-of-values", path)),
        Case("list", refused, said("list", path)),
        Case("list where anyone may", refused, said("list", f"{path}public/")),
        Case("HEAD, object", refused, said("dict", path, send=head)),
        Case("beyond ASCII, and what JavaScript takes for the end of a line", refused, said("beyond-ascii", path)),
    ]


class Failed(Differential):
    cases = failures("/custom/", 403)


class FailedWithChallenge(Differential):
    cases = failures("/challenged/", 401)


class Denied(Differential):
    """`PermissionDenied`, of DRF or of Django, before a permission was asked."""

    cases = [
        Case("denied", 403, said("denied")),
        Case("denied where anyone may", 403, said("denied", "/custom/public/")),
        Case("denied with a text", 403, said("denied-text")),
        Case("denied by Django's own", 403, said("denied-by-django")),
    ]


class DeniedWithChallenge(Differential):
    """403 whichever class is first: who it is was never the question."""

    cases = [
        Case("object", 403, said("denied-dict")),
        Case("denied", 403, said("denied", "/challenged/")),
        Case("denied where anyone may", 403, said("denied", "/challenged/public/")),
        Case("denied with a text", 403, said("denied-text", "/challenged/")),
        Case("denied with an object", 403, said("denied-dict", "/challenged/")),
        Case("denied by Django's own", 403, said("denied-by-django", "/challenged/")),
        Case("denied after a class with a challenge", 403, both("denied", "none", "/other-custom/")),
        Case("denied after a token's class", 403, get("/token-custom/", "X-Custom: denied")),
    ]


class Throttled(Differential):
    """`Throttled`, with the time to wait, which is rounded up."""

    def waits(self, word):
        def conversation(side):
            for path in ("/custom/", "/challenged/", "/custom/public/"):
                answer = side.send(said(word, path))
                side.notice("exactly", (answer.header("retry-after"), answer.body))

        self.compare(conversation)

    def test_three_seconds_and_a_bit(self):
        self.waits("throttled")

    def test_one_second(self):
        self.waits("throttled-for-one")

    def test_text_of_its_own(self):
        self.waits("throttled-text")

    def test_nobody_knows_how_long(self):
        self.waits("throttled-for-ever")
