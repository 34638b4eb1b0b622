"""What belongs to what: objects that came into being are grouped by the long-lived holder that keeps them.

Every object has one preferred way from a holder (``paths``), so the heap is a tree.
An object that is new and whose parent in the tree is old is a *head*: somebody put it
there. Everything new below it belongs to it. Heads that are held in the same way,
by the fingerprint of their way, are one group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import UInt64s, find_paths, preferred_ways
from leakscope.graph.heap import Int8s, Int32s, Int64s
from leakscope.graph.kinds import Node
from leakscope.graph.navigation import rows_of

Bools = npt.NDArray[np.bool_]

_DEEPEST_PART = 8
"""Parts within parts that are followed."""
_FARTHEST = 64
"""Steps up a way that are followed."""


@dataclass(frozen=True)
class Ways:
    """The tree of preferred ways: by node of the heap, -1 for garbage too."""

    parent: Int32s
    """Who holds it, -1 for what a root holds."""
    edge: Int64s
    """The position of that reference, -1 for what is held without one."""
    reached: Int32s
    """The live nodes, holders before what they hold."""


def find_ways(index: HeapIndex) -> Ways:
    """The preferred way to every live object."""
    search = preferred_ways(index, np.flatnonzero(index.live).astype(np.int32))
    return Ways(search.parent, search.parent_edge, search.order[: search.count])


def births(ways: Ways, born: Int8s, parts: Bools) -> Int8s:
    """``born`` without the parts that took the place of a freed one of their class: as old as what they belong to.

    ``parts`` by node: strings, lists, tasks and the like, of which a service frees and makes so many that places are
    soon taken again. A part that a younger object holds was made for it, or is at least its own now.
    """
    result = born.copy()
    inner = ways.reached[parts[ways.reached] & (ways.parent[ways.reached] >= 0)]
    for _ in range(_DEEPEST_PART):
        above = result[ways.parent[inner]]
        later = above > result[inner]
        if not later.any():
            break
        result[inner[later]] = above[later]
        inner = inner[~later]
    return result


@dataclass(frozen=True)
class Owned:
    """The new, live objects of a heap: parallel arrays, holders before what they hold."""

    node: Int32s
    group: Int32s
    groups: int
    head: Int32s
    """By entry: the head it belongs to, as a node; itself if it is one."""


def owned_objects(index: HeapIndex, ways: Ways, born: Int8s) -> Owned:
    """``born`` by node: 0 for what is old. Frames are never heads: a thread that starts makes them."""
    inside = (born != 0) & (index.live != 0) & (index.graph.flags & Node.FRAME == 0)
    node = ways.reached[inside[ways.reached]]
    head_of = _tops(ways.parent, node, inside)
    heads, which = np.unique(head_of[node], return_inverse=True)
    group_of_head, groups = _groups(index, heads.astype(np.int32))
    return Owned(node, group_of_head[which], groups, head_of[node])


def hang_by_chance(index: HeapIndex, ways: Ways, nodes: Int32s) -> Bools:
    """Which of ``nodes`` (ascending) are reached through another of them that does not keep them alive.

    So is a request in work that shares a pooled parser, or an event's handler, with one that is leaked.
    """
    above = ways.parent[nodes]
    for _ in range(_FARTHEST):
        climbing = (above >= 0) & (rows_of(nodes, above) < 0)
        if not climbing.any():
            break
        above[climbing] = ways.parent[above[climbing]]
    behind = rows_of(nodes, above) >= 0
    into = index.enter[nodes[behind]] - index.enter[above[behind]]
    behind[behind] = (into < 0) | (into >= index.size[above[behind]])
    return behind


def _tops(parent: Int32s, nodes: Int32s, inside: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Int32s:
    """By node: the topmost object above it that is reached through ``inside`` alone; itself for all others."""
    top = np.arange(len(parent), dtype=np.int32)
    below = nodes[(parent[nodes] >= 0) & inside[nodes]]
    below = below[inside[parent[below]]]
    top[below] = parent[below]
    while True:
        further = top[top[below]]
        if np.array_equal(further, top[below]):
            return top
        top[below] = further


def _groups(index: HeapIndex, heads: Int32s) -> tuple[Int32s, int]:
    """Numbers that are equal where the ways of ``heads`` (ascending) have one fingerprint."""
    if not len(heads):
        return np.empty(0, dtype=np.int32), 0
    paths = find_paths(index, heads)
    signature: UInt64s = np.empty(len(heads), dtype=np.uint64)
    signature[np.searchsorted(heads, paths.node[paths.asked])] = paths.signature[paths.asked]
    ways, group = np.unique(signature, return_inverse=True)
    return group.astype(np.int32), len(ways)
