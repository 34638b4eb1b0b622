"""Which objects of one snapshot are those of an earlier one of the same process: same address, same class.

Where a collector moves objects it is the way to them that tells them (``moved``).

A freed object's place may be taken by another of its class. Such a one is taken for a
survivor; whoever concludes from survivors also looks at how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.moved import ids_by_way
from leakscope.graph.facts import keeps_places, one_process
from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Node


@dataclass(frozen=True)
class Series:
    """Snapshots of one process in the order of their capture, the last of which is the one that is explained."""

    graphs: tuple[HeapGraph, ...]
    known_births: Int8s | None = None
    """``born``, where somebody knows better than the addresses do."""

    @property
    def last(self) -> HeapGraph:
        """The newest heap."""
        return self.graphs[-1]

    @property
    def steps(self) -> int:
        """How many steps lie between the snapshots."""
        return len(self.graphs) - 1

    @cached_property
    def class_names(self) -> list[str]:
        """All names of classes; a class's number is its place here, in all snapshots."""
        return list(dict.fromkeys(name for graph in self.graphs for name in graph.types.name))

    @cached_property
    def _class_of_type(self) -> list[Int32s]:
        number = {name: row for row, name in enumerate(self.class_names)}
        return [np.array([number[name] for name in graph.types.name], dtype=np.int32) for graph in self.graphs]

    def class_numbers(self, step: int) -> Int32s:
        """By node of snapshot ``step``: the number of its class."""
        numbers: Int32s = self._class_of_type[step][self.graphs[step].type]
        return numbers

    @cached_property
    def totals(self) -> npt.NDArray[np.int64]:
        """Live objects by snapshot and class."""
        rows = []
        for step, graph in enumerate(self.graphs):
            live = graph.flags & Node.GARBAGE == 0
            rows.append(np.bincount(self.class_numbers(step)[live], minlength=len(self.class_names)))
        return np.array(rows, dtype=np.int64)

    def earlier(self, nodes: Int32s, step: int) -> Int32s:
        """By node of the last snapshot: the same object in snapshot ``step``, -1 where it was not there."""
        there = self.graphs[step]
        if not there.objects:
            return np.full(len(nodes), -1, dtype=np.int32)
        ids, order = self._sorted_ids(step)
        wanted = self.ids(self.steps)[nodes]
        place = np.searchsorted(ids, wanted).clip(max=there.objects - 1)
        found = place if order is None else order[place]
        same = ids[place] == wanted
        same &= self._class_of_type[step][there.type[found]] == self._class_of_type[-1][self.last.type[nodes]]
        return np.where(same, found, -1).astype(np.int32)

    def ids(self, step: int) -> Addresses:
        """By node: its address, or what tells it where addresses change."""
        graph = self.graphs[step]
        if keeps_places(graph.facts):
            return graph.address
        if step not in self._known_ids:
            self._known_ids[step] = ids_by_way(HeapIndex(graph))
        return self._known_ids[step]

    def _sorted_ids(self, step: int) -> tuple[Addresses, npt.NDArray[np.int64] | None]:
        """Ids in ascending order, and whose they are; None: of the nodes in their order."""
        if keeps_places(self.graphs[step].facts):
            return self.graphs[step].address, None
        if step not in self._known_orders:
            ids = self.ids(step)
            order = np.argsort(ids, kind="stable")
            self._known_orders[step] = ids[order], order
        return self._known_orders[step]

    @cached_property
    def _known_ids(self) -> dict[int, Addresses]:
        return {}

    @cached_property
    def _known_orders(self) -> dict[int, tuple[Addresses, npt.NDArray[np.int64]]]:
        return {}

    @cached_property
    def born(self) -> Int8s:
        """By node of the last snapshot: the step in which it was born, 0 if the first snapshot has it already."""
        if self.known_births is not None:
            return self.known_births
        nodes = np.arange(self.last.objects, dtype=np.int32)
        born = np.full(len(nodes), self.steps, dtype=np.uint8)
        for step in range(self.steps - 1, -1, -1):
            asked = nodes[born == step + 1]
            born[asked[self.earlier(asked, step) >= 0]] = step
        return born


def same_process(graphs: Sequence[HeapGraph]) -> bool:
    """Whether all heaps say that they are of one process, by PID and start or by their objects."""
    return one_process([graph.facts for graph in graphs])
