"""To whom parts belong: the object of a class that somebody wrote, above each socket, lock or buffer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.analysis.containers import OF_JAVA
from leakscope.analysis.index import HeapIndex
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Node, Origin, Ref

MOST_LEVELS = 64
REFERRERS_UP = 6
"""How many references above a part its owner is looked for where nothing owns it alone."""
HUB = 16
"""What has more referrers belongs to nobody in particular: an event loop, a pool, a selector."""
MOST_PAIRS = 1 << 20
"""Ways up that are followed at once; whatever the heap, it ends."""
CONTAINERS = OF_JAVA | {"dict", "list", "tuple", "set", "frozenset", "collections.deque", "collections.OrderedDict"}
_NEVER = 0
_STDLIB = 1
_OWN = 2


def owners_of(index: HeapIndex, parts: Int32s) -> Int32s:
    """By part: the node it belongs to; the part itself where no object of a class with a name does.

    First who keeps it alone (dominance). Of those, the outermost that has no other of the ``parts``: for sockets
    of responses the response, not its buffers and not the list of all responses. Else the nearest that has.
    An event loop knows its transports too, so for what nobody keeps alone: the nearest referrer by references.
    The user's and libraries' classes, and sessions, come before those of the standard library.
    """
    rank = ranks(index.graph)
    rank[parts] = _NEVER
    owner, found = _dominating(index, parts, rank)
    open_ = np.flatnonzero(found < _OWN)
    if len(open_):
        near = _referring(index.graph, parts[open_], rank)
        owner[open_] = np.where(near >= 0, near, owner[open_])
    return owner


def ranks(graph: HeapGraph) -> npt.NDArray[np.int8]:
    """By node: how good an owner it would be."""
    by_origin = np.full(len(Origin), _NEVER, dtype=np.int8)
    by_origin[[Origin.USER, Origin.THIRD_PARTY, Origin.STDLIB]] = _OWN, _OWN, _STDLIB
    rank: npt.NDArray[np.int8] = by_origin[graph.types.origin][graph.type]
    builtin = np.array(["." not in name or name in CONTAINERS for name in graph.types.name], dtype=np.bool_)
    rank[builtin[graph.type] | (graph.flags & (Node.CLASS | Node.MODULE | Node.FRAME) != 0)] = _NEVER
    if graph.sessions is not None:
        rank[graph.sessions.node] = _OWN
    return rank


def _dominating(index: HeapIndex, parts: Int32s, rank: npt.NDArray[np.int8]) -> tuple[Int32s, npt.NDArray[np.int8]]:
    """By part: the best dominator, and its rank."""
    owner, best, alone = parts.copy(), np.zeros(len(parts), dtype=np.int8), np.zeros(len(parts), dtype=np.bool_)
    entered = np.sort(index.enter[parts])
    above = index.idom[parts]
    for _ in range(MOST_LEVELS):
        there = np.flatnonzero(above >= 0)
        if not len(there):
            break
        node = above[there]
        first = index.enter[node]
        count = np.searchsorted(entered, first + index.size[node]) - np.searchsorted(entered, first)
        better = (rank[node] > best[there]) | ((rank[node] == best[there]) & (rank[node] > _NEVER) & (count == 1))
        # A container of many such parts, above an owner of one, is no better for being higher.
        better &= ~(alone[there] & (count > 1) & (best[there] == _OWN))
        chosen = there[better]
        owner[chosen], best[chosen], alone[chosen] = node[better], rank[node[better]], (count == 1)[better]
        above[there] = index.idom[node]
    return owner, best


def _referring(graph: HeapGraph, parts: Int32s, rank: npt.NDArray[np.int8]) -> Int32s:
    """By part: the nearest owner of the first rank among who refers to it, at most ``REFERRERS_UP`` away; -1 none."""
    owner = np.full(len(parts), -1, dtype=np.int32)
    passes = passable(graph, rank)
    entry, node = np.arange(len(parts)), parts.astype(np.int64)
    for _ in range(REFERRERS_UP):
        entry, node = one_up(graph, entry, node)
        own = rank[node] == _OWN
        reached = np.zeros(len(parts), dtype=np.bool_)
        reached[entry[own]] = True
        _settle(graph, owner, entry[own], node[own])
        further = ~reached[entry] & passes[node]
        entry, node = entry[further], node[further]
        if not 0 < len(node) <= MOST_PAIRS:
            break
    return owner


def _settle(graph: HeapGraph, owner: Int32s, entry: npt.NDArray[np.int64], node: npt.NDArray[np.int64]) -> None:
    """Of several that are equally near: a session first. Two of one class share the part, so it is neither's."""
    _, group, count = np.unique(np.stack([entry, graph.type[node]]), axis=1, return_inverse=True, return_counts=True)
    single = count[group.reshape(-1)] == 1
    entry, node = entry[single], node[single]
    is_session = np.zeros(len(node), dtype=np.bool_)
    if graph.sessions is not None:
        is_session = np.isin(node, graph.sessions.node)
    order = np.lexsort((-node, is_session))
    owner[entry[order]] = node[order]


def passable(graph: HeapGraph, rank: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """By node: whether what it refers to may belong to who refers to it: containers and instances.

    Not the namespace of a module or class, and not functions, cells and frames: they refer to what they use.
    """
    contains = np.array([name in CONTAINERS for name in graph.types.name], dtype=np.bool_)
    passes: npt.NDArray[np.bool_] = contains[graph.type] | (rank > _NEVER)
    named = np.flatnonzero(graph.kind == Ref.GLOBAL)
    passes[np.searchsorted(graph.first_ref, named, side="right") - 1] = False
    return passes


def one_up(
    graph: HeapGraph, entry: npt.NDArray[np.int64], node: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """``(entry, referrer)`` pairs for ``(entry, node)`` pairs, ascending by entry, each once; hubs lead nowhere."""
    wanted = np.zeros(graph.objects, dtype=np.bool_)
    wanted[node] = True
    position = np.flatnonzero(wanted[graph.target])
    position = position[~np.isin(graph.kind[position], (Ref.WEAK, Ref.TYPE))]
    position = position[np.argsort(graph.target[position], kind="stable")]
    target = graph.target[position]
    holder = np.searchsorted(graph.first_ref, position, side="right") - 1
    first, last = np.searchsorted(target, node), np.searchsorted(target, node, side="right")
    count = np.where(last - first > HUB, 0, last - first)
    offset = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    pairs = np.unique(np.stack([np.repeat(entry, count), holder[np.repeat(first, count) + offset]]), axis=1)
    return pairs[0], pairs[1]
