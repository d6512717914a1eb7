"""Drives the gateway and nginx in turns and compares their CPU time per request.

Proxies have core 0, wrk and the upstream core 1. Nothing but CPU time of the proxy's own processes
counts, so that it does not matter who else is busy, as long as both meet the same neighbours:
hence the rounds, and the least of them.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from gateway import Processes, configure, free_port  # noqa: E402

PROXY, LOAD = 0, 1
CONNECTIONS = 64

NGINX_PROXY = """\
daemon off; worker_processes 1; error_log stderr error; pid {folder}/proxy.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000000;
    client_body_temp_path {folder}/p1; proxy_temp_path {folder}/p2; fastcgi_temp_path {folder}/p3;
    uwsgi_temp_path {folder}/p4; scgi_temp_path {folder}/p5;
    upstream api {{ server 127.0.0.1:{upstream}; keepalive 128; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://api;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def cpu_seconds(pid):
    """User and system time of a process and its children that are alive."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(map(cpu_seconds, children))


def drive(port, path, authorization, refused, seconds):
    """Requests answered; every answer must be the expected one."""
    header = ["-H", "Authorization: " + authorization] if authorization else []
    said = subprocess.run(
        ["taskset", "-c", str(LOAD), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *header,
         f"http://127.0.0.1:{port}{path}"],
        text=True, check=True, stdout=subprocess.PIPE).stdout
    requests = int(re.search(r"(\d+) requests in", said)[1])
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    if int(other[1] if other else 0) != (requests if refused else 0) or "Socket errors" in said:
        raise SystemExit(f"unexpected answers:\n{said}")
    return requests


def main():
    binary, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        upstream = processes.upstream(LOAD, folder)
        nginx_port = free_port()
        text = NGINX_PROXY.format(folder=folder, port=nginx_port, upstream=upstream)
        nginx = processes.nginx(PROXY, folder, "proxy", text, nginx_port)
        file, port, known = configure(binary, folder, upstream)
        gateway = processes.start(PROXY, binary, "--config", file, port=port)

        # The request is the same for both, byte for byte; nginx passes credentials on unseen.
        cases = {
            "plain proxying": ("/public/", None, False),
            "token, cached": ("/", known["token"], False),
            "Basic, cached": ("/", known["basic"], False),
            "anonymous, 401": ("/", None, True),
        }
        least = {}
        for number in range(rounds + 1):
            for case, (path, authorization, refused) in cases.items():
                for name, process, at in ("nginx", nginx, nginx_port), ("gateway", gateway, port):
                    if refused and name == "nginx":
                        continue
                    before = cpu_seconds(process.pid)
                    # The first round warms up: connections, caches, the two credentials.
                    requests = drive(at, path, authorization, refused, seconds if number else 1)
                    cost = (cpu_seconds(process.pid) - before) / requests
                    if number:
                        least[case, name] = min(cost, least.get((case, name), cost))

    print(f"least of {rounds} rounds of {seconds} s, {CONNECTIONS} connections")
    print(f"{'':16}{'µs CPU per request':>24}{'requests per CPU second':>28}{'ratio':>8}")
    print(f"{'':16}{'nginx':>12}{'gateway':>12}{'nginx':>14}{'gateway':>14}")
    for case in cases:
        costs = [least.get((case, name)) for name in ("nginx", "gateway")]
        micros = "".join(f"{cost * 1e6:12.2f}" if cost else f"{'–':>12}" for cost in costs)
        rates = "".join(f"{1 / cost:14,.0f}" if cost else f"{'–':>14}" for cost in costs)
        ratio = f"{costs[1] / costs[0]:8.2f}" if costs[0] else f"{'–':>8}"
        print(f"{case:16}{micros}{rates}{ratio}")


main()
