"""HTTP/1.1 as bytes: a case says exactly what is sent, and sees exactly what is answered."""

import base64
import json
import socket
from dataclasses import dataclass
from urllib.parse import urlencode

PATIENCE = 20
FORM = "application/x-www-form-urlencoded"


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        return ", ".join(self.all(name)) or None

    @property
    def cookies(self):
        """Names and values of what it sets."""
        return dict(line.partition(";")[0].split("=", 1) for line in self.all("set-cookie"))

    @property
    def json(self):
        return json.loads(self.body)


# --- requests --------------------------------------------------------------------------------------


def raw(method, target, *headers, body=b""):
    """The bytes of a request. A header is one line, as text or as bytes."""
    lines = [f"{method} {target} HTTP/1.1", "Host: testserver", "Connection: close", *headers]
    if any(to_bytes(line).lower().startswith(b"host:") for line in headers):
        lines.remove("Host: testserver")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return b"".join(to_bytes(line) + b"\r\n" for line in lines) + b"\r\n" + body


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def get(target, *headers):
    return raw("GET", target, *headers)


def head(target, *headers):
    return raw("HEAD", target, *headers)


def options(target, *headers):
    return raw("OPTIONS", target, *headers)


def post(target, *headers, data=None, method="POST"):
    """`data` as it is, or as JSON."""
    if data is None:
        return raw(method, target, *headers)
    body = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    if not any(to_bytes(line).lower().startswith(b"content-type") for line in headers):
        headers = ("Content-Type: application/json", *headers)
    return raw(method, target, *headers, body=body)


def put(target, *headers, data=None):
    return post(target, *headers, data=data, method="PUT")


def patch(target, *headers, data=None):
    return post(target, *headers, data=data, method="PATCH")


def delete(target, *headers, data=None):
    return post(target, *headers, data=data, method="DELETE")


def form(target, *headers, method="POST", **fields):
    return post(target, f"Content-Type: {FORM}", *headers, data=urlencode(fields).encode(), method=method)


def multipart(target, *headers, method="POST", **fields):
    parts = [f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    body = "".join([*parts, "--B--\r\n"]).encode()
    return post(target, "Content-Type: multipart/form-data; boundary=B", *headers, data=body, method=method)


# --- header lines ----------------------------------------------------------------------------------


def basic(username, password, charset="utf-8"):
    return "Authorization: Basic " + base64.b64encode(f"{username}:{password}".encode(charset)).decode()


def bearer(token):
    return f"Authorization: Bearer {token}"


def cookies(**pairs):
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in pairs.items())


# --- answers ---------------------------------------------------------------------------------------


def exchange(port, request):
    """Sends it on a connection of its own and reads to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as wire:
        wire.sendall(request)
        received = b""
        while chunk := wire.recv(65536):
            received += chunk
    return parse(received)


def parse(received):
    head, separator, body = received.partition(b"\r\n\r\n")
    if not separator:
        raise ConnectionError(f"no answer: {received[:200]!r}")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
    answer = Answer(int(first.split()[1]), headers, body)
    if answer.header("transfer-encoding") == "chunked":
        answer.body = unchunked(body)
    return answer


def unchunked(body):
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        whole += body[:length]
        body = body[length + 2 :]
        if length == 0:
            break
    return whole
