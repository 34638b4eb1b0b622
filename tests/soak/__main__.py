"""``make soak``: attaches to services under load, half of the attaches killed; whoever notices has lost something.

    python -m tests.soak [ATTACHES] [--duration S] [--python 3.12,3.13] [--services asyncio,gevent] [--seed N]

The services run in CPython 3.10 to 3.13, two at a time, each with clients that check every answer. After every attach
nothing may have changed: no thread stopped or traced, no other threads, no child, no zombie, no descriptor, no offset,
no signal; all answers right; no file left; memory as before. Prints a Markdown table. Exit code 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.catalogue.environments import with_libraries
from tests.interpreters import one_per_version
from tests.soak.attacks import reap_strangers
from tests.soak.siege import MODES, Plan, Siege, besiege

_HEADINGS = (
    "service", "Python", "attaches", "killed", "answers", "wrong", "longest answer ms", "longest pause ms",
    "private MiB", "descriptors", "lost",
)  # fmt: skip
_WITH_LIBRARIES = ("gevent", "numpy")
_AT_A_TIME = 2


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("attaches", nargs="?", type=int, default=2000, help="in all")
    parser.add_argument("--duration", type=float, metavar="SECONDS", help="as many as fit, in place of ATTACHES")
    parser.add_argument("--python", default="", help="some of the versions, as in 3.12,3.13")
    parser.add_argument("--services", default=",".join(MODES), help="some of: " + ", ".join(MODES))
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which leakscope is killed")
    options = parser.parse_args()
    chosen = [each for each in one_per_version() if options.python == "" or _series(each.version) in options.python]
    pairs = list(itertools.product(options.services.split(","), chosen))
    attaches = math.ceil(options.attaches / len(pairs)) if options.duration is None else 1 << 30
    share_s = (options.duration or math.inf) / math.ceil(len(pairs) / _AT_A_TIME)
    reap_strangers()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="leakscope-soak-") as folder, ThreadPoolExecutor(_AT_A_TIME) as pool:
        plans = [
            Plan(
                mode,
                with_libraries(python, "soak") if mode in _WITH_LIBRARIES else python.path,
                python.name,
                Path(folder, str(number)),
                attaches,
                share_s,
                options.seed + number,
            )
            for number, (mode, python) in enumerate(pairs)
        ]
        _say(_row(_HEADINGS), _row(["---"] * len(_HEADINGS)))
        sieges = []
        for siege in pool.map(besiege, plans):
            _say(row(siege))
            sieges.append(siege)
    _say("", *summary(sieges, time.monotonic() - began))
    return 1 if any(siege.lost for siege in sieges) else 0


def _series(version: tuple[int, int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def row(siege: Siege) -> str:
    """One line of the table."""
    return _row(
        [
            siege.plan.mode,
            siege.plan.version,
            f"{siege.attaches:,}",
            f"{siege.killed:,}",
            f"{siege.answers:,}",
            str(siege.wrong),
            f"{siege.longest_answer_s * 1000:.0f}",
            f"{siege.longest_pause_ms:.0f}",
            f"{siege.private_before >> 20} -> {siege.private_after >> 20}",
            str(siege.descriptors),
            str(len(siege.lost)),
        ]
    )


def summary(sieges: list[Siege], took_s: float) -> list[str]:
    """The sums, by way of pausing too, and everything that was lost."""
    attaches, killed = sum(each.attaches for each in sieges), sum(each.killed for each in sieges)
    ways: dict[str, int] = {}
    for siege in sieges:
        for way, count in siege.ways.items():
            ways[way] = ways.get(way, 0) + count
    finished = ", ".join(f"{count:,} by {way}" for way, count in sorted(ways.items()))
    lost = [f"{each.plan.mode} {each.plan.version}: {loss}" for each in sieges for loss in each.lost]
    return [
        f"{attaches:,} attaches in {took_s:.0f} s, {killed:,} of them killed; of the others {finished}.",
        f"{sum(each.answers for each in sieges):,} answers were checked. Lost: {len(lost) or 'nothing'}.",
        *lost,
    ]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
