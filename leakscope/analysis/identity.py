"""Which objects of one snapshot are those of an earlier one of the same process: same address, same class.

A freed object's place may be taken by another of its class. Such a one is taken for a
survivor; whoever concludes from survivors also looks at how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.graph.facts import keeps_places, one_process
from leakscope.graph.heap import HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Node
from leakscope.graph.navigation import rows_of
from leakscope.graph.values import UNKNOWN_MASK

_SAME_S = 1e-3


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
        address = self.last.address[nodes]
        place = np.searchsorted(there.address, address).clip(max=max(there.objects - 1, 0))
        if not there.objects:
            return np.full(len(nodes), -1, dtype=np.int32)
        same = there.address[place] == address
        same &= self._class_of_type[step][there.type[place]] == self._class_of_type[-1][self.last.type[nodes]]
        found = np.where(same, place, -1).astype(np.int32)
        return found if keeps_places(there.facts) else _by_session(self.last, there, nodes, found)

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


def _by_session(graph: HeapGraph, there: HeapGraph, nodes: Int32s, found: Int32s) -> Int32s:
    """``found``, but sessions that have an id are those with the same id and time of creation, wherever they lie."""
    now, then = graph.sessions, there.sessions
    if now is None or then is None:
        return found
    row = rows_of(now.node, nodes)
    asked = np.flatnonzero(row >= 0)
    asked = asked[now.id[row[asked]] != UNKNOWN_MASK]
    order = np.lexsort((then.created, then.id))
    known = order[then.id[order] != UNKNOWN_MASK]
    result = found.copy()
    result[asked] = -1
    place = np.searchsorted(then.id[known], now.id[row[asked]])
    there_is = place < len(known)
    asked, other = asked[there_is], known[place[there_is]]
    same = (then.id[other] == now.id[row[asked]]) & ~(np.abs(then.created[other] - now.created[row[asked]]) > _SAME_S)
    result[asked[same]] = then.node[other[same]]
    return result


def same_process(graphs: Sequence[HeapGraph]) -> bool:
    """Whether all heaps say that they are of one process, by PID and start or by their objects."""
    return one_process([graph.facts for graph in graphs])
