"""Dumps of other runtimes: how long leakscope takes, in how much memory, and how right it is, beside its peers.

    python bench/runtimes.py [hprof] [v8] [--quick]

* hprof: a JVM's heap dump of 6 million objects, made by ``fixtures/targets/java/Leak.java`` (needs a JDK);
* v8: a Node's heap snapshot, beside memlab and the DevTools engine in one run (needs node and npm).

Exit code 1 if a target of the first is not reached.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.runtimes_hprof import hprof
from bench.runtimes_v8 import report


def main() -> int:
    """0 if every comparison reaches its targets."""
    parser = argparse.ArgumentParser(description="Dumps of other runtimes, beside the peers.")
    parser.add_argument("comparison", nargs="*", help=f"of {', '.join(COMPARISONS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a small run, for a look")
    options = parser.parse_args()
    if unknown := [name for name in options.comparison if name not in COMPARISONS]:
        parser.error(f"no comparison {unknown[0]!r}; there are: {', '.join(COMPARISONS)}")
    reached = [COMPARISONS[name](options.quick) for name in options.comparison or COMPARISONS]
    return 0 if all(reached) else 1


def _jvm(quick: bool) -> bool:
    found = hprof(sessions=50_000, rounds=1) if quick else hprof(sessions=1_200_000, rounds=3)
    _say(found.text())
    return found.reached


def _v8(quick: bool) -> bool:
    _say("\n".join([*report(sessions=500 if quick else 13_400, with_peers=True), ""]))
    return True


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


COMPARISONS: dict[str, Callable[[bool], bool]] = {"hprof": _jvm, "v8": _v8}
"""Each prints what it found, and says whether its targets were reached."""


if __name__ == "__main__":
    sys.exit(main())
