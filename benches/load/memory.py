"""What connections cost that do nothing: opened, served once, and left alone."""

import pathlib
import resource
import socket

CONNECTIONS = 9_900
# Of a process: the gateway keeps half of them for upstreams.
FILES = 20_000
REQUEST = b"GET /plain/ HTTP/1.1\r\nHost: localhost\r\n\r\n"


def allow_files():
    """As many as both sides need: the proxies inherit it."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(allowed, FILES), most))
    except ValueError:
        raise SystemExit(f"{FILES} open files are needed, {most} allowed (ulimit -Hn)")


def resident(pid):
    """Bytes of a process and its children; what they share counts once."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own * 1024 + sum(resident(int(child)) for child in children)


def measure(server):
    """Bytes with one connection, and with all."""
    [process] = server.processes
    opened = []
    try:
        opened.append(connection(server.port))
        before = resident(process.pid)
        opened.extend(connection(server.port) for _ in range(CONNECTIONS - 1))
        return before, resident(process.pid)
    finally:
        for one in opened:
            one.close()


def connection(port):
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(REQUEST)
    answer = b""
    while not answer.endswith(b'"}'):
        part = one.recv(4096)
        if not part:
            raise SystemExit(f"closed after {answer}")
        answer += part
    return one
