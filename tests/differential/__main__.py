"""Runs the cases named in the arguments, or all, and says in a few lines how they went.

    python tests/differential [--differences] [--explain] [-v] [test_simplejwt | test_simplejwt.Claims.test_exp_now | …]

With --explain, `portcullis explain` is asked about every request of theirs before the gateway has it.

All of them run in two processes: the cases of PostgreSQL, and those of the other databases and of user models, which
have databases of their own."""

import io
import multiprocessing
import os
import sys
import unittest
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from support import Differential, explained  # noqa: E402
from support.environment import DEFAULT  # noqa: E402
from support.servers import end_all  # noqa: E402

# Cases that are printed for a difference.
FEW = 5
PARTS = [("postgres",), ("mariadb", "sqlite")]


def main(arguments):
    names = [word for word in arguments if not word.startswith("-")]
    if "--explain" in arguments:
        os.environ[explained.ALWAYS] = "yes"
    if names:
        results = [run(load(names), sys.stderr, 1 + arguments.count("-v"))]
    else:
        with ProcessPoolExecutor(len(PARTS), multiprocessing.get_context("fork")) as pool:
            results = list(pool.map(run_part, PARTS))
        print("".join(text for text, *_ in results), file=sys.stderr)
    differences = [each for _, _, _, _, found in results for each in found]
    if "--differences" in arguments:
        print_differences(differences)
    cases, failed, not_yet = (sum(result[place] for result in results) for place in (1, 2, 3))
    whys = {why for _, why in differences}
    missing = f", {not_yet} of what is not done yet" if not_yet else ""
    print(f"{cases} cases{missing}, {failed} failed; {len(whys)} differences on purpose (--differences lists them)")
    return 1 if failed else 0


def load(names):
    if names:
        return unittest.defaultTestLoader.loadTestsFromNames(names)
    return unittest.defaultTestLoader.discover(str(HERE), top_level_dir=str(HERE))


def run_part(databases):
    """In a process of its own, where nothing ends servers by itself."""
    # What could not be imported has none, and is to fail.
    suite = unittest.TestSuite(case for case in flat(load([])) if part_of(case) in databases)
    stream = io.StringIO()
    try:
        return run(suite, stream, 0)
    finally:
        end_all()


def part_of(case):
    return getattr(case, "part", None) or getattr(case, "database", DEFAULT)


def run(suite, stream, verbosity):
    result = unittest.TextTestRunner(stream, verbosity=verbosity).run(suite)
    # What was printed about failures; nothing, if all went well.
    text = stream.getvalue() if isinstance(stream, io.StringIO) and not result.wasSuccessful() else ""
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    return text, result.testsRun, failed, len(result.expectedFailures), Differential.differences


def flat(suite):
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def print_differences(differences):
    found = {}
    for case, why in differences:
        found.setdefault(why, set()).add(case)
    for why, cases in sorted(found.items()):
        print(f"- {why}")
        few = sorted(cases)[:FEW]
        print(
            "".join(f"    {case}\n" for case in few),
            f"    and {len(cases) - FEW} more\n" * (len(cases) > FEW),
            sep="",
            end="",
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
