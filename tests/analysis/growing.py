"""Snapshots of one imaginary process: the same program laid out again with more in it, at the same addresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.heaps import Graph, Heap, Thing

Fill = Callable[[Heap, int], None]
"""Puts into a heap what is there in snapshot number 0, 1, ...; whatever an earlier one had comes first."""


def series(fill: Fill, snapshots: int) -> list[Graph]:
    """``fill``'s heaps as captures of one process, a minute apart."""
    graphs = []
    for number in range(snapshots):
        heap = Heap()
        heap.facts = {"pid": 7, "started_at": 1000.0, "captured_at": 2000.0 + 60 * number}
        fill(heap, number)
        graphs.append(heap.graph())
    return graphs


def program(heap: Heap, classes: Sequence[str] = ("app.Session", "app.Page")) -> Thing:
    """A module ``app`` whose namespace is returned; classes have the same addresses in every heap."""
    for name in ("dict", "list", "str", "int", "set", "tuple", "weakref", "function", "cell", "method", *classes):
        heap.cls(name)
    heap.module("app", held=heap.dict({}))
    return next(thing for thing in heap.things if thing.type == "module")


def sessions(heap: Heap, count: int, kind: str = "app.Session") -> list[Thing]:
    """``count`` objects with a dict and a list each."""
    return [heap.object(kind, data=heap.dict({}), log=heap.list()) for _ in range(count)]
