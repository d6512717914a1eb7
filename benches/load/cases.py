"""What is asked, how, and of whom: whoever can do it at all."""

from dataclasses import dataclass

import generators

EVERY = ("gateway", "nginx", "haproxy", "envoy", "caddy")
ALGORITHMS = ("hs256", "rs256", "es256")


@dataclass(frozen=True)
class Case:
    """A request. `on` names the servers of a proxy's column, where they are not the proxy alone."""

    name: str
    path: str
    on: dict
    credential: str | None = None
    status: int = 200
    # Bytes of the bodies.
    sends: int = 0
    gets: int = 256
    load: type = generators.Wrk
    connections: int = 64
    tls: bool = False


def alone(*names):
    return {name: name for name in names}


def cases():
    yield Case("plain", "/plain/", alone(*EVERY))
    yield Case("refused", "/basic/", alone(*EVERY), status=401, gets=0)
    # Remembered after the first time, or no strong hash at all: Envoy has SHA-1 only.
    yield Case("basic", "/basic/", alone("gateway", "envoy", "caddy"), "basic")
    # Hashed for each request, on the only thread: with 64 connections none would be answered for seconds.
    yield Case("basic-each", "/basic/", alone("nginx", "haproxy"), "basic", connections=4)
    yield Case("token", "/token/", alone(*EVERY), "token")
    yield Case("session", "/session/", alone("gateway"), "session")
    for algorithm in ALGORITHMS:
        name = f"jwt-{algorithm}"
        yield Case(name, f"/{name}/", alone("gateway", "envoy"), name)
    # The same tokens, verified for each request.
    for algorithm in ALGORITHMS:
        name = f"jwt-{algorithm}"
        servers = {"gateway": "gateway that forgets"} | alone("haproxy", "envoy")
        yield Case(f"{name}-each", f"/{name}-each/", servers, name)
    # The gateway is asked by nginx, and a server that does not think by the others.
    asked = {name: f"{name} and decider" for name in ("nginx", "envoy", "caddy")}
    yield Case("forward-auth", "/forward-auth/", {"gateway": "nginx and gateway"} | asked, "token")
    yield Case("tls", "/plain/", alone(*EVERY), tls=True)
    yield Case("handshake", "/plain/", alone(*EVERY), tls=True, load=generators.Hey, connections=16)
    yield Case("http2", "/plain/", alone(*EVERY), tls=True, load=generators.H2load, connections=10)
    yield Case("get-64k", "/plain/64k", alone(*EVERY), gets=64 << 10)
    yield Case("get-1m", "/plain/1m", alone(*EVERY), gets=1 << 20)
    yield Case("put-64k", "/plain/put", alone(*EVERY), sends=64 << 10)
    yield Case("put-1m", "/plain/put", alone(*EVERY), sends=1 << 20)
