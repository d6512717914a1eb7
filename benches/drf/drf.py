"""What authentication costs a Django application, by itself and behind the gateway.

The project, the view, the SQLite database and the credentials are the same. The application has core
0; the proxy before it and wrk have core 1. Only CPU time of the application's and the proxy's own
processes counts; rounds and the least of them, as in benches/load.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

BENCHES = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(BENCHES))
from gateway import (  # noqa: E402
    COMMON,
    SECRET,
    Case,
    Client,
    Costs,
    Processes,
    cpu_seconds,
    drive,
    free_port,
    log_in,
)

ROOT = BENCHES.parent
BIN = ROOT / "target/test-venv/bin"
PROJECT = ROOT / "tests/django"
APPLICATION, LOAD = 0, 1
CONNECTIONS = 8
SCHEMES = ["token", "session", "jwt", "knox"]

# How the application behind the gateway knows the caller: Django's settings, and lines of gateway.yaml.
BELIEFS = {
    "assertion": ({}, "identity: { assertion: django }\n"),
    "header": ({"PORTCULLIS": {"REQUIRE_ASSERTION": False}}, ""),
    "name": (
        {
            "PORTCULLIS": {"REQUIRE_ASSERTION": False},
            "REST_FRAMEWORK": {"DEFAULT_AUTHENTICATION_CLASSES": ["name_only.NameOnly"]},
        },
        "",
    ),
}


def environment(folder, mode):
    return {
        "MODE": mode,
        "DATABASE_URL": f"sqlite://{folder}/django.sqlite3",
        "PYTHONPATH": f"{ROOT / 'deploy/django'}:{BENCHES / 'drf'}",
    }


def seed(folder):
    command = [BIN / "python", PROJECT / "seed.py"]
    subprocess.run(command, env=os.environ | environment(folder, "native"), check=True)


def django(processes, folder, mode, settings, jwks):
    port = free_port()
    # Connections that stay: what opening one costs has nothing to do with authentication.
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{folder}/django.sqlite3",
        "CONN_MAX_AGE": None,
    }
    settings = {"DATABASES": {"default": database}, **settings}
    more = {"EXTRA_SETTINGS": json.dumps(settings), "PORTCULLIS_JWKS_URL": jwks}
    command = [
        *(BIN / "gunicorn", "--chdir", PROJECT, "--bind", f"127.0.0.1:{port}", "--workers", 1),
        # The worker that keeps connections alive.
        *("--worker-class", "gthread", "--threads", 1, "--keep-alive", 75),
        *("--graceful-timeout", 1, "--worker-tmp-dir", folder, "--no-control-socket"),
        *("--log-level", "warning", "project.wsgi"),
    ]
    process = processes.start(
        APPLICATION, *command, port=port, environment=environment(folder, mode) | more
    )
    return process, port


def behind(processes, folder, binary, belief):
    """An application and a gateway before it."""
    settings, lines = BELIEFS[belief]
    port = free_port()
    jwks = f"http://127.0.0.1:{port}/.well-known/jwks.json"
    application, upstream = django(processes, folder, "gateway", settings, jwks)
    file = pathlib.Path(folder, belief + ".yaml")
    common = COMMON.format(port=port, store=f"{folder}/django.sqlite3", secret=SECRET)
    file.write_text(lines + common + "".join(routes(f"http://127.0.0.1:{upstream}")))
    return application, processes.start(LOAD, binary, "--config", file, port=port), port


def routes(upstream):
    yield "  - { path: /.well-known/jwks.json, endpoint: jwks }\n"
    for scheme in SCHEMES:
        yield f'  - {{ path: /{scheme}/, authentication: [{scheme}], upstream: "{upstream}" }}\n'


def main():
    binary, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        seed(folder)
        native, native_port = django(processes, folder, "native", {}, "")
        nginx, nginx_port = processes.proxy(LOAD, folder, native_port)
        gateways = {belief: behind(processes, folder, binary, belief) for belief in BELIEFS}
        credentials = log_in(gateways["assertion"][2], "alice")
        credentials["token"] = {"Authorization": "Token 0123456789abcdef0123456789abcdef01234567"}

        # Each with what works on it: the application, and the proxy before it if there is one.
        nobody = Case("no authentication", "/no-class/public/")
        every = [(nobody, "native", native_port, [native])]
        for scheme in SCHEMES:
            case = Case(scheme, f"/{scheme}/", credentials[scheme])
            every.append((case, "native", native_port, [native]))
            if scheme == "token":
                # For what any proxy costs here.
                every.append((case, "nginx", nginx_port, [native, nginx]))
            for belief, (application, gateway, port) in gateways.items():
                if belief == "assertion" or scheme == "token":
                    every.append((case, belief, port, [application, gateway]))
        for case, side, port, _ in every:
            user = Client(port).ask(case.path, headers=case.headers)["user"]
            if user != ("alice" if case.headers else None):
                raise SystemExit(f"{case.name}, {side}: {user}")

        costs = Costs()
        for number in range(rounds + 1):
            for case, side, port, workers in every:
                before = [cpu_seconds(process.pid) for process in workers]
                # The first round warms up.
                requests = drive(LOAD, CONNECTIONS, port, case.path, case, seconds if number else 1)
                if number:
                    for index, process in enumerate(workers):
                        spent = cpu_seconds(process.pid) - before[index]
                        costs.add((case.name, side, index), spent / requests)

    print(f"least of {rounds} rounds of {seconds} s, {CONNECTIONS} connections; "
          f"the most was up to {costs.noise():.2f} times that")
    print(f"{'µs CPU per request':18}{'':12}{'application':>12}{'proxy':>10}{'both':>10}{'of native':>10}")
    for case, side, *_ in every:
        application = costs.least[case.name, side, 0]
        proxy = costs.least.get((case.name, side, 1), 0)
        both, native = application + proxy, costs.least[case.name, "native", 0]
        print(f"{case.name:18}{side:12}{application * 1e6:12.0f}"
              f"{f'{proxy * 1e6:.0f}' if proxy else '–':>10}{both * 1e6:10.0f}{both / native:10.2f}")


main()
