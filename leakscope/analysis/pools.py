"""Pools and what they have lent: their counters as they were captured, and who has the connections."""

from __future__ import annotations

from collections import Counter
from typing import Any, TypeAlias

import numpy as np

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.owners import owners_of
from leakscope.analysis.told import MOST_ROWS, count
from leakscope.findings.evidence import PoolUse
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Fact, Node
from leakscope.graph.names import class_name
from leakscope.graph.navigation import rows_of

MOST_HOLDERS = 5
_Row: TypeAlias = "tuple[int, int | None, int | None, int | None]"
"""The node of a pool; how many it has lent, how many lie in it, how many it may lend."""
_NOTHING = np.empty((2, 0), dtype=np.int32)


def pool_uses(index: HeapIndex) -> tuple[PoolUse, ...]:
    """Live pools, the fullest first, at most ``MOST_ROWS``."""
    graph = index.graph
    lent, by = lent_objects(graph)
    owner = owners_of(index, lent) if len(lent) else lent
    found = [
        _use(graph, row, owner[by == row[0]]) for row in _counters(graph) if graph.flags[row[0]] & Node.GARBAGE == 0
    ]
    return tuple(sorted(found, key=_order)[:MOST_ROWS])


def use_of(graph: HeapGraph, pool: int) -> PoolUse | None:
    """What the pool at a node has lent; None for what is no pool."""
    return next((_use(graph, row, _NOTHING[0]) for row in _counters(graph) if row[0] == pool), None)


def lent_objects(graph: HeapGraph) -> tuple[Int32s, Int32s]:
    """``(node, pool)``: live objects that pools have lent out and not got back, ascending; parallel."""
    told = _told(graph)
    pairs = [
        (node, pool)
        for node, pool in zip(_list(told, "lent"), _list(told, "lent_by"), strict=False)
        if _is_node(graph, node) and _is_node(graph, pool)
    ]
    node, pool = np.unique(np.array(pairs, dtype=np.int32).reshape(-1, 2), axis=0).T if pairs else _NOTHING
    there = (graph.flags[node] & Node.GARBAGE == 0) & ~_idle(graph, node)
    return node[there], pool[there]


def _idle(graph: HeapGraph, nodes: Int32s) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of them their rule calls healthy: some know their pool also while they lie in it."""
    if graph.sessions is None or not len(graph.sessions.node):
        return np.zeros(len(nodes), dtype=np.bool_)
    row = rows_of(graph.sessions.node, nodes)
    idle: np.ndarray[tuple[int], np.dtype[np.bool_]] = (row >= 0) & (graph.sessions.facts[row] & Fact.HEALTHY != 0)
    return idle


def _counters(graph: HeapGraph) -> list[_Row]:
    """``(node, taken, idle, limit)`` of each pool that fits the heap."""
    told = _told(graph)
    columns = [_list(told, name) for name in ("node", "taken", "idle", "limit")]
    rows = [(node, *map(count, counters)) for node, *counters in zip(*columns, strict=False) if _is_node(graph, node)]
    return [(node, taken, idle, limit) for node, taken, idle, limit in rows]


def _use(graph: HeapGraph, row: _Row, owners: Int32s) -> PoolUse:
    node, taken, idle, limit = row
    classes = Counter(graph.types.name[owner] for owner in graph.type[owners].tolist())
    return PoolUse(
        class_=class_name(graph, node),
        address=int(graph.address[node]),
        taken=taken,
        idle=idle,
        limit=limit,
        held_by=dict(classes.most_common(MOST_HOLDERS)),
    )


def _order(use: PoolUse) -> tuple[bool, int, str, int]:
    return (not use.exhausted, -(use.taken or 0), use.class_, use.address)


def _is_node(graph: HeapGraph, value: Any) -> bool:
    return count(value) is not None and value < graph.objects


def _list(told: dict[str, Any], name: str) -> list[Any]:
    found = told.get(name)
    return found if isinstance(found, list) else []


def _told(graph: HeapGraph) -> dict[str, Any]:
    told = graph.facts.get("pools")
    return told if isinstance(told, dict) else {}
