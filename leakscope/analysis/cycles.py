"""Garbage that nobody collects: cycles while the collector is off, or far more of them than it leaves lying about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Rank, class_ranks
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Node

LEAST_OFF = 100
"""Objects of one class in garbage, with the collector off, that one snapshot is enough for."""
LEAST_ON = 10_000
"""Tracked garbage that a collector which runs does not leave lying about in a small heap ..."""
_SHARE_ON = 0.25
"""... and its share of what is tracked and alive in a large one: full collections wait for that many new objects."""


@dataclass(frozen=True)
class Cycles:
    """All garbage as one leak, named by its best class."""

    nodes: Int32s
    """Of that class, ascending."""
    rank: Rank
    objects: int
    bytes: int
    """Of all garbage."""
    per_step: tuple[int, ...]
    collector_off: bool


def find_cycles(index: HeapIndex, series: Series, least: int) -> Cycles | None:
    """None if the garbage is what any collector leaves for later.

    With three or more snapshots of one process and the collector off, growth by ``least`` in each step is enough.
    """
    graph = index.graph
    garbage = np.flatnonzero(graph.flags & Node.GARBAGE != 0).astype(np.int32)
    off = graph.facts.get("gc") == {"enabled": False}
    if not len(garbage) or not (off or _too_much(graph)):
        return None
    found = _named(series, garbage, least if series.steps > 1 else 1)
    if found is None:
        return None
    nodes, rank = found
    per_step = tuple(np.bincount(series.born[nodes], minlength=series.steps + 1)[1:].tolist())
    if len(nodes) < LEAST_OFF and not (series.steps > 1 and min(per_step) >= least):
        return None
    return Cycles(nodes, rank, len(garbage), int(graph.own_size[garbage].sum()), per_step, off)


def _too_much(graph: HeapGraph) -> bool:
    tracked = graph.flags & Node.GC_TRACKED != 0
    dead = int(np.count_nonzero(tracked & (graph.flags & Node.GARBAGE != 0)))
    return dead >= LEAST_ON and dead > _SHARE_ON * (int(np.count_nonzero(tracked)) - dead)


def _named(series: Series, garbage: Int32s, least: int) -> tuple[Int32s, Rank] | None:
    """The objects of the class that names it best, of equals the most numerous; it grew in each step."""
    graph = series.last
    sessions = graph.sessions.node if graph.sessions is not None else np.empty(0, np.int32)
    types, which, count = np.unique(graph.type[garbage], return_inverse=True, return_counts=True)
    rank = class_ranks(graph)[types].astype(np.int64)
    has_sessions = np.bincount(which, weights=np.isin(garbage, sessions), minlength=len(types)) > 0
    rank = np.where(has_sessions & (rank == Rank.OWN), int(Rank.SESSION), np.where(has_sessions, int(Rank.OWN), rank))
    born = series.born[garbage].astype(np.int64)
    steps = series.steps
    by_step = np.bincount(which * (steps + 1) + born, minlength=len(types) * (steps + 1)).reshape(-1, steps + 1)[:, 1:]
    grew = by_step.min(axis=1) >= least if steps else np.ones(len(types), dtype=np.bool_)
    for row in np.lexsort((-count, rank)).tolist():
        if grew[row]:
            return garbage[which == row], Rank(int(rank[row]))
    return None
