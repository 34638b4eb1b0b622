"""What a registry, named ``module:attribute.path``, still has."""

from __future__ import annotations

import numpy as np

from leakscope.graph.heap import HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Ref, Root
from leakscope.graph.navigation import references_of
from leakscope.sessions.paths import Bools, Heap
from leakscope.sessions.steps import Name, parse_path


def registered(heap: Heap, registry: str, sessions: Int32s) -> Bools | None:
    """By session (ascending nodes): whether the registry has it, directly or in a tuple or record of its own.

    Weak registries count like any other. None if the heap has no such registry.
    """
    container = _container(heap, registry)
    if container < 0:
        return None
    first = _held_by(heap.graph, np.array([container], dtype=np.int32))
    between = np.setdiff1d(first, sessions, assume_unique=True)
    return np.isin(sessions, first) | np.isin(sessions, _held_by(heap.graph, between))


def _container(heap: Heap, registry: str) -> int:
    """The container's node, -1 if the path leads nowhere. Of ``UserDict`` and weak dicts it is the dict inside."""
    module, _, path = registry.partition(":")
    roots = heap.graph.roots
    number = heap.name_number.get(module, -2)
    named = roots.node[(roots.kind == Root.MODULE) & (roots.name == number)]
    if not len(named):
        return -1
    node = named[:1].astype(np.int32)
    for step in parse_path(path).steps:
        node = heap.step(node, step)
    inside = heap.step(node, Name("data"))
    return int(inside[0] if inside[0] >= 0 else node[0])


def _held_by(graph: HeapGraph, holders: Int32s) -> Int32s:
    """What ``holders`` and their ``__dict__`` refer to, weakly too; ascending, unique."""
    target, kind = _references(graph, holders)
    behind, _ = _references(graph, np.unique(target[kind == Ref.DICT]))
    return np.unique(np.concatenate((target[kind != Ref.TYPE], behind)))


def _references(graph: HeapGraph, holders: Int32s) -> tuple[Int32s, Int8s]:
    _, position = references_of(graph, holders)
    return graph.target[position], graph.kind[position]
