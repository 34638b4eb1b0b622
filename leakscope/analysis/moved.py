"""Ids for the objects of a heap whose collector moves them: the same way from a root, the same object.

A way is spelled with all its names and keys. What is told by neither, elements of a list or entries whose keys are
objects, is told by how many there are: of seven where there were five, the last two are new. A session that has an
id of its own is known by it wherever it is held, and what belongs to it goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.ownership import Ways, find_ways
from leakscope.graph.heap import Addresses, HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.graph.values import UNKNOWN_MASK

_STEP, _OF_CLASS, _OF_EDGE, _OF_RANK = (np.uint64(2 * number + 1) for number in (
    0x4F1BBCDCBFA53E0B, 0x3C6EF372FE94F82B, 0x510E527FADE682D1, 0x1F83D9ABFB41BD6B,
))  # fmt: skip
_NOWHERE = np.uint64(1 << 63)


def ids_by_way(index: HeapIndex) -> Addresses:
    """By node: equal in two heaps of one process for the same object. Good within one run of leakscope.

    Garbage has ids that say nothing.
    """
    graph, ways = index.graph, find_ways(index)
    parent = ways.parent.copy()
    mark = _marks(graph, ways)
    _by_own_id(graph, parent, mark)
    with np.errstate(over="ignore"):
        mark += _ranks(parent, mark, ways) * _OF_RANK
        ids = _composed(parent, mark)
    reached = np.zeros(graph.objects, dtype=np.bool_)
    reached[ways.reached] = True
    return np.where(reached, ids, _NOWHERE + np.arange(graph.objects, dtype=np.uint64))


def _marks(graph: HeapGraph, ways: Ways) -> Addresses:
    """By node: its class and how its holder or its root calls it."""
    names, classes = _hashed(graph.names), _hashed(graph.types.name)
    edge = ways.edge
    held = np.flatnonzero(edge >= 0)
    kind, label = graph.kind[edge[held]], graph.label[edge[held]]
    called = np.zeros(graph.objects, dtype=np.uint64)
    named = np.isin(kind, NAMED) & (label >= 0)
    called[held[named]] = names[label[named]]
    keyed = (kind == Ref.KEY) & (label >= 0) & (label < graph.objects)
    called[held[keyed]] = _keys(graph, label[keyed], names, classes)
    roots = np.flatnonzero(graph.roots.name >= 0)
    of_root = roots[edge[graph.roots.node[roots]] < 0]
    called[graph.roots.node[of_root]] = names[graph.roots.name[of_root]]
    with np.errstate(over="ignore"):
        marks: Addresses = classes[graph.type] * _OF_CLASS + called * _OF_EDGE
    return marks


def _keys(graph: HeapGraph, keys: Int32s, names: Addresses, classes: Addresses) -> Addresses:
    """By key: its text, where that is known, else its class."""
    row = np.searchsorted(graph.labels.node, keys).clip(max=max(len(graph.labels.node) - 1, 0))
    if not len(graph.labels.node):
        return classes[graph.type[keys]]
    known = graph.labels.node[row] == keys
    return np.where(known, names[graph.labels.name[row]], classes[graph.type[keys]])


def _by_own_id(graph: HeapGraph, parent: Int32s, mark: Addresses) -> None:
    """Sessions that have an id are held by nothing, and called by id and time of creation."""
    if graph.sessions is None:
        return
    known = np.flatnonzero(graph.sessions.id != UNKNOWN_MASK)
    nodes = graph.sessions.node[known]
    milliseconds = np.nan_to_num(graph.sessions.created[known] * 1000).round().astype(np.int64).astype(np.uint64)
    parent[nodes] = -1
    with np.errstate(over="ignore"):
        mark[nodes] = graph.sessions.id[known] * _OF_EDGE + milliseconds * _OF_CLASS


def _ranks(parent: Int32s, mark: Addresses, ways: Ways) -> Addresses:
    """By node: how many that are called as it is, by the same holder, come before it.

    Before it in their holder: a list keeps its order, whatever order the collector puts its elements in.
    """
    nodes = ways.reached
    order = nodes[np.lexsort((nodes, ways.edge[nodes], mark[nodes], parent[nodes]))]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (parent[order[1:]] != parent[order[:-1]]) | (mark[order[1:]] != mark[order[:-1]])
    first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
    ranks = np.zeros(len(parent), dtype=np.uint64)
    ranks[order] = (np.arange(len(order)) - first).astype(np.uint64)
    return ranks


def _composed(parent: Int32s, mark: Addresses) -> Addresses:
    """``mark + _STEP * mark of the holder + ...`` up to the root, for all nodes in log(depth) passes."""
    above, total = parent.copy(), mark.copy()
    factor = np.full(len(parent), _STEP, dtype=np.uint64)
    below: npt.NDArray[np.int64] = np.flatnonzero(above >= 0)
    while len(below):
        over = above[below]
        further, added, times = above[over], factor[below] * total[over], factor[below] * factor[over]
        total[below] += added
        factor[below], above[below] = times, further
        below = below[further >= 0]
    return total


def _hashed(texts: Iterable[str]) -> Addresses:
    return np.array([hash(text) & 0xFFFFFFFFFFFFFFFF for text in texts], dtype=np.uint64)
