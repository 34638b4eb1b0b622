"""Which names stand in somebody's code. What else serves as the name of an attribute is data, and is masked.

``setattr(user, token, ...)`` and ``vars(user).update(answer)`` make namespaces of what they are given.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.objects import Found, References, kernel_layout
from leakscope.cpython.shapes import ShapeTable
from leakscope.graph.kinds import Ref
from leakscope.kernels._arrays import Int32s, Int64s, UInt64s
from leakscope.kernels._shapes import UNRESOLVED, Column, Shape
from leakscope.kernels.masks import mask_texts

Mask = npt.NDArray[np.bool_]


class WrittenNames:
    """Compares names with those of all code objects; by identity first, since both are interned as a rule."""

    def __init__(self, heap: HeapMemory, found: Found, shapes: ShapeTable, refs: References) -> None:
        self._heap = heap
        self._found = found
        self._refs = refs
        self._shape = shapes.columns[:, Column.SHAPE]
        self._codes = np.flatnonzero(shapes.of_kind(shapes.codes, found.rows))

    def contain(self, nodes: Int32s, also: Int32s) -> Mask:
        """Whether the text of each of ``nodes`` is a name or constant in code, or that of one of the nodes ``also``."""
        written = np.unique(np.concatenate([self._in_code(), also]))
        known: Mask = np.isin(nodes, written)
        others = np.flatnonzero(~known)
        if len(others):
            known[others] = np.isin(self.masks(nodes[others]), self.masks(written[self.are(Shape.STR, written)]))
        return known

    def masks(self, nodes: npt.NDArray[np.integer]) -> UInt64s:
        """``mask_texts`` of ``str`` objects by node."""
        return mask_texts(self._heap.paged, kernel_layout(self._heap), self._found.offsets[nodes])

    def annotated(self, is_annotations: Mask, positions: Int64s) -> Int32s:
        """Keys of the dicts that the references at ``positions`` lead to: fields that class statements declare."""
        dicts = np.unique(self._refs.target[positions[is_annotations]])
        at = self._positions(dicts)
        keys: Int32s = self._refs.label[at[self._refs.kind[at] & ~np.uint8(UNRESOLVED) == Ref.KEY]]
        return keys

    def _in_code(self) -> Int32s:
        """Strings that code objects refer to: their names and constants, and those in tuples of constants."""
        found = [self._targets(self._codes)]
        for _ in range(2):
            found.append(self._targets(np.unique(found[-1][self.are(Shape.TUPLE, found[-1])])))
        nodes = np.unique(np.concatenate(found))
        return nodes[self.are(Shape.STR, nodes)]

    def are(self, shape: Shape, nodes: npt.NDArray[np.integer]) -> Mask:
        """Whether each node is an object of this shape; false for -1."""
        result: Mask = (nodes >= 0) & (self._shape[self._found.rows[nodes]] == shape)
        return result

    def _targets(self, nodes: npt.NDArray[np.integer]) -> Int32s:
        return self._refs.target[self._positions(nodes)]

    def _positions(self, nodes: npt.NDArray[np.integer]) -> Int64s:
        return ranges(self._refs.first_ref[nodes], self._refs.first_ref[nodes + 1])


def ranges(start: Int64s, end: Int64s) -> Int64s:
    """All positions of ``[start[i], end[i])``, one after the other; int64."""
    lengths = end - start
    total = int(lengths.sum())
    if not total:
        return np.zeros(0, np.int64)
    offsets = np.repeat(start - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return offsets + np.arange(total)
