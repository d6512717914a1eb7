"""Bodies without a length, before servers that read by the length: WSGI says how much there is to read, or nothing."""

import http.client
import subprocess
import tempfile
import threading
import unittest
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

from clients.gateway import Gateway, free_port
from clients.servers import gunicorn, uvicorn

YAML = """
permission: anyone
authentication: []
buffer: true
routes:
  - {{ path: /, upstream: "{url}" }}
  - {{ path: /small/, buffer: 16B, upstream: "{url}" }}
  - {{ path: /streamed/, buffer: false, upstream: "{url}" }}
"""
# As Django reads a body.
APPLICATION = """
def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(str(len(body)))))])
    return [str(len(body)).encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    length, more = 0, True
    while more:
        message = await receive()
        length, more = length + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})
"""
SENT = b"1234567"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def setUpModule():
    global folder
    holder = tempfile.TemporaryDirectory(prefix="portcullis-bodies.")
    unittest.addModuleCleanup(holder.cleanup)
    folder = Path(holder.name)
    (folder / "counts.py").write_text(APPLICATION)


def before(test, url):
    gateway = Gateway(YAML.format(url=url), "", [])
    test.addClassCleanup(gateway.stop)
    return gateway


class Bodies:
    """With a gateway before one kind of server."""

    def chunked(self, path, body=SENT):
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        self.addCleanup(connection.close)
        connection.request("POST", path, iter([body[:3], body[3:]]), encode_chunked=True, headers={
            "Transfer-Encoding": "chunked",
        })  # fmt: skip
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def http2(self, path, *more):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "-X", "POST", "--data-binary", "@-", "-H", "Content-Length:", *more,
             self.gateway.url + path],
            input=SENT, capture_output=True,
        )  # fmt: skip
        return done.stdout.decode()

    def test_chunked(self):
        self.assertEqual(self.chunked("/"), (200, "7"))

    def test_http2(self):
        self.assertEqual(self.http2("/"), "7")

    def test_empty(self):
        self.assertEqual(self.chunked("/", b""), (200, "0"))

    def test_longer_than_is_kept(self):
        """Attack: a body without an end fills the gateway's memory."""
        self.assertEqual(self.chunked("/small/", b"x" * 16), (200, "16"))
        status, said = self.chunked("/small/", b"x" * 17)
        self.assertEqual(status, 413, said)
        # What has a length is not kept, and may be longer.
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port)
        self.addCleanup(connection.close)
        connection.request("POST", "/small/", b"x" * 17)
        self.assertEqual(connection.getresponse().read(), b"17")


class Wsgiref(Bodies, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        names = {}
        exec(APPLICATION, names)
        server = make_server("127.0.0.1", 0, names["application"], handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.gateway = before(cls, f"http://127.0.0.1:{server.server_port}")


class Gunicorn(Bodies, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        server = gunicorn(folder, free_port(), "counts:application")
        cls.addClassCleanup(server.stop)
        cls.gateway = before(cls, server.url)

    def test_as_it_comes(self):
        self.assertEqual(self.chunked("/streamed/"), (200, "0"))


class Uvicorn(Bodies, unittest.TestCase):
    """ASGI has bodies in parts."""

    def test_as_it_comes(self):
        self.assertEqual(self.chunked("/streamed/"), (200, "7"))

    @classmethod
    def setUpClass(cls):
        server = uvicorn(folder, free_port(), "counts:asgi")
        cls.addClassCleanup(server.stop)
        cls.gateway = before(cls, server.url)


if __name__ == "__main__":
    unittest.main()
