"""As much of HTTP/2 as it takes to send one request as one wants it (RFC 9113)."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM, END_HEADERS, ACK = 1, 4, 1
# RFC 7541, appendix A.
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def length(size):
    """Of a string, without Huffman."""
    if size < 127:
        return bytes([size])
    rest, octets = size - 127, [127]
    while rest >= 128:
        octets.append(rest % 128 + 128)
        rest //= 128
    return bytes([*octets, rest])


def literal(name, value):
    name, value = name.encode(), value.encode()
    return b"\x10" + length(len(name)) + name + length(len(value)) + value


def send(proxy, fields):
    """Whether it was 200; false too if the stream or the connection was ended without an answer."""
    block = b"".join(literal(name, value) for name, value in fields)
    with proxy.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
        yes = False
        while head := stream.read(9):
            size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            payload = stream.read(size)
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            if kind == HEADERS:
                # The size of the table may be said first.
                first = next((octet for octet in payload if octet & 0xE0 != 0x20), 0)
                yes = STATUSES.get(first) == 200
            if kind in (RESET, GOAWAY) or kind in (HEADERS, DATA) and flags & END_STREAM:
                return yes
        return yes
