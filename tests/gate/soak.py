"""``make gate-soak``: judges each of the twenty services again and again; one verdict that differs is one too many.

    python -m tests.gate.soak [RUNS] [--python 3.11] [NAME...]

Prints a Markdown table, and what was said whenever a verdict was wrong. Exit code 1 if one was.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase

from tests.gate.services import Outcome, judged, services
from tests.interpreters import installed

_HEADINGS = ("service", "runs", "right verdicts", "holder right", "flaky")


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.gate.soak", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=20)
    parser.add_argument("names", nargs="*", default=["*"], help="globs such as 'leaks/*'")
    parser.add_argument("--python", default="3.11", help="version of the services' interpreter")
    options = parser.parse_args()
    interpreter = next(one for one in installed() if one.name.startswith(f"{options.python}."))
    chosen = [one for one in services() if any(fnmatchcase(one.name, name) for name in options.names)]
    _say(f"| {' | '.join(_HEADINGS)} |", f"|{' --- |' * len(_HEADINGS)}")
    wrong = []
    with ThreadPoolExecutor(2) as pool:
        for service in chosen:
            outcomes = list(pool.map(judged, [service] * options.runs, [interpreter] * options.runs))
            _say(row(service.name, outcomes))
            wrong += [f"{service.name}: {one.said}" for one in outcomes if not (one.right and one.holder_right)]
    _say("", *wrong)
    return 1 if wrong else 0


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """One line of the table; flaky is a service that was judged in more than one way."""
    right, held = sum(one.right for one in outcomes), sum(one.holder_right for one in outcomes)
    flaky = "no" if right in (0, len(outcomes)) and held in (0, len(outcomes)) else "YES"
    return f"| {name} | {len(outcomes)} | {right} | {held} | {flaky} |"


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
