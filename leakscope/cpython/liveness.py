"""What lives, what is garbage, and what only looked like an object.

A reference count tells what the graph cannot: an object with more counts than
references is held by something unseen, and a doubtful reference (a stale stack
slot, a word in unknown memory) to one without a count to spare is none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.objects import Found, References
from leakscope.cpython.roots import RootFinder
from leakscope.cpython.shapes import ShapeTable
from leakscope.cpython.threads import PythonThread
from leakscope.graph.kinds import Ref, Root
from leakscope.kernels._arrays import Int32s, UInt8s
from leakscope.kernels._shapes import UNRESOLVED, Column, Shape, Trait
from leakscope.kernels.edges import Edges
from leakscope.kernels.prune import compact, in_degrees
from leakscope.kernels.traverse import reach

_NOT_COUNTED = (Ref.WEAK,)
_LEAST_INTERNED = 1000
_DOUBTFUL = (Ref.C_FIELD, Ref.STACK | UNRESOLVED)


def _kinds(*kinds: int) -> UInt8s:
    mask = np.zeros(256, np.uint8)
    mask[list(kinds)] = 1
    return mask


class Liveness:
    """Decides for one heap; ``settle`` once the exact roots are known, then ``pruned``."""

    def __init__(self, heap: HeapMemory, found: Found, refs: References, shapes: ShapeTable) -> None:
        self._heap = heap
        self._found = found
        self._refs = refs
        words = heap.image.buffer.view(np.uint64)
        counts = words[found.offsets >> 3]
        self.immortal = (counts >= np.uint64(1 << 30)) & (heap.layout.object_immortal_refcnt > 0)
        self._counts = np.minimum(counts, np.uint64(1 << 30)).astype(np.int32)
        # Interpreter frames count nothing: words of C code that point at one do not hold it.
        is_frame = shapes.columns[found.rows, Column.SHAPE] == Shape.RUNNING_FRAME
        self._counts[is_frame], self.immortal[is_frame] = 0, False
        has_head = (shapes.columns[found.rows, Column.HEAD] > 0) & (found.static == 0)
        has_head &= found.offsets >= heap.layout.gc_head_sizeof
        self.tracked = np.zeros(len(counts), bool)
        self.tracked[has_head] = words[(found.offsets[has_head] - heap.layout.gc_head_sizeof) >> 3] != 0
        of_class = shapes.columns[found.rows, Column.TRAITS] & Trait.COUNTS_TYPE != 0
        self._ghostly = has_head & of_class & ~self.tracked
        self._keep_ref = np.ones(len(refs.target), np.uint8)
        self._forget_interned_strings(shapes)
        self._drop_doubtful()
        self._keep_node = np.zeros(0, np.uint8)
        self._live = np.zeros(0, np.uint8)

    def _forget_interned_strings(self, shapes: ShapeTable) -> None:
        """The interpreter's dict of interned strings holds no counts: every key is its own value.

        It is a C global (3.10, 3.11) or a field of the interpreter that no object refers to.
        """
        refs = self._refs
        is_large = np.diff(refs.first_ref) >= _LEAST_INTERNED
        large = np.flatnonzero(is_large & (shapes.columns[self._found.rows, Column.SHAPE] == Shape.DICT))
        for node in large.tolist():
            entries = slice(int(refs.first_ref[node]), int(refs.first_ref[node + 1]))
            is_value = refs.kind[entries] == Ref.KEY
            same = refs.label[entries] == refs.target[entries]
            if is_value.any() and same[is_value].all() and not np.any(refs.target == node):
                self._drop(np.arange(entries.start, entries.stop))

    def _drop_doubtful(self) -> None:
        """Doubtful references to objects whose counts are all accounted for are borrowed or stale."""
        refs = self._refs
        sure = in_degrees(len(self._counts), refs.target, refs.kind, _kinds(*_NOT_COUNTED, *_DOUBTFUL))
        spare = (sure < self._counts) | self.immortal
        doubtful = np.flatnonzero(_kinds(*_DOUBTFUL)[refs.kind])
        self._drop(doubtful[~spare[refs.target[doubtful]]])
        refs.kind[refs.kind == Ref.STACK | UNRESOLVED] = Ref.STACK
        refs.label[refs.kind == Ref.WEAK] = -1

    def _drop(self, positions: npt.NDArray[np.int64]) -> None:
        """Takes references out; as weak ones until then, so that nothing follows or counts them."""
        self._keep_ref[positions] = 0
        self._refs.kind[positions] = Ref.WEAK

    def settle(self, finder: RootFinder, threads: list[PythonThread], suspended: Int32s) -> None:
        """Adds the roots that only counts can tell, and sets apart what nothing reaches.

        ``suspended``: nodes of the frames of suspended greenlets, -1 for those that were not found.
        """
        total = len(self._counts)
        degrees = in_degrees(total, self._refs.target, self._refs.kind, _kinds(*_NOT_COUNTED))
        unexplained = self._counts - degrees
        finder.c_globals(unexplained)
        finder.c_stacks(threads, unexplained)
        edges = Edges(self._refs.first_ref, self._refs.target, self._refs.kind, [k for k in Ref if k != Ref.WEAK])
        live = reach(edges, finder.rows.nodes())
        # An instance that the collector should know and does not, and that nothing refers to, is stale memory.
        unknown = (live == 0) & (unexplained > 0) & (self._found.static == 0) & ~self._ghostly
        unseen = np.flatnonzero(unknown).astype(np.int32)
        finder.rows.add(unseen, Root.C_UNSEEN, -1)
        live |= reach(edges, unseen)
        # A greenlet that only its own frames lead to stays: greenlet does not show the collector what frames hold.
        forgotten = suspended[(suspended >= 0) & (live[suspended] == 0)]
        finder.rows.add(forgotten, Root.C_UNSEEN, -1)
        live |= reach(edges, forgotten)
        garbage = np.flatnonzero((live == 0) & self.tracked).astype(np.int32)
        finder.rows.add(garbage, Root.GARBAGE, -1)
        self._live = live
        self._keep_node = live | reach(edges, garbage)

    def pruned(self) -> tuple[References, Int32s, UInt8s]:
        """``(references, new number per object or -1, garbage mask per old object)`` without what is no object."""
        first, target, kind, label, number = compact(
            self._refs.first_ref, self._refs.target, self._refs.kind, self._refs.label,
            self._keep_node, self._keep_ref, _kinds(Ref.KEY),
        )  # fmt: skip
        return References(first, target, kind, label), number, (self._keep_node & ~self._live).astype(np.uint8)
