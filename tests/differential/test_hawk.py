"""hawkrest: requests signed by mohawk, and answers that mohawk verifies."""

import time

from mohawk import Sender
from project.settings import HAWK_CREDENTIALS, MIDDLEWARE

from support import Case, Differential, Differs, Variant, basic, get, head, options, post, refusal

SIGNS = Variant({"MIDDLEWARE": [*MIDDLEWARE, "hawkrest.middleware.HawkResponseMiddleware"]})
PATH = "/hawk/"
FAILED = "Hawk authentication failed"
MALFORMED = f"{FAILED}: The request header was malformed"


def sender(path=PATH, method="GET", id="hawk-id", key=None, host="http://testserver", body="", kind="", **more):
    credentials = HAWK_CREDENTIALS.get(id, {"id": id, "key": "another-throwaway-key", "algorithm": "sha256"})
    if key:
        credentials = {**credentials, "key": key}
    return Sender(credentials, host + path, method, content=body, content_type=kind, **more)


def signed(path=PATH, edit=lambda header: header, asks=get, sent=None, **more):
    """A new nonce and time for each side."""
    return lambda: asks(sent or path, f"Authorization: {edit(sender(path, **more).request_header)}")


def posted(body=b'{"a":1}', kind="application/json", sent=None, edit=lambda header: header, signs=None, **more):
    def request():
        header = sender(method="POST", body=body, kind=signs or kind, **more).request_header
        return post(PATH, f"Content-Type: {kind}", f"Authorization: {edit(header)}", data=sent or body)

    return request


def without(name):
    return lambda header: ", ".join(part for part in header.split(", ") if f'{name}="' not in part).replace(
        "Hawk, ", "Hawk "
    )


def broken(detail):
    allow = "GET, POST, HEAD, OPTIONS"
    return refusal("hawkrest breaks down on it", 401, detail, "Hawk", vary=["accept"], allow=allow)


BROKEN = broken(MALFORMED)
CLOCK = Differs("The challenge says the gateway's time, by which a client corrects its own", www_authenticate="Hawk, and the time")


class Hawk(Differential):
    variant = SIGNS
    explains = True
    cases = [
        Case("signed", 200, signed()),
        Case("sha512", 200, signed(id="hawk-512")),
        Case("sha1", 200, signed(id="hawk-sha1")),
        Case("query", 200, signed("/hawk/?b=1&a=2")),
        Case("HEAD", 200, signed(method="HEAD", asks=head)),
        Case("OPTIONS", 200, signed(method="OPTIONS", asks=options)),
        Case("POST", 200, posted()),
        Case("POST, parameters of the content type", 200, posted(kind="application/json; charset=utf-8")),
        Case("POST, empty", 200, posted(b"", "")),
        Case("ext, app and dlg", 200, signed(ext="more", app="app", dlg="dlg")),
        Case("no blanks after commas", 200, signed(edit=lambda header: header.replace(", ", ","))),
        Case("no hash, no body", 200, signed(edit=lambda header: header, always_hash_content=False, body=None, kind=None)),
        Case("a few seconds off", 200, lambda: signed(_timestamp=int(time.time()) + 20)()),
        Case("nothing", 401, get(PATH)),
        Case("another scheme", 401, get(PATH, "Authorization: Token x")),
        Case("another case", 401, signed(edit=lambda header: header.replace("Hawk", "hawk"))),
        Case("the word alone", 401, get(PATH, "Authorization: Hawk")),
        Case("anyone may, nothing", 200, get("/hawk/public/")),
        Case("anyone may, bad", 401, get("/hawk/public/", "Authorization: Hawk x")),
        Case("rubbish", 401, get(PATH, "Authorization: Hawk rubbish")),
        Case("repeated attribute", 401, signed(edit=lambda header: f'{header}, id="hawk-id"')),
        Case("unknown attribute", 401, signed(edit=lambda header: f'{header}, foo="bar"')),
        Case("too long", 401, signed(edit=lambda header: f'{header}, tsm="{"x" * 4096}"')),
        Case("unknown id", 401, signed(id="hawk-unknown")),
        Case("another key", 401, signed(key="another-throwaway-key")),
        Case("another path", 401, signed("/hawk/other/", sent=PATH)),
        Case("another query", 401, signed("/hawk/?a=1", sent="/hawk/?a=2")),
        Case("another method", 401, signed(method="DELETE")),
        Case("another host", 401, signed(host="http://other.example")),
        Case("another port", 401, signed(host="http://testserver:8080")),
        Case("another protocol", 401, signed(host="https://testserver")),
        Case("no mac", 401, signed(edit=without("mac"))),
        Case("time that is none", 500, signed(_timestamp="soon"), broken(FAILED)),
        Case("another body", 401, posted(sent=b'{"a":2}')),
        Case("another content type", 401, posted(signs="text/plain")),
        Case("body without a hash", 401, posted(edit=without("hash"))),
        Case("no ts", 500, signed(edit=without("ts")), BROKEN),
        Case("no id", 500, signed(edit=without("id")), BROKEN),
        Case("no nonce", 500, signed(edit=without("nonce")), BROKEN),
        Case("hawk before basic, basic sent", 200, get("/hawk-basic/", basic("alice", "correct horse"))),
        Case("hawk before basic, nothing", 401, get("/hawk-basic/")),
        Case("basic before hawk, nothing", 401, get("/basic-hawk/")),
        Case("basic before hawk, bad", 401, get("/basic-hawk/", "Authorization: Hawk x")),
    ]

    def test_sent_again(self):
        """Attack: what was read on the way is sent a second time, before its time is over."""
        timestamp, nonce = int(time.time()), "sent-again"

        def conversation(side):
            request = get(PATH, f"Authorization: {sender(_timestamp=timestamp, nonce=nonce).request_header}")
            for status in 200, 401:
                assert side.send(request).status == status

        self.compare(conversation, remembered=[1])

    def test_a_body_that_is_sent_again_with_a_new_nonce(self):
        """Attack: the nonce is not signed, or it is not remembered with its key."""

        def conversation(side):
            client = sender(nonce="first")
            for nonce, status in (("first", 200), ("second", 401)):
                header = client.request_header.replace('nonce="first"', f'nonce="{nonce}"')
                assert side.send(get(PATH, f"Authorization: {header}")).status == status

        self.compare(conversation)

    def test_refusals_are_signed_for_the_client_s_clock(self):
        """The server's time in the challenge, with its MAC: the client can believe it."""

        def conversation(side):
            client = sender(_timestamp=int(time.time()) - 600)
            answer = side.send(get(PATH, f"Authorization: {client.request_header}"))
            assert answer.status == 401 and "expired" in answer.body.decode()

        self.compare(conversation, CLOCK)

    def test_the_answer_is_signed(self):
        def conversation(side):
            client = sender()
            answer = side.send(get(PATH, f"Authorization: {client.request_header}"))
            # The gateway streams the upstream's answer, and has signed what it knew before.
            untrusted = {"accept_untrusted_content": True} if side.is_gateway else {}
            content = None if side.is_gateway else answer.body
            kind = None if side.is_gateway else answer.header("content-type")
            client.accept_response(answer.header("server-authorization"), content=content, content_type=kind, **untrusted)

        self.compare(conversation)
