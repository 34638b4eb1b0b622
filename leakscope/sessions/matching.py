"""Which objects a rule is about: instances of its classes, or dicts that have its keys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Int32s
from leakscope.graph.kinds import Node, Ref
from leakscope.sessions.names import NOT_INSTANCES, says_session
from leakscope.sessions.paths import Heap
from leakscope.sessions.rules import Rule

Bools = npt.NDArray[np.bool_]


class Matcher:
    """Finds the objects of rules in one heap; what all rules need is worked out once."""

    def __init__(self, heap: Heap, rules: Sequence[Rule]) -> None:
        self._heap = heap
        graph = heap.graph
        self._fit = (graph.flags & (Node.CLASS | Node.FRAME | Node.MODULE)) == 0
        self._keys = _Keys(heap, rules)
        asked = np.zeros(len(graph.types.name), dtype=np.bool_)
        for rule in rules:
            asked |= self._guessed if rule.guess else heap.lineage.below(*rule.classes)
        self._candidates = np.flatnonzero(asked[graph.type] & self._fit).astype(np.int32)
        self._type = graph.type[self._candidates]

    def objects_of(self, rule: Rule) -> Int32s:
        """Nodes, ascending, that ``rule`` is about, garbage included; its ``when`` is not asked."""
        if rule.keys:
            nodes = self._keys.dicts_with(rule.keys)
            fit: Int32s = nodes[self._fit[nodes]]
            return fit
        return self._of(self.types_of(rule))

    def _of(self, of_class: Bools) -> Int32s:
        if not of_class.any():
            return np.empty(0, dtype=np.int32)
        found: Int32s = self._candidates[of_class[self._type]]
        return found

    @cached_property
    def _guessed(self) -> Bools:
        lineage = self._heap.lineage
        says = np.array([says_session(name) for name in self._heap.graph.types.name], dtype=np.bool_)
        return lineage.with_subclasses(says) & ~lineage.below(*NOT_INSTANCES)

    def types_of(self, rule: Rule) -> Bools:
        """By type: whether instances of it are meant."""
        lineage = self._heap.lineage
        if rule.guess:
            return self._guessed
        return lineage.below(*rule.classes) & ~lineage.below(*rule.not_classes)

    def refused_by(self, rule: Rule) -> Int32s:
        """Nodes of the classes that ``rule`` excepts: its author knows them and says that they are no sessions."""
        lineage = self._heap.lineage
        return self._of(lineage.below(*rule.classes) & lineage.below(*rule.not_classes))


class _Keys:
    """Which dicts have which of the keys that rules ask for; the heap's keys are read once for all of them."""

    def __init__(self, heap: Heap, rules: Sequence[Rule]) -> None:
        self._wanted = sorted({key for rule in rules for key in rule.keys})
        if not self._wanted:
            return
        graph = heap.graph
        entries = np.flatnonzero(graph.kind == Ref.KEY)
        key_nodes, inverse = np.unique(graph.label[entries], return_inverse=True)
        known = (key_nodes >= 0) & (key_nodes < graph.objects)
        which = np.full(len(key_nodes), -1, dtype=np.int32)
        which[known] = heap.source.same_text(key_nodes[known].astype(np.int32), self._wanted)
        asked = which[inverse] >= 0
        self._which = which[inverse][asked]
        self._holder = np.searchsorted(graph.first_ref, entries[asked], side="right") - 1

    def dicts_with(self, keys: Sequence[str]) -> Int32s:
        """Nodes, ascending, that have all of ``keys``."""
        numbers = [self._wanted.index(key) for key in set(keys)]
        holders, count = np.unique(self._holder[np.isin(self._which, numbers)], return_counts=True)
        found: Int32s = holders[count == len(numbers)].astype(np.int32)
        return found
