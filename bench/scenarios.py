"""What the mechanisms of the four systems are worth: both sides of each comparison in one run, as ratios.

    python bench/scenarios.py [destruction] [--poll-every S]

The write-ups' numbers stand beside ours; theirs are of other machines and other loads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fixtures.services.running import Service, load, running

POLL_EVERY_S = 16.0
ROUNDS = 32
SESSIONS_PER_ROUND = 20
MIX = ",".join(["good"] * 6 + ["lost"] * 3 + ["raise"])
"""One session in ten has a clean-up that fails."""
TARGET_RATIO = 50.0


@dataclass(frozen=True)
class Destruction:
    """How one side destroyed its sessions; shares from 0 to 1."""

    mean_s: float
    p99_s: float
    recovered: float
    """Of the sessions that were opened, those whose memory is free again."""
    leak_rate: float
    """Those that ended and were never destroyed."""


def measured(service: Service, period_s: float, settle_s: float) -> Destruction:
    """The load spread over two periods of polling, so that sessions end at every moment of one."""
    began = time.monotonic()
    for number in range(ROUNDS):
        time.sleep(max(0.0, began + number * 2 * period_s / ROUNDS - time.monotonic()))
        done = load("autoglm", service.port, SESSIONS_PER_ROUND, MIX)
        if done.returncode:
            raise RuntimeError(done.stderr)
    time.sleep(settle_s)
    stats = service.stats()
    return Destruction(
        mean_s=stats["delay_mean_s"],
        p99_s=stats["delay_p99_s"],
        recovered=1 - stats["in_memory"] / stats["opened"],
        leak_rate=1 - stats["destroyed"] / stats["opened"],
    )


def destruction(poll_every_s: float) -> bool:
    """Polled against event-driven, side by side under one load; whether the target is reached."""
    with (
        running("autoglm", "--destroy", "poll", "--poll-every", poll_every_s) as polled,
        running("autoglm", "--destroy", "event") as by_event,
        ThreadPoolExecutor(2) as pool,
    ):
        sides = [pool.submit(measured, one, poll_every_s, 2 * poll_every_s) for one in (polled, by_event)]
        before, after = (side.result() for side in sides)
    ratio = before.mean_s / after.mean_s
    rows = [
        ("", f"polled every {poll_every_s:g} s", "by event", "ratio", "write-up"),
        ("mean delay", f"{before.mean_s:.3f} s", f"{after.mean_s:.4f} s", f"{ratio:.0f} x", "8.2 s -> 0.4 s: 20 x"),
        ("p99 delay", f"{before.p99_s:.3f} s", f"{after.p99_s:.4f} s", f"{before.p99_s / after.p99_s:.0f} x", ""),
        ("recovered", f"{before.recovered:.1%}", f"{after.recovered:.1%}", "", "89 % -> 99.6 %"),
        ("leak rate", f"{before.leak_rate:.1%}", f"{after.leak_rate:.1%}", "", "2.3 % -> 0.1 %"),
    ]
    _tell(f"destruction of {ROUNDS * SESSIONS_PER_ROUND} sessions, one in ten of which fails at first", rows)
    return ratio >= TARGET_RATIO and after.recovered == 1 and after.leak_rate == 0


def _tell(title: str, rows: list[tuple[str, ...]]) -> None:
    """A table in Markdown."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    sys.stdout.write("\n".join([f"## {title}", "", head, "|" + " --- |" * len(rows[0]), *body, "", ""]))
    sys.stdout.flush()


COMPARISONS: dict[str, Callable[[float], bool]] = {"destruction": destruction}


def main() -> int:
    """0 if every comparison reaches its target."""
    parser = argparse.ArgumentParser(description="Ratios of the mechanisms of the four systems.")
    parser.add_argument("comparison", nargs="*", help=f"of {', '.join(COMPARISONS)}; all by default")
    parser.add_argument("--poll-every", type=float, default=POLL_EVERY_S, metavar="S")
    options = parser.parse_args()
    if unknown := [name for name in options.comparison if name not in COMPARISONS]:
        parser.error(f"no comparison {unknown[0]!r}; there are: {', '.join(COMPARISONS)}")
    reached = [COMPARISONS[name](options.poll_every) for name in options.comparison or COMPARISONS]
    return 0 if all(reached) else 1


if __name__ == "__main__":
    sys.exit(main())
