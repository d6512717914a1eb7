"""Fails if a request on the hot path takes more instructions than were accepted."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from callgrind import meter  # noqa: E402

ACCEPTED = pathlib.Path(__file__).with_name("accepted")
HOT = ["plain proxying", "token", "Basic", "session", "jwt", "anonymous, 401"]
# The least of several connections: what malloc takes depends on what lies where in memory, by up to 3 %.
CONNECTIONS, REQUESTS = 8, 100
ROOM = 1.03


def main():
    binary, way = sys.argv[1:]
    with meter(binary) as counts:
        now = {case.name: min(counts.count(case, case.path, REQUESTS) for _ in range(CONNECTIONS))
               for case in counts.cases if case.name in HOT}
    if way == "--accept":
        ACCEPTED.write_text("".join(f"{spent:.0f} {name}\n" for name, spent in now.items()))
        return
    lines = [line.split(maxsplit=1) for line in ACCEPTED.read_text().splitlines()]
    accepted = {name: int(spent) for spent, name in lines}
    for name, spent in now.items():
        print(f"{name:18}{accepted[name]:10,} accepted{spent:10,.0f} now{spent / accepted[name] - 1:+8.1%}")
    risen = [name for name, spent in now.items() if spent > accepted[name] * ROOM]
    if risen:
        raise SystemExit(
            f"More instructions per request than accepted, by over {ROOM - 1:.0%}: {'; '.join(risen)}.\n"
            "PROFILE=FOLDER benches/path/run shows where they go. If they are worth it, or another compiler or\n"
            "another machine takes them, run `benches/path/run --accept` and commit benches/path/accepted.")


main()
