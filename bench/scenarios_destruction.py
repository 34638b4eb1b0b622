"""Destruction of sessions by polling and by event, side by side under one load."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from comparison import Comparison, python_of_services, times

from fixtures.services.running import Service, load, running

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


def destruction(poll_every_s: float) -> Comparison:
    """Polled against event-driven: delays, what was recovered, what leaks."""
    python = python_of_services()
    with (
        running("autoglm", "--destroy", "poll", "--poll-every", poll_every_s, python=python) as polled,
        running("autoglm", "--destroy", "event", python=python) as by_event,
        ThreadPoolExecutor(2) as pool,
    ):
        sides = [pool.submit(measured, one, poll_every_s, 2 * poll_every_s) for one in (polled, by_event)]
        before, after = (side.result() for side in sides)
    return compared(poll_every_s, before, after)


def compared(poll_every_s: float, before: Destruction, after: Destruction) -> Comparison:
    """The two sides as a table."""
    return Comparison(
        title=f"Destruction of {ROUNDS * SESSIONS_PER_ROUND} sessions, one in ten of which fails at first",
        rows=(
            ("", f"polled every {poll_every_s:g} s", "by event", "ratio", "write-ups"),
            (
                "mean delay",
                f"{before.mean_s:.3f} s",
                f"{after.mean_s:.4f} s",
                times(before.mean_s, after.mean_s),
                "8.2 s -> 0.4 s: 20 x; 480 ms -> 87 ms: 5.5 x",
            ),
            ("p99 delay", f"{before.p99_s:.3f} s", f"{after.p99_s:.4f} s", times(before.p99_s, after.p99_s), ""),
            ("recovered", f"{before.recovered:.1%}", f"{after.recovered:.1%}", "", "89 % -> 99.6 %"),
            ("leak rate", f"{before.leak_rate:.1%}", f"{after.leak_rate:.1%}", "", "2.3 % -> 0.1 %"),
        ),
        targets=(
            (f"the mean at least {TARGET_RATIO:g} times faster by event", before.mean_s >= TARGET_RATIO * after.mean_s),
            ("by event all memory recovered", after.recovered == 1),
            ("by event no leak", after.leak_rate == 0),
        ),
    )
