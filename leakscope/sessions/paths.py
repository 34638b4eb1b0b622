"""Follows paths through the graph, for many objects at once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.graph.facts import language
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.graph.values import PlainFields, Value, Values, ValueSource
from leakscope.kernels.edges import Edges
from leakscope.kernels.fields import follow, follow_index, follow_key, follow_kind, keys_of
from leakscope.sessions.lineage import Lineage
from leakscope.sessions.steps import Index, Key, Name, Path, Step, Steps

Bools = npt.NDArray[np.bool_]
PLAIN = (Value.NONE, Value.BOOL, Value.INT, Value.FLOAT, Value.TEXT, Value.BYTES)
"""What is taken from a class if an instance has no such attribute; a property or a slot is no value."""
_MASK_LENGTH = 13


class Heap:
    """A graph, what its objects are worth, and what is worked out once for all rules."""

    def __init__(self, graph: HeapGraph, source: ValueSource) -> None:
        self.graph = graph
        self.source = source
        self.edges = Edges(graph.first_ref, graph.target, graph.kind, list(Ref))
        self.lineage = Lineage(graph)
        self._defaults: dict[int, Int32s] = {}
        self._plain = source if isinstance(source, PlainFields) else None
        self._keys_are_names = language(graph.facts) == "javascript"

    @cached_property
    def name_number(self) -> dict[str, int]:
        """Index into ``graph.names`` by text; masks of keys, of which there may be millions, are not looked for."""
        names = self.graph.names
        return {name: number for number, name in enumerate(names) if len(name) != _MASK_LENGTH or name[0] != "#"}

    def is_a(self, nodes: Int32s, class_name: str) -> Bools:
        """Whether each node's class is, or derives from, the one of that full name; false for node -1."""
        nodes = self.objects(nodes)
        there = np.flatnonzero(nodes >= 0)
        result = np.zeros(len(nodes), dtype=np.bool_)
        of_class = self.lineage.below(class_name)
        if len(there) and of_class.any():
            result[there] = of_class[self.graph.type[nodes[there]]]
        return result

    def values(self, nodes: Int32s) -> Values:
        """What each node is worth; most paths of most rules lead nowhere, and that costs nothing."""
        there = np.flatnonzero(nodes >= 0)
        if len(there) == len(nodes):
            return self.source.values(nodes)
        found = Values(np.zeros(len(nodes), dtype=np.uint8), np.full(len(nodes), np.nan))
        if len(there):
            known = self.source.values(nodes[there])
            found.kind[there], found.number[there] = known.kind, known.number
        return found

    def worth(self, nodes: Int32s, path: Path) -> Values:
        """What each node at the end of ``path`` is worth, or the number that C code keeps in it."""
        return self.source.c_numbers(nodes, path.number) if path.number else self.values(nodes)

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        """By node: which of ``wanted`` it is, -1 none."""
        there = np.flatnonzero(nodes >= 0)
        found = np.full(len(nodes), -1, dtype=np.int32)
        if len(there):
            found[there] = self.source.same_text(nodes[there], wanted)
        return found

    def objects(self, nodes: Int32s) -> Int32s:
        """By node: itself, -1 if it is a number in another object."""
        if self._plain is None or nodes.max(initial=-1) < self.graph.objects:
            return nodes
        return np.where(nodes < self.graph.objects, nodes, np.int32(-1))

    def step(self, nodes: Int32s, step: Step) -> Int32s:
        """By node: where one step leads, -1 for nowhere."""
        nodes = self.objects(nodes)
        if isinstance(step, Name):
            return self._attribute(nodes, step.text)
        if isinstance(step, Key):
            found = self._entry(nodes, step.text)
            # In JavaScript o['a'] is o.a.
            return np.where(found >= 0, found, self._attribute(nodes, step.text)) if self._keys_are_names else found
        if isinstance(step, Index):
            return follow_index(self.edges, self.graph.label, nodes, step.position)
        return self.referents(nodes)

    def referents(self, nodes: Int32s) -> Int32s:
        """What weak references refer to, -1 once it is gone."""
        found = follow_kind(self.edges, self.graph.label, self.objects(nodes), Ref.WEAK)
        gone = self.values(found).kind == Value.NONE
        return np.where(gone, np.int32(-1), found)

    def _attribute(self, nodes: Int32s, name: str) -> Int32s:
        if name not in self.name_number:
            return np.full(len(nodes), -1, np.int32) if self._plain is None else self._plain.plain_fields(nodes, name)
        found = self._referred(nodes, self.name_number[name])
        lacking = np.flatnonzero((found < 0) & (nodes >= 0))
        if self._plain is not None and len(lacking):
            found[lacking] = self._plain.plain_fields(nodes[lacking], name)
        return found

    def _referred(self, nodes: Int32s, number: int) -> Int32s:
        found = follow(self.edges, self.graph.label, nodes, number, NAMED)
        lacking = np.flatnonzero((found < 0) & (nodes >= 0))
        if len(lacking):
            found[lacking] = self._class_default(number)[self.graph.type[nodes[lacking]]]
        return found

    def _class_default(self, number: int) -> Int32s:
        """By type: the plain value that its class, or the first of its bases with this name, gives to instances."""
        if number not in self._defaults:
            graph = self.graph
            held = follow(self.edges, graph.label, graph.types.node, number, (Ref.GLOBAL,))
            inherited = self.lineage.first_with(held)
            plain = np.isin(self.values(inherited).kind, PLAIN)
            self._defaults[number] = np.where(plain, inherited, np.int32(-1))
        return self._defaults[number]

    def _entry(self, nodes: Int32s, text: str) -> Int32s:
        keys = keys_of(self.edges, self.graph.label, nodes)
        is_key = np.zeros(self.graph.objects, dtype=np.uint8)
        is_key[keys[self.source.same_text(keys, [text]) == 0]] = 1
        return follow_key(self.edges, self.graph.label, nodes, is_key)


class Objects:
    """Some objects of a heap, and where paths lead from them; each beginning of a path is followed once."""

    def __init__(self, heap: Heap, nodes: Int32s) -> None:
        self.heap = heap
        self.nodes = nodes
        self._reached: dict[Steps, Int32s] = {(): nodes}
        self._read: dict[Path, Values] = {}

    def __len__(self) -> int:
        return len(self.nodes)

    def at(self, steps: Steps) -> Int32s:
        """By object: the node that ``steps`` lead to, -1 for nowhere."""
        if steps not in self._reached:
            before = self.at(steps[:-1])
            found = before if before is self._nowhere else self.heap.step(before, steps[-1])
            self._reached[steps] = found if (found >= 0).any() else self._nowhere
        return self._reached[steps]

    def values(self, path: Path) -> Values:
        """By object: what stands at the end of ``path``."""
        nodes = self.at(path.steps)
        if nodes is self._nowhere:
            return self._nothing
        if path not in self._read:
            self._read[path] = self.heap.worth(nodes, path)
        return self._read[path]

    @cached_property
    def _nowhere(self) -> Int32s:
        """Where most paths of most rules lead, once for all of them."""
        return np.full(len(self), -1, dtype=np.int32)

    @cached_property
    def _nothing(self) -> Values:
        """What is there."""
        return Values(np.zeros(len(self), dtype=np.uint8), np.full(len(self), np.nan))
