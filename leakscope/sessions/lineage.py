"""Which class derives from which, by method resolution order where the heap shows it."""

from __future__ import annotations

from fnmatch import translate
from functools import cached_property
from re import compile as compiled

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.graph.navigation import references_of

Bools = npt.NDArray[np.bool_]
MRO = "__mro__"
WILD = frozenset("*?[")


class Lineage:
    """The ancestors of every type of a heap, itself included, in the order in which attributes are looked up.

    ``types.base`` alone would miss all bases but one of a class with several.
    """

    def __init__(self, graph: HeapGraph) -> None:
        self._names = graph.types.name
        self._row, self._ancestor = _lookup_order(graph)
        self._below: dict[tuple[str, ...], Bools] = {}

    @cached_property
    def _rows_of_name(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self._names):
            rows.setdefault(name, []).append(row)
        return rows

    def named(self, glob: str) -> Bools:
        """By type: whether its own full name matches ``glob``."""
        matched = np.zeros(len(self._names), dtype=np.bool_)
        if WILD & set(glob):
            fits = compiled(translate(glob)).match
            matched[[row for name, rows in self._rows_of_name.items() if fits(name) for row in rows]] = True
        else:
            matched[self._rows_of_name.get(glob, [])] = True
        return matched

    def below(self, *globs: str) -> Bools:
        """By type: whether it, or a class it derives from, matches one of ``globs``."""
        if globs not in self._below:
            chosen = np.zeros(len(self._names), dtype=np.bool_)
            for glob in globs:
                chosen |= self.named(glob)
            self._below[globs] = self.with_subclasses(chosen)
        return self._below[globs]

    def with_subclasses(self, chosen: Bools) -> Bools:
        """By type: whether it or a class it derives from is ``chosen``."""
        inherited = np.zeros(len(chosen), dtype=np.bool_)
        inherited[self._row[chosen[self._ancestor]]] = True
        return inherited

    def first_with(self, held: Int32s) -> Int32s:
        """By type: ``held`` of the first of its ancestors that has one (is not -1), -1 if none has."""
        found = np.full(len(held), -1, dtype=np.int32)
        has = np.flatnonzero(held[self._ancestor] >= 0)[::-1]  # the last write is the first ancestor's
        found[self._row[has]] = held[self._ancestor[has]]
        return found


def _lookup_order(graph: HeapGraph) -> tuple[Int32s, Int32s]:
    """``(type, ancestor)`` rows, type by type; from ``__mro__``, and from the chain of ``base`` where there is none."""
    row, ancestor = _by_mro(graph)
    lacking = np.setdiff1d(np.arange(len(graph.types.name)), row)
    rows, ancestors = [row], [ancestor]
    own, above = lacking, lacking
    for _ in range(len(graph.types.name)):
        if not len(own):
            break
        rows.append(own.astype(np.int32))
        ancestors.append(above.astype(np.int32))
        above = graph.types.base[above]
        own, above = own[above >= 0], above[above >= 0]
    return np.concatenate(rows), np.concatenate(ancestors)


def _by_mro(graph: HeapGraph) -> tuple[Int32s, Int32s]:
    none = np.empty(0, dtype=np.int32)
    if MRO not in graph.names:
        return none, none
    with_node = np.flatnonzero(graph.types.node >= 0)
    row_of_node = np.full(graph.objects, -1, dtype=np.int32)
    row_of_node[graph.types.node[with_node]] = with_node
    holder, position = references_of(graph, graph.types.node[with_node])
    is_mro = np.isin(graph.kind[position], NAMED) & (graph.label[position] == graph.names.index(MRO))
    of_tuple = np.full(graph.objects, -1, dtype=np.int32)
    of_tuple[graph.target[position[is_mro]]] = row_of_node[holder[is_mro]]
    order, entry = references_of(graph, graph.target[position[is_mro]])
    ancestor = row_of_node[graph.target[entry]]
    known = (graph.kind[entry] == Ref.INDEX) & (ancestor >= 0)
    row = of_tuple[order[known]]
    itself = np.unique(row[row == ancestor[known]])  # a torn tuple that lacks its own class is believed in nothing
    sound = np.isin(row, itself)
    return row[sound], ancestor[known][sound]
