"""Applications that other people wrote, natively and behind the gateway.

    tests/run apps [-v] [NAME…]

Installs each below target/apps, which takes minutes the first time, and leaves what it saw in target/apps/NAME/last.
Exits with 1 where something fails, or where an answer differs for a reason that its recipe does not name.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from support.environments import Unavailable
from support.gateway import BINARY
from support.places import CACHE
from support.recipe import names, recipe
from support.show import show, table
from support.trial import trial


def main():
    parser = argparse.ArgumentParser(prog="tests/run apps", description="Tries published applications.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; else all")
    parser.add_argument("-v", "--verbose", action="store_true", help="list guarded calls that reach the application")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names()):
        parser.error(f"no recipe: {', '.join(sorted(unknown))}")
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        # It may be built again while this runs.
        binary = Path(shutil.copy2(BINARY, folder))
        for number, name in enumerate(names()):
            if name in (given.names or names()):
                results += tried(name, number, binary, given.verbose)
    table(results)
    sys.exit(not results or not all(result.good for result in results))


def tried(name, number, binary, verbose):
    work = CACHE / name / "last"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        result = trial(recipe(name), number, binary, work)
    except Unavailable as why:
        print(f"{name}: not tried: {why}\n", flush=True)
        return []
    show(result, verbose)
    return [result]


if __name__ == "__main__":
    main()
