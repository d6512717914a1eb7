"""A gateway of its own for each test module, and an upstream that says who the gateway says is calling."""

import html
import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = os.environ.get("PORTCULLIS_TEST_BINARY", TARGET / "debug/portcullis")

# What the users of the tests have.
PASSWORD = "correct horse"

# Few rounds, so that tests are quick.
COMMON = """
listen: 127.0.0.1:{port}
store: {{ url: "sqlite://store.db", create: true }}
secret_key: throwaway-secret-key-for-tests-0123456789
passwords: {{ iterations: 1000 }}
"""


class Gateway:
    """The binary with this configuration, where {upstream} is the address of an upstream, and with these users."""

    def __init__(self, yaml, upstream, users):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-client.")
        self.file = Path(self.folder.name, "gateway.yaml")
        self.file.write_text(COMMON.format(port=self.port) + yaml.replace("{upstream}", upstream))
        for name in users:
            self.run("user", "create", name, "--password-stdin", given=PASSWORD + "\n")
        self.log = Path(self.folder.name, "log").open("w+")
        command = [BINARY, "run", "--config", self.file]
        self.process = subprocess.Popen(command, cwd=self.folder.name, stdout=self.log, stderr=subprocess.STDOUT)
        self.wait()

    def run(self, *command, given=""):
        done = subprocess.run(
            [BINARY, *command, "--config", self.file], cwd=self.folder.name, input=given, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def wait(self):
        for _ in range(2000):
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)
        self.stop()
        raise RuntimeError("the gateway has not begun to listen")

    def stop(self):
        ended = self.process.poll()
        self.process.terminate()
        self.process.wait()
        self.log.seek(0)
        said = self.log.read()
        self.log.close()
        self.folder.cleanup()
        if ended is not None or self.process.returncode != 0 or "panicked" in said:
            raise RuntimeError(f"the gateway ended with {self.process.returncode}:\n{said}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Application</title>
<h1>Hello, <span id="user">{user}</span></h1>
<form method="post" action="/accounts/logout/">
<input type="hidden" name="csrfmiddlewaretoken" value="{token}"><button>Log out</button>
</form>
"""


class Application(BaseHTTPRequestHandler):
    """A page with a button to log out; JSON below /api/, with the permissions that CORS asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        user = self.headers.get("Remote-User", "")
        if self.path.startswith("/api/"):
            self.answer("application/json", json.dumps({"user": user, "method": self.command}))
        else:
            cookies = dict(pair.strip().split("=", 1) for pair in self.headers.get("Cookie", "=").split(";"))
            token = html.escape(cookies.get("csrftoken", ""))
            self.answer("text/html; charset=utf-8", PAGE.format(user=html.escape(user), token=token))

    do_POST = do_PUT = do_DELETE = do_OPTIONS = do_GET

    def answer(self, kind, text):
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.headers.get("Origin"):
            self.send_header("Access-Control-Allow-Origin", self.headers["Origin"])
            self.send_header("Access-Control-Allow-Credentials", "true")
            self.send_header("Access-Control-Allow-Headers", "authorization, content-type, x-csrftoken")
            self.send_header("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Upstream:
    """Serves until it is stopped."""

    def __init__(self, handler=Application):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
