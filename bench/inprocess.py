"""The own heap as a graph against guppy3's heap view, and what the pytest plug-in adds to a test.

Both read the same objects in one process, in turn; the first round of each includes what it loads and builds once.
``python bench/inprocess.py --objects 1000000``; ``make bench-inprocess`` runs it with the tools of the project.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable

import guppy

from leakscope.inprocess.heap import snapshot
from leakscope.inprocess.watch import Limits, Watch

PER_SESSION = 5  # the object, its key, its number, its name, its list
ROUNDS = 5


class Session:
    """What services keep: a number, a text, a container."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"session {number}"
        self.seen = [number]


def timed(work: Callable[[], object]) -> float:
    """Milliseconds; what ``work`` returns is gone before the next begins."""
    gc.collect()
    began = time.perf_counter()
    result = work()
    took = time.perf_counter() - began
    del result
    return took * 1000


def watched_test(rounds: int = 3) -> None:
    """What the plug-in does for a sound test that is run ``rounds`` times and once to warm up."""
    watch = Watch()
    for _ in range(rounds):
        watch.count()
    if watch.over(Limits(growth=0)):
        raise SystemExit("the sound test is said to leak")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    asked = parser.parse_args()
    held = {f"key {number}": Session(number) for number in range(max(0, asked.objects - 100_000) // PER_SESSION)}
    own, guppys = [], []
    for _ in range(ROUNDS):
        guppys.append(timed(lambda: guppy.hpy().heap()))
        own.append(timed(snapshot))
    tests = [timed(watched_test) for _ in range(ROUNDS)]
    graph = snapshot()
    objects, references = graph.objects, graph.references
    lines = [
        f"{objects:,} objects, {references:,} references, {len(gc.get_objects()):,} of them tracked,"
        f" {len(held):,} sessions, Python {sys.version.split()[0]}",
        f"guppy.hpy().heap()    first {guppys[0]:6.0f} ms, best {min(guppys):6.0f} ms",
        f"leakscope snapshot()  first {own[0]:6.0f} ms, best {min(own):6.0f} ms,"
        f" {min(own) / min(guppys):.2f} times guppy's best",
        f"a marked test, 3 rounds: best {min(tests):.0f} ms, worst {max(tests):.0f} ms",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
