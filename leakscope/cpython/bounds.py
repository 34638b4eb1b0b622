"""Which containers have a limit, so that they cannot be what grows: deques, caches, and owners that say so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Bounds, HeapGraph, Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.graph.values import Value, Values, ValueSource

ATTRIBUTES = frozenset({
    "maxsize", "max_size", "_maxsize", "maxlen", "max_entries", "capacity", "_max_size", "max_items", "limit",
    "size_limit", "max_queue_size", "pool_size", "_pool_size", "max_connections",
})  # fmt: skip
"""Attributes that hold the most entries their object keeps; also private to a class, ``_Cache__maxsize``."""

MOST = 1_000_000_000
"""Who allows more than these limits nothing."""


_LIMITED = frozenset({"collections.deque", "functools._lru_cache_wrapper"})


def read_bounds(graph: HeapGraph, values: ValueSource) -> Bounds:
    """All limits that C code keeps (``@maxsize``) or that a whole number in an attribute says.

    Of several numbers that one object says, the largest: the least that is certain.
    """
    built_in = _with_c_limit(graph)
    own = values.c_numbers(built_in, "maxsize")
    holder, value = _attributes(graph)
    said = values.values(value)
    return _table(
        np.concatenate([built_in[_is_limit(own, 0)], holder[_is_limit(said, 1)]]),
        np.concatenate([own.number[_is_limit(own, 0)], said.number[_is_limit(said, 1)]]).astype(np.int64),
    )


def _is_limit(values: Values, least: int) -> npt.NDArray[np.bool_]:
    fits: npt.NDArray[np.bool_] = (values.kind == Value.INT) & (values.number >= least) & (values.number <= MOST)
    return fits


def _with_c_limit(graph: HeapGraph) -> Int32s:
    """Nodes whose type is, or has as a base, one that C code limits."""
    types = graph.types
    limited = np.array([name in _LIMITED for name in types.name], bool)
    for _ in range(len(types.base).bit_length() + 1):
        limited |= (types.base >= 0) & limited[types.base]
    return np.flatnonzero(limited[graph.type]).astype(np.int32)


def _attributes(graph: HeapGraph) -> tuple[Int32s, Int32s]:
    """``(holder, value)`` nodes of every attribute named in ``ATTRIBUTES``; the holder is the instance."""
    wanted = np.array([name in ATTRIBUTES or ("__" in name and _is_private(name)) for name in graph.names], bool)
    if not wanted.any():
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    position = np.flatnonzero(graph.kind == Ref.ATTR)
    position = position[wanted[graph.label[position]]]
    holder = (np.searchsorted(graph.first_ref, position, side="right") - 1).astype(np.int32)
    owner, entry = _owners(graph, holder)
    own = np.ones(len(holder), bool)
    own[entry] = False
    return np.concatenate([holder[own], owner]), graph.target[np.concatenate([position[own], position[entry]])]


def _is_private(name: str) -> bool:
    """Whether it is ``_Class__attribute``, as Python writes ``__attribute`` inside ``Class``."""
    owner, _, attribute = name.rpartition("__")
    return len(owner) > 1 and owner[0] == "_" and attribute in ATTRIBUTES


def _owners(graph: HeapGraph, holder: Int32s) -> tuple[Int32s, Int64s]:
    """``(owner, i)``: for each of ``holder`` (ascending) that is a ``__dict__``, the objects whose it is."""
    is_holder = np.zeros(graph.objects, bool)
    is_holder[holder] = True
    position = np.flatnonzero(graph.kind == Ref.DICT)
    position = position[is_holder[graph.target[position]]]
    owner = np.searchsorted(graph.first_ref, position, side="right") - 1
    first = np.searchsorted(holder, graph.target[position], side="left")
    count = np.searchsorted(holder, graph.target[position], side="right") - first
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(owner, count).astype(np.int32), np.repeat(first, count) + within


def _table(node: Int32s, limit: Int64s) -> Bounds:
    """Ascending and unique, with the largest limit of each."""
    order = np.lexsort((limit, node))
    node, limit = node[order], limit[order]
    last = np.append(node[1:] != node[:-1], True)[: len(node)]
    return Bounds(node[last], limit[last])
