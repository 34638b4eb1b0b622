"""How long containers were in each snapshot, and what became of what was put into them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from leakscope.analysis.identity import Series
from leakscope.analysis.ownership import Ways
from leakscope.graph.heap import HeapGraph, Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.graph.navigation import references_of, rows_of

VALUES = (Ref.KEY, Ref.INDEX, Ref.ITEM)
"""References that make something an element of a container."""
ELEMENTS = (*VALUES, Ref.DICT_KEY)
_UTIL, _CONCURRENT = "java.util.", "java.util.concurrent."
OF_JAVA = frozenset({
    *(_UTIL + name for name in ("HashMap", "LinkedHashMap", "Hashtable", "WeakHashMap", "IdentityHashMap", "TreeMap",
      "HashSet", "LinkedHashSet", "TreeSet", "ArrayList", "Vector", "Stack", "LinkedList", "ArrayDeque",
      "PriorityQueue", "EnumMap")),
    *(_CONCURRENT + name for name in ("ConcurrentHashMap", "CopyOnWriteArrayList", "LinkedBlockingQueue",
      "LinkedBlockingDeque", "ArrayBlockingQueue", "PriorityBlockingQueue", "ConcurrentLinkedQueue",
      "ConcurrentLinkedDeque")),
})  # fmt: skip
"""Collections of the JDK that have elements in a heap read from a dump."""
_FARTHEST = 64
_FIXED = frozenset({"tuple", "frozenset", "functools._HashedSeq"})


@dataclass(frozen=True)
class Contents:
    """What a set of containers held over time."""

    containers: Int32s
    """Nodes of the last snapshot."""
    lengths: tuple[int, ...]
    """All elements by snapshot."""
    born: tuple[int, ...]
    """By step but the last: elements that were not there before."""
    stayed: tuple[int, ...]
    """By step but the last: how many of these are still there at the end."""


def innermost_container(graph: HeapGraph, ways: Ways, nodes: Int32s) -> tuple[Int32s, Int32s]:
    """``(container, element)``: of which container each node, or what carries it, is an element; -1 without one.

    A tuple is no container but a carrier: nothing is put into it later.
    """
    fixed = np.array([name in _FIXED for name in graph.types.name], dtype=np.bool_)
    current = nodes.copy()
    container = np.full(len(nodes), -1, dtype=np.int32)
    open_ = np.arange(len(nodes))
    for _ in range(_FARTHEST):
        above, edge = ways.parent[current[open_]], ways.edge[current[open_]]
        rooted = (above < 0) | (edge < 0)
        element = ~rooted & np.isin(graph.kind[edge.clip(0)], ELEMENTS) & ~fixed[graph.type[above.clip(0)]]
        container[open_[element]] = above[element]
        going = ~rooted & ~element
        open_, above = open_[going], above[going]
        current[open_] = above
        if not len(open_):
            break
    return container, np.where(container >= 0, current, -1).astype(np.int32)


def contents(series: Series, ways: Ways, containers: Int32s, kinds: tuple[int, ...], classes: Int32s) -> Contents:
    """``containers`` (unique nodes of the last snapshot) over time.

    Elements are references of ``kinds``; births count only those whose class is among ``classes`` (numbers).
    """
    lengths, held = [], []
    for step, graph in enumerate(series.graphs):
        _, position = references_of(graph, _then(series, ways, containers, step))
        target = graph.target[position[np.isin(graph.kind[position], kinds)]]
        lengths.append(len(target))
        chosen = np.zeros(graph.objects, dtype=np.bool_)
        chosen[target[np.isin(series.class_numbers(step)[target], classes)]] = True
        held.append(series.ids(step)[chosen])
    born, stayed = [], []
    for before, after in pairwise(held[:-1]):
        fresh = np.setdiff1d(after, before, assume_unique=True)
        born.append(len(fresh))
        stayed.append(int(np.count_nonzero(np.isin(fresh, held[-1], assume_unique=True))))
    return Contents(containers, tuple(lengths), tuple(born), tuple(stayed))


def _then(series: Series, ways: Ways, containers: Int32s, step: int) -> Int32s:
    """Those of ``containers`` that snapshot ``step`` has, and tables that had the place of one that it has not."""
    nodes = series.earlier(containers, step)
    new = containers[nodes < 0]
    edge = ways.edge[new]
    replaced = new[(edge >= 0) & (series.last.kind[edge.clip(0)] == Ref.DICT)]
    graph, holders = series.graphs[step], series.earlier(ways.parent[replaced], step)
    _, position = references_of(graph, holders[holders >= 0])
    tables = graph.target[position[graph.kind[position] == Ref.DICT]]
    return np.union1d(nodes[nodes >= 0], tables).astype(np.int32)


def lengths_by_name(series: Series, ways: Ways, container: int) -> tuple[int, ...] | None:
    """Lengths of whatever the container's holder called by its name in each snapshot; None if it has no name.

    For containers that are replaced by a longer copy each time.
    """
    graph = series.last
    holder, edge = int(ways.parent[container]), int(ways.edge[container])
    if holder < 0 or edge < 0 or graph.kind[edge] not in (*NAMED, Ref.DICT):
        return None
    kind = int(graph.kind[edge])
    name = graph.names[int(graph.label[edge])] if kind in NAMED else None
    lengths = []
    for step, earlier in enumerate(series.graphs):
        there = series.earlier(np.array([holder], dtype=np.int32), step)
        lengths.append(_length_of_named(earlier, int(there[0]), kind, name))
    return tuple(lengths)


def _length_of_named(graph: HeapGraph, holder: int, kind: int, name: str | None) -> int:
    if holder < 0:
        return 0
    for position in range(int(graph.first_ref[holder]), int(graph.first_ref[holder + 1])):
        if graph.kind[position] == kind and (name is None or graph.names[int(graph.label[position])] == name):
            return length(graph, int(graph.target[position]))
    return 0


def length(graph: HeapGraph, container: int) -> int:
    """How many elements a container has."""
    kinds = graph.kind[int(graph.first_ref[container]) : int(graph.first_ref[container + 1])]
    return int(np.count_nonzero(np.isin(kinds, VALUES)))


def bounded(graph: HeapGraph, ways: Ways, containers: Int32s) -> bool:
    """Whether all of ``containers``, or the objects whose parts they are, limit their length and keep to it."""
    if graph.bounds is None or not len(containers):
        return False
    limit = np.full(len(containers), -1, dtype=np.int64)
    current = containers.copy()
    for _ in range(4):
        row = rows_of(graph.bounds.node, current)
        found = (row >= 0) & (limit < 0)
        limit[found] = graph.bounds.limit[row[found]]
        above: Int32s = ways.parent[current]
        edge = ways.edge[current]
        inside = (above >= 0) & (edge >= 0) & np.isin(graph.kind[edge.clip(0)], (Ref.DICT, Ref.ATTR, Ref.INTERNAL))
        current = np.where(inside, above, current).astype(np.int32)
    lengths = lengths_of(graph, containers)
    return bool(np.all((limit >= 0) & (lengths <= limit)))


def lengths_of(graph: HeapGraph, containers: Int32s) -> Int64s:
    """How many elements each of the distinct ``containers`` has; of a set of keys alone the keys."""
    holder, position = references_of(graph, containers)
    elements = holder[np.isin(graph.kind[position], VALUES)]
    order = np.argsort(containers)
    count = np.zeros(len(containers), dtype=np.int64)
    count[order] = np.bincount(np.searchsorted(containers[order], elements), minlength=len(containers))
    return count


def since_members(series: Series, ways: Ways, parts: npt.NDArray[np.bool_]) -> Int8s:
    """``series.born``, but ``parts`` (by node) that are elements of containers are as old as their membership.

    Places of strings, dicts and tasks are soon taken again: that one was there before says little, that it was in the
    same container says that it is the same.
    """
    born = series.born.copy()
    kind = series.last.kind[ways.edge.clip(0)]
    element = parts & (ways.edge >= 0) & np.isin(kind, ELEMENTS)
    nodes = ways.reached[element[ways.reached]]
    for step in range(series.steps):
        graph = series.graphs[step]
        old = nodes[born[nodes] <= step]
        here, holder = series.earlier(old, step), series.earlier(ways.parent[old], step)
        there = holder >= 0
        is_holder = np.zeros(graph.objects, dtype=np.bool_)
        is_holder[holder[there]] = True
        source, position = references_of(graph, np.flatnonzero(is_holder))
        members = np.append(np.sort(source.astype(np.int64) * graph.objects + graph.target[position]), np.int64(-1))
        asked = holder.astype(np.int64) * graph.objects + here
        place = np.searchsorted(members[:-1], asked)
        born[old[~there | (members[place] != asked)]] = step + 1
    return born
