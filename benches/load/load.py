"""Drives the gateway and nginx in turns and compares their CPU time per request.

Proxies have core 0, wrk and the upstream core 1. Nothing but CPU time of the proxy's own processes
counts, so that it does not matter who else is busy, as long as both meet the same neighbours:
hence the rounds, and the least of them.
"""

import pathlib
import signal
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from gateway import PASSED, Costs, Processes, cases, configure, cpu_seconds, drive  # noqa: E402

PROXY, LOAD = 0, 1
CONNECTIONS = 64


def main():
    binary, rounds, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory() as folder, Processes() as processes:
        upstream = processes.upstream(LOAD, folder)
        nginx, nginx_port = processes.proxy(PROXY, folder, upstream)
        file, port, known = configure(binary, folder, upstream)
        gateway = processes.start(PROXY, binary, "--config", file, port=port)
        every = cases(port, known)

        def turns(case):
            """The same request, byte for byte but for the path, up to three times: nginx passes a
            credential on unseen, the gateway does so on one route and verifies it on another."""
            if case.status < 400:
                yield "nginx", nginx, nginx_port, case.path
            if case.headers:
                yield "passed on", gateway, port, PASSED
            yield "gateway", gateway, port, case.path

        costs = Costs()
        for number in range(rounds + 1):
            for case in every:
                for name, process, at, path in turns(case):
                    before = cpu_seconds(process.pid)
                    # The first round warms up: connections, caches, credentials.
                    requests = drive(LOAD, CONNECTIONS, at, path, case, seconds if number else 1)
                    if number:
                        costs.add((case.name, name), (cpu_seconds(process.pid) - before) / requests)

    print(f"least of {rounds} rounds of {seconds} s, {CONNECTIONS} connections; "
          f"the most was up to {costs.noise():.2f} times that")
    print(f"{'':18}{'µs CPU per request':^30}{'ratio to':^20}{'requests per':>14}")
    print(f"{'':18}{'nginx':>10}{'passed on':>10}{'gateway':>10}"
          f"{'nginx':>10}{'passed on':>10}{'CPU second':>14}")
    for case in every:
        others = [costs.least.get((case.name, name)) for name in ("nginx", "passed on")]
        own = costs.least[case.name, "gateway"]
        micros = "".join(f"{cost * 1e6:10.2f}" if cost else f"{'–':>10}" for cost in [*others, own])
        ratios = "".join(f"{own / cost:10.2f}" if cost else f"{'–':>10}" for cost in others)
        print(f"{case.name:18}{micros}{ratios}{1 / own:14,.0f}")


main()
