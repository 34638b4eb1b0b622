"""What must hold of a ``HeapGraph`` before anything may index with its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.layout import MAX_OWN_BYTES, MAX_ROWS, MAX_SECONDS
from leakscope.graph.heap import Bounds, Floats, HeapGraph, Int8s, Int32s, Sessions, Types
from leakscope.graph.kinds import Fact, Origin, Ref, Root
from leakscope.graph.values import UNKNOWN_MASK

_SLICE = 1 << 20
_NAMED = (Ref.INTERNAL, Ref.ATTR, Ref.LOCAL, Ref.CELL, Ref.GLOBAL)
_COUNTED = (Ref.INDEX, Ref.STACK)
_MASK_END = 1 << 48
_FACTS_END = 2 * max(Fact)


class BadGraph(ValueError):  # noqa: N818 - says what is wrong, raised on both sides of the file
    """A column points outside its table or is out of order; the text says which."""


def check(graph: HeapGraph, has_labels: bool = True) -> None:
    """Raises BadGraph unless every index, order and length in ``graph`` holds. Linear, in slices.

    Without ``has_labels`` those of the references are left out.
    """
    objects, names, types = graph.objects, len(graph.names), len(graph.types.name)
    _require(objects <= MAX_ROWS and graph.references <= MAX_ROWS, "more rows than a 32-bit index can count")
    _require(_ascending(graph.address), "objects.address does not ascend")
    _require(_within(graph.type, 0, types), "objects.type out of range")
    _require(_within(graph.own_size, 0, MAX_OWN_BYTES), "objects.own_size out of range")
    _check_references(graph, has_labels)
    _check_types(graph.types, objects)
    _require(_rows_fit(graph.labels.node, objects), "labels.node out of range or order")
    _require(_within(graph.labels.name, 0, names), "labels.name out of range")
    frames = graph.frames
    _require(_rows_fit(frames.node, objects), "frames.node out of range or order")
    _require(_within(frames.function, 0, names), "frames.function out of range")
    _require(_within(frames.file, 0, names), "frames.file out of range")
    _require(_within(frames.line, 0, MAX_ROWS), "frames.line out of range")
    roots = graph.roots
    _require(_within(roots.node, 0, objects), "roots.node out of range")
    _require(_within(roots.name, -1, names), "roots.name out of range")
    _require(_in_runs(roots.kind, len(Root)), "roots.kind out of range or order")
    for table, origin in (("types", graph.types.origin), ("frames", frames.origin), ("roots", roots.origin)):
        _require(_within(origin, 0, len(Origin)), f"{table}.origin out of range")
    if graph.sessions is not None:
        _check_sessions(graph.sessions, objects, names)
    if graph.bounds is not None:
        _check_bounds(graph.bounds, objects)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise BadGraph(problem)


def _within(values: npt.NDArray[Any], low: float, end: float) -> bool:
    return len(values) == 0 or bool(values.min() >= low and values.max() < end)


def _ascending(values: npt.NDArray[Any]) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _rows_fit(node: Int32s, objects: int) -> bool:
    return _ascending(node) and _within(node, 0, objects)


def _in_runs(kind: Int8s, kinds: int) -> bool:
    """Whether equal values lie together."""
    starts = np.count_nonzero(kind[1:] != kind[:-1]) + 1 if len(kind) else 0
    return _within(kind, 0, kinds) and starts == len(np.unique(kind))


def _check_sessions(sessions: Sessions, objects: int, names: int) -> None:
    _require(_rows_fit(sessions.node, objects), "sessions.node out of range or order")
    _require(_within(sessions.rule, 0, names), "sessions.rule out of range")
    for column in ("id_name", "created_from", "state"):
        _require(_within(getattr(sessions, column), -1, names), f"sessions.{column} out of range")
    known = sessions.id[sessions.id != np.uint64(UNKNOWN_MASK)]
    _require(_within(known, 0, _MASK_END), "sessions.id is no mask")
    for column in ("created", "used", "expires"):
        _require(_are_times(getattr(sessions, column), -MAX_SECONDS), f"sessions.{column} is no time")
    _require(_are_times(sessions.ttl, 0.0), "sessions.ttl is no duration")
    _require(_within(sessions.facts, 0, _FACTS_END), "sessions.facts out of range")


def _check_bounds(bounds: Bounds, objects: int) -> None:
    _require(_rows_fit(bounds.node, objects), "bounds.node out of range or order")
    _require(_within(bounds.limit, 0, MAX_ROWS), "bounds.limit out of range")


def _are_times(values: Floats, least: float) -> bool:
    """Whether all are seconds from ``least`` to ``MAX_SECONDS``, or NaN."""
    known = values[~np.isnan(values)]
    return _within(known, least, MAX_SECONDS)


def _check_types(types: Types, objects: int) -> None:
    count = len(types.name)
    _require(_within(types.node, -1, objects), "types.node out of range")
    _require(_within(types.base, -1, count), "types.base out of range")
    above = np.append(types.base, np.int32(-1))  # so that -1, "no base", is its own base
    for _ in range(count.bit_length()):
        above = above[above]
    _require(bool((above == -1).all()), "types.base runs in a circle")


def _check_references(graph: HeapGraph, has_labels: bool) -> None:
    first = graph.first_ref
    _require(len(first) == graph.objects + 1, "references are not one row per object")
    _require(bool(first[0] == 0 and first[-1] == graph.references), "references do not add up")
    _require(bool((first[1:] >= first[:-1]).all()), "references.source does not ascend")
    low, end = _label_bounds(graph.objects, len(graph.names))
    for start in range(0, graph.references, _SLICE):
        part = slice(start, start + _SLICE)
        kind = graph.kind[part]
        _require(_within(graph.target[part], 0, graph.objects), "references.target out of range")
        _require(_within(kind, 0, len(Ref)), "references.kind out of range")
        if not has_labels:
            continue
        label = graph.label[part]
        wrong = (label < low[kind]) | (label > end[kind])
        if wrong.any():
            row = int(wrong.argmax())
            name = Ref(int(kind[row])).name
            raise BadGraph(f"references.label {int(label[row])} is out of range for {name}")


def _label_bounds(objects: int, names: int) -> tuple[Int32s, Int32s]:
    """The least and the greatest label of each ``Ref``; see its documentation."""
    low, last = np.full(len(Ref), -1, np.int32), np.full(len(Ref), -1, np.int32)
    for kind in _NAMED:
        low[kind], last[kind] = 0, names - 1
    for kind in _COUNTED:
        low[kind], last[kind] = 0, MAX_ROWS
    low[Ref.KEY], last[Ref.KEY] = 0, objects - 1
    last[Ref.C_FIELD] = MAX_ROWS
    return low, last
