"""The ratios that leakscope promises, each with both sides measured in this run."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.page import ours
from bench.page.rows import Row
from bench.page.target import Target, run_tool

_LEAST_COPIED = 256 << 20
PLAIN = Path(__file__).with_name("plain.py")


@dataclass(frozen=True)
class Ratio:
    """``ours`` beside ``theirs``, and what was promised of it."""

    name: str
    ours: str
    theirs: str
    value: float
    goal: float
    at_most: bool
    """Whether the goal is a ceiling, else a floor."""

    @property
    def reached(self) -> bool:
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def pauses(target: Target, folder: Path, rounds: int) -> list[Ratio]:
    """Our pauses beside a plain read and a plain fork of the same process, by turns; the median of each."""
    read, copy = _by_turns(target, folder, rounds, "copy", lambda: _plain_read(target))
    found = [_ratio("pause of copy: a plain two-thread read", copy, read, 1.3)]
    if "fork" in ours.WAYS:
        fork, frozen = _by_turns(target, folder, rounds, "fork", lambda: _plain_fork(target, folder))
        found.append(_ratio("pause of fork: a plain fork()", frozen, fork, 1.5))
    return found


def _by_turns(
    target: Target, folder: Path, rounds: int, way: str, other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    others, own = [], []
    for _ in range(rounds):
        others.append(other())
        own.append(ours.snapshot(target, way, folder / "ratio.leakscope").pause_ms or 0.0)
    return others, own


def _plain_read(target: Target) -> float:
    _, said = run_tool([sys.executable, str(PLAIN), str(target.pid)])
    return float(json.loads(said)["read_ms"])


def _plain_fork(target: Target, folder: Path) -> float:
    return float(target.ask(f"run fork {folder / 'fork'}")["fork_ms"])


def _ratio(name: str, own: Sequence[float], other: Sequence[float], goal: float) -> Ratio:
    mine, theirs = statistics.median(own), statistics.median(other)
    return Ratio(name, f"{mine:.1f} ms", f"{theirs:.1f} ms", mine / theirs, goal, True)


def against_peers(rows: dict[str, Row]) -> list[Ratio]:
    """Stalls and end to end beside PyHeap and guppy, as far as they were measured."""
    found = []
    own_row = rows.get(ours.name(""))
    for peer, goal in (("PyHeap dump", 500.0), ("guppy3 heap", 80.0)):
        row = rows.get(peer)
        if own_row is None or row is None or not row.gap_main_ms or not own_row.gap_main_ms:
            continue
        value = row.gap_main_ms / own_row.gap_main_ms
        names = f"{own_row.gap_main_ms:.1f} ms", f"{row.gap_main_ms:.0f} ms"
        found.append(Ratio(f"how long the service does not answer: {peer}", *names, value, goal, False))
    own, theirs = total(rows, END_TO_END), total(rows, ("PyHeap dump", "PyHeap analysis"))
    if own and theirs:
        name = "end to end (snapshot, chains, retained sizes): PyHeap's dump and analysis"
        found.append(Ratio(name, f"{own:.1f} s", f"{theirs:.1f} s", theirs / own, 30.0, False))
    return found


def own_memory(rows: dict[str, Row]) -> list[Ratio]:
    """The peak of leakscope itself beside what was copied or read; small heaps say nothing about it."""
    found = []
    for way, goal in (("copy", 1.5), ("fork", 0.6)):
        row = rows.get(ours.name(way))
        if row is not None and row.tool_peak and row.copied and row.copied > _LEAST_COPIED:
            sizes = f"{row.tool_peak / 1e6:.0f} MB", f"{row.copied / 1e6:.0f} MB"
            name = f"peak of leakscope, {way}: memory of the service that it reads"
            found.append(Ratio(name, *sizes, row.tool_peak / row.copied, goal, True))
    return found


END_TO_END = (ours.name(""), "leakscope chains FILE", "leakscope top FILE")
"""A snapshot, the chains of all sessions, the retained sizes of everything."""


def total(rows: dict[str, Row], names: Sequence[str]) -> float:
    """Seconds of all of them; 0 if one was not measured."""
    times = [rows[name].wall_s for name in names if name in rows]
    known = [each for each in times if each]
    return sum(known) if len(known) == len(names) else 0.0
