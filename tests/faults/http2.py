"""A client that says in HTTP/2 exactly what it wants to, and sees how each stream ends (RFC 9113)."""

import contextlib
import socket
import struct
import threading
from types import SimpleNamespace

from beside.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    STATUSES,
    frame,
    literal,
)
from faults.support import PATIENCE, Answer, until

PRIORITY, WINDOW, CONTINUATION = 2, 8, 9
TABLE_SIZE, INITIAL_WINDOW = 1, 4
WIDEST = 2**31 - 1


def block(path, authorization=None, method="GET", *more):
    fields = [(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path)]
    if authorization:
        fields.append(("authorization", authorization))
    return b"".join(literal(name, value) for name, value in [*fields, *more])


def window(stream, size):
    return frame(WINDOW, 0, stream, struct.pack(">I", size))


def reset(stream):
    return frame(RESET, 0, stream, struct.pack(">I", 8))


class Client:
    """One connection. `streams` has what has come on each; `over` is set when the gateway has ended it."""

    def __init__(self, port, settings=b"", reads=True):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.next = 1
        self.streams = {}
        self.over = threading.Event()
        # No table for the gateway's fields: none can come as "the same as before".
        settings += struct.pack(">HI", TABLE_SIZE, 0)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        self.reader = threading.Thread(target=self.read, daemon=True)
        if reads:
            self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # The reader still has it open.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def send(self, *frames):
        """False if the gateway has had enough."""
        try:
            self.socket.sendall(b"".join(frames))
        except OSError:
            self.over.set()
        return not self.over.is_set()

    def stream(self):
        number, self.next = self.next, self.next + 2
        self.streams[number] = SimpleNamespace(status=None, body=b"", end=None)
        return number

    def get(self, path, authorization=None):
        number = self.stream()
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, number, block(path, authorization)))
        return number

    def ended(self, number):
        """Its status, and whether it ended as a whole answer does."""
        stream = self.streams[number]
        until("the stream has ended", lambda: stream.end or self.over.is_set())
        return stream.status, stream.end == "whole"

    def answer(self, number):
        """All of it."""
        status, whole = self.ended(number)
        return Answer(status, {}, self.streams.pop(number).body, whole)

    def read(self):
        try:
            with self.socket.makefile("rb") as stream:
                while head := stream.read(9):
                    size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
                    number = int.from_bytes(head[5:], "big")
                    self.take(kind, flags, number, stream.read(size))
        except (OSError, ValueError):
            pass
        self.over.set()

    def take(self, kind, flags, number, payload):
        stream = self.streams.get(number)
        if kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))
        elif stream and kind == HEADERS:
            stream.status = status(payload)
        elif stream and kind == DATA:
            stream.body += payload
            self.send(window(0, len(payload) or 1))
        elif stream and kind == RESET:
            stream.end = "reset"
        if stream and kind in (HEADERS, DATA) and flags & END_STREAM:
            stream.end = "whole"


def status(payload):
    """It comes first, but the size of the table may be said before it."""
    at = next(place for place, octet in enumerate(payload) if octet & 0xE0 != 0x20)
    if payload[at] in STATUSES:
        return STATUSES[payload[at]]
    # A literal under the name that stands in the table for all statuses; without Huffman, or with it.
    length, value = payload[at + 1] & 0x7F, payload[at + 2 :]
    if payload[at + 1] & 0x80:
        return digits(value[:length])
    return int(value[:length])


def digits(coded):
    """RFC 7541, appendix B: the digits have 5 bits from 0 to 2, and 6 from 3 to 9."""
    bits = "".join(f"{octet:08b}" for octet in coded)
    number = ""
    while len(number) < 3:
        if int(bits[:5], 2) < 3:
            number, bits = number + str(int(bits[:5], 2)), bits[5:]
        else:
            number, bits = number + str(int(bits[:6], 2) - 22), bits[6:]
    return int(number)
