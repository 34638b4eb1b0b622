"""The series of snapshots that a sound program is judged on."""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.graph.heap import HeapGraph

SOUND_SNAPSHOTS = 5


def prefixes(graphs: Sequence[HeapGraph]) -> list[tuple[str, list[HeapGraph]]]:
    """One snapshot early and late, two and three in a row from the beginning and the end, and all, each by its name."""
    count = len(graphs)
    spans = [(0, 1), (count - 1, count), (0, 2), (count - 2, count), (0, 3), (count - 3, count), (0, count)]
    return [(f"snapshots {first + 1} to {last}", list(graphs[first:last])) for first, last in spans]
