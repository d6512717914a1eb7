"""A Python for `init --python` that has Django imported already: each start is a fork of one process. Projects by
the dozen are read in the time that one takes otherwise."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

# Sends its arguments, folder, environment and standard streams, and ends as the fork ends.
CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
started = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(started).to_bytes(4, "big")], [0, 1, 2])
server.sendall(started)
sys.exit(server.recv(1)[0])
"""


class ForkingPython:
    """`path` is the program."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-python.")
        address = str(Path(self.folder.name, "socket"))
        self.path = Path(self.folder.name, "python")
        self.path.write_text(CLIENT.format(python=sys.executable, address=address))
        self.path.chmod(0o755)
        self.process = subprocess.Popen([sys.executable, __file__, address], stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()


def serve(address):
    # What takes long, and needs no settings. Not Django REST framework: whether a project has it is asked of what is
    # imported.
    for name in [
        "django.core.management", "django.contrib.auth.hashers", "django.contrib.postgres.fields", "django.views.generic",
        "django.db.backends.sqlite3.base", "django.test", "inspect", "requests",
    ]:  # fmt: skip
        # A package that is not there, or needs settings after all.
        with contextlib.suppress(Exception):
            __import__(name)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("listens", flush=True)
    while True:
        client, _ = listener.accept()
        # The parent of a fork waits for it, and tells how it has ended; it is a fork too, so that this goes on.
        if os.fork() == 0:
            listener.close()
            attend(client)
        client.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def attend(client):
    import json

    size, streams, *_ = socket.recv_fds(client, 4, 3)
    started = b""
    while len(started) < int.from_bytes(size, "big"):
        started += client.recv(1 << 16)
    child = os.fork()
    if child == 0:
        arguments, folder, environment = json.loads(started)
        client.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        # As `python -` begins, and `python PROGRAM`.
        sys.argv, sys.path[0] = arguments, ""
        run(arguments[0])
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client.sendall(bytes([max(status, 0) or (status < 0)]))
    os._exit(0)


def run(program):
    """Ends this process as Python itself would: what was opened is written out, and what was raised is told."""
    sys.stdin, sys.stdout, sys.stderr = (open(number, mode) for number, mode in enumerate("rww"))
    text = sys.stdin.read() if program == "-" else Path(program).read_text()
    exec(compile(text, program, "exec"), {"__name__": "__main__", "__file__": program})
    sys.exit()


if __name__ == "__main__":
    serve(sys.argv[1])
