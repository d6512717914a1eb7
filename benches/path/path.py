"""Counts the user-space instructions that the gateway spends on a request, under callgrind."""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from callgrind import meter  # noqa: E402
from gateway import PASSED  # noqa: E402


def main():
    binary, requests = sys.argv[1], int(sys.argv[2])
    with meter(binary) as counts:
        print(f"{'':18}{'instructions per request':^30}")
        print(f"{'':18}{'passed on':>10}{'gateway':>10}{'more':>10}")
        for case in counts.cases:
            passed = counts.count(case, PASSED, requests) if case.headers else None
            spent = counts.count(case, case.path, requests)
            numbers = [passed, spent, passed and spent - passed]
            columns = "".join(f"{number:10,.0f}" if number else f"{'–':>10}" for number in numbers)
            profile = f"   callgrind.{counts.counter.dumps}" if "PROFILE" in os.environ else ""
            print(f"{case.name:18}{columns}{profile}", flush=True)


main()
