"""What a test starts beside the gateway, and how it ends it."""

import signal
import socket
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

from clients.gateway import BINARY, ROOT

BIN = Path(sys.executable).parent

# Nothing else of the caller's: what is set there must not be what makes it work.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}


class Server:
    """A process that answers on a port until it is stopped."""

    def __init__(self, command, port, folder, **environment):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(folder, f"{port}.log").open("w+")
        self.process = subprocess.Popen(
            command, cwd=folder, env={**ENVIRONMENT, **environment}, stdout=self.log, stderr=subprocess.STDOUT
        )
        for _ in range(2000):
            if self.process.poll() is not None:
                break
            if answers(port):
                return
            time.sleep(0.01)
        raise RuntimeError(f"{command} does not answer:\n{self.stop()}")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        # At once, where gunicorn would wait for connections that are merely kept.
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        said = self.said()
        self.log.close()
        return said


def answers(port):
    """Whatever it answers. That somebody listens is not enough: gunicorn does before the project is loaded."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/")
        connection.getresponse()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def gunicorn(folder, port, application, *options, **environment):
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "4", *options]
    options += ["--worker-tmp-dir", folder, "--no-control-socket"]
    return Server([BIN / "gunicorn", *options, application], port, folder, **with_package(environment))


def uvicorn(folder, port, application, **environment):
    options = ["--host", "127.0.0.1", "--port", str(port), "--timeout-graceful-shutdown", "1"]
    return Server([BIN / "uvicorn", *options, application], port, folder, **with_package(environment))


def with_package(environment):
    """As after `pip install ./deploy/django`."""
    return {"PYTHONPATH": str(ROOT / "deploy/django"), **environment}


def portcullis(folder, *words, timeout=None, **environment):
    return subprocess.run(
        [BINARY, *words], cwd=folder, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=timeout
    )


class Threaded:
    """A server in this process, with a thread for each connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
