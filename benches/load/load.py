"""Drives the gateway and other proxies in turns and compares their CPU time per request.

Proxies have core 0, the load and the upstream core 1. Nothing but CPU time of the proxy's own
processes counts, so that it does not matter who else is busy, as long as all meet the same
neighbours: hence the rounds, and the least of them.
"""

import pathlib
import signal
import ssl
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import cases  # noqa: E402
import generators  # noqa: E402
import keys  # noqa: E402
import memory  # noqa: E402
import table  # noqa: E402
from gateway import ANSWER, Processes, log_in  # noqa: E402
from servers import Servers  # noqa: E402

PROXY, LOAD = 0, 1
FILES = {
    "gateway": "gateway.yaml",
    "nginx": "nginx.conf",
    "haproxy": "haproxy.cfg",
    "envoy": "envoy.yaml",
    "caddy": "Caddyfile",
}


def main():
    binary, rounds, seconds, names = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    memory.allow_files()
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        servers, decider, credentials = prepare(processes, pathlib.Path(folder), binary)
        chosen = [case for case in cases.cases() if case.name in names]
        if chosen:
            running = start(processes, servers, decider)
            credentials |= log_in(running["gateway"].port, "bench")
            compare(chosen, running, credentials, rounds, seconds, folder)
        if "memory" in names:
            table.memory({name: idle(servers, name) for name in FILES}, memory.CONNECTIONS)


def arguments():
    """BINARY [ROUNDS SECONDS] [CASE…]"""
    binary, *words = sys.argv[1:]
    rounds, seconds = 3, 3
    if len(words) > 1 and words[0].isdigit() and words[1].isdigit():
        rounds, seconds, *words = int(words[0]), int(words[1]), *words[2:]
    known = [case.name for case in cases.cases()] + ["memory"]
    if not set(words) <= set(known):
        raise SystemExit(f"[ROUNDS SECONDS] [CASE…], and the cases are: {', '.join(known)}")
    return binary, rounds, seconds, words or known


def prepare(processes, folder, binary):
    """Whom the proxies ask, and what all configurations and clients need to know."""
    for name, size in (("64k", 64 << 10), ("1m", 1 << 20)):
        (folder / name).write_bytes(b"x" * size)
    keys.certificate(folder)
    values, credentials = keys.issuer(folder)
    servers = Servers(folder, binary, answer=ANSWER, remembers="1d", **values, **keys.password(folder))
    servers.values["upstream"] = servers.start(processes, LOAD, "upstream.conf").port
    decider = servers.start(processes, PROXY, "decider.conf")
    servers.values["decider"] = decider.port
    file, *_ = servers.configure("gateway.yaml")
    token = keys.user(binary, file)
    servers.values |= keys.tokens(folder, token)
    return servers, decider, credentials | {"token": {"Authorization": f"Token {token}"}}


def start(processes, servers, decider):
    """Everything that cases run on, by name."""
    running = {name: servers.start(processes, PROXY, file) for name, file in FILES.items()}
    for name in ("nginx", "envoy", "caddy"):
        running[f"{name} and decider"] = running[name].asking(decider)
    forgets = servers.start(processes, PROXY, "gateway.yaml", remembers="0s")
    asks = servers.start(processes, PROXY, "nginx.conf", decider=running["gateway"].port)
    return running | {
        "gateway that forgets": forgets,
        "nginx and gateway": asks.asking(running["gateway"]),
    }


def compare(chosen, running, credentials, rounds, seconds, folder):
    turns = [(case, proxy, running[name], credentials.get(case.credential, {}))
             for case in chosen for proxy, name in case.on.items()]
    for case, proxy, server, headers in turns:
        prove(case, proxy, server, headers)
    samples = {}
    for number in range(rounds + 1):
        for case, proxy, server, headers in turns:
            # The first round warms up: connections, caches, credentials.
            try:
                sample = generators.drive(LOAD, server, case, headers, seconds if number else 1, folder)
            except generators.Unexpected as problem:
                raise SystemExit(f"{case.name}, {proxy}: unexpected answers\n{problem}")
            if number:
                samples.setdefault((case.name, proxy), []).append(sample)
    print(f"least of {rounds} rounds of {seconds} s; the most was up to {table.noise(samples):.2f} times that\n")
    table.costs(samples)
    print()


def prove(case, proxy, server, headers):
    """That it tells the upstream who is asking, believes nobody who says so himself, and lets nobody else in."""
    forged = {"Remote-User": "root"}
    status, body = ask(server.url(case), headers, b"x" * case.sends or None)
    found, expected = [status, len(body) if case.gets else 0], [case.status, case.gets]
    if case.status == 200 and case.path.endswith("/"):
        found += ask(server.url(case, "user"), headers | forged)
        expected += [200, b"bench" if case.credential else b""]
    if case.credential:
        # 403 where a session is the only way in, as in Django REST framework.
        found += ask(server.url(case), forged)[:1]
        expected += [403 if case.credential == "session" else 401]
    if found != expected:
        raise SystemExit(f"{case.name}, {proxy}: {found} instead of {expected}")


def ask(url, headers, body=None):
    """Status and body."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(url, body, headers, method="PUT" if body else "GET")
    try:
        with opener.open(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def idle(servers, name):
    """Memory of one that has done nothing before."""
    with Processes() as alone:
        return memory.measure(servers.start(alone, PROXY, FILES[name]))


main()
