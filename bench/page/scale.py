"""How time grows with the heap: the same questions at every size of this run."""

from __future__ import annotations

from collections.abc import Sequence

from bench.commands import table
from bench.page.measure import Section
from bench.page.ratios import END_TO_END, Ratio, total

_GOALS_S = ((5_500_000, 6.0), (12_000_000, 10.0), (55_000_000, 60.0))
"""Seconds end to end for up to so many objects; smaller ones need not be told."""
_SMALLEST = 4_000_000
_LINEAR = 1.3
_HEADINGS = ("objects", "snapshot s", "chains s", "top s", "all s", "microseconds an object")


def scale_lines(sections: Sequence[Section]) -> list[str]:
    """A table by size; nothing for fewer than two sizes."""
    measured = sorted((section.objects, section) for section in sections if total(section.by_name(), END_TO_END))
    if len(measured) < 2:
        return []
    rows = []
    for objects, section in measured:
        times = [section.by_name()[name].wall_s or 0.0 for name in END_TO_END]
        whole = sum(times)
        rows.append([f"{objects:,}", *(f"{each:.2f}" for each in (*times, whole)), f"{whole / objects * 1e6:.2f}"])
    return ["## How it grows", "", *table(_HEADINGS, rows)]


def scale_ratios(sections: Sequence[Section]) -> list[Ratio]:
    """End to end beside what was promised, and how much longer an object takes in the largest heap."""
    times = sorted((section.objects, total(section.by_name(), END_TO_END)) for section in sections)
    times = [(objects, seconds) for objects, seconds in times if seconds]
    found = []
    for objects, seconds in times:
        goal = next((goal for most, goal in _GOALS_S if _SMALLEST < objects < most), None)
        if goal is not None:
            found.append(Ratio(f"seconds end to end, {objects:,} objects", f"{seconds:.1f} s", "", seconds, goal, True))
    if len(times) > 1:
        (small, quick), (large, slow) = times[0], times[-1]
        per_object = quick / small * 1e6, slow / large * 1e6
        name = f"time an object takes, of {large:,}: of {small:,}"
        sides = f"{per_object[1]:.2f} us", f"{per_object[0]:.2f} us"
        found.append(Ratio(name, *sides, per_object[1] / per_object[0], _LINEAR, True))
    return found
