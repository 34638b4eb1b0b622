"""What lives, what is garbage, and what only looked like an object.

A reference count tells what the graph cannot: an object with more counts than
references is held by something unseen, and a doubtful reference (a stale stack
slot, a word in unknown memory) to one without a count to spare is none.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.cpython.labels import kind_mask
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.objects import Found, References
from leakscope.cpython.roots import RootFinder
from leakscope.cpython.shapes import ShapeTable
from leakscope.cpython.threads import PythonThread
from leakscope.graph.kinds import Ref, Root
from leakscope.kernels import _columns
from leakscope.kernels._arrays import Int32s, UInt8s
from leakscope.kernels._shapes import UNRESOLVED, Column, Shape, Trait
from leakscope.kernels.edges import Edges
from leakscope.kernels.prune import compact, in_degrees, nodes_with, reference_counts
from leakscope.kernels.traverse import reach

_NOT_COUNTED = (Ref.WEAK,)
_LEAST_INTERNED = 1000
_IMMORTAL = 1 << 30
_NEVER = _IMMORTAL + 1
_DOUBTFUL = (Ref.C_FIELD, Ref.STACK | UNRESOLVED)


class Liveness:
    """Decides for one heap; ``settle`` once the exact roots are known, then ``pruned``."""

    def __init__(self, heap: HeapMemory, found: Found, refs: References, shapes: ShapeTable) -> None:
        self._heap = heap
        self._found = found
        self._refs = refs
        has_head = (shapes.columns[:, Column.HEAD] > 0).astype(np.uint8)
        # Interpreter frames count nothing: words of C code that point at one do not hold it.
        is_frame = (shapes.columns[:, Column.SHAPE] == Shape.RUNNING_FRAME).astype(np.uint8)
        self._counts, tracked = reference_counts(
            heap.paged, found.offsets, found.rows, found.static, has_head, is_frame, heap.layout.gc_head_sizeof
        )
        self.tracked = tracked.view(bool)
        self.immortal = self._counts >= (_IMMORTAL if heap.layout.object_immortal_refcnt > 0 else _NEVER)
        self._ghostly = (has_head != 0) & (shapes.columns[:, Column.TRAITS] & Trait.COUNTS_TYPE != 0)
        self._keep_ref = _columns.full(len(refs.target), 1, np.uint8)
        self._forget_interned_strings(shapes)
        self._drop_doubtful()
        self._keep_node = np.zeros(0, np.uint8)
        self._live = np.zeros(0, np.uint8)

    def _forget_interned_strings(self, shapes: ShapeTable) -> None:
        """The interpreter's dict of interned strings holds no counts: every key is its own value.

        It is a C global (3.10, 3.11) or a field of the interpreter that no object refers to.
        """
        refs = self._refs
        large = nodes_with(refs.first_ref, _LEAST_INTERNED)
        interned = []
        for node in large[shapes.are(Shape.DICT, self._found.rows[large])].tolist():
            entries = slice(int(refs.first_ref[node]), int(refs.first_ref[node + 1]))
            is_value = refs.kind[entries] == Ref.KEY
            same = refs.label[entries] == refs.target[entries]
            if is_value.any() and same[is_value].all():
                interned.append(node)
        if interned:
            referred = in_degrees(len(self._counts), refs.target, refs.kind, kind_mask())
            for node in interned:
                if not referred[node]:
                    self._drop(np.arange(refs.first_ref[node], refs.first_ref[node + 1]))

    def _drop_doubtful(self) -> None:
        """Doubtful references to objects whose counts are all accounted for are borrowed or stale."""
        refs = self._refs
        sure = in_degrees(len(self._counts), refs.target, refs.kind, kind_mask(*_NOT_COUNTED, *_DOUBTFUL))
        spare = (sure < self._counts) | self.immortal
        doubtful = np.flatnonzero(kind_mask(*_DOUBTFUL)[refs.kind])
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
        degrees = in_degrees(total, self._refs.target, self._refs.kind, kind_mask(*_NOT_COUNTED))
        unexplained = np.subtract(self._counts, degrees, out=degrees)
        finder.c_globals(unexplained)
        finder.c_stacks(threads, unexplained)
        edges = Edges(self._refs.first_ref, self._refs.target, self._refs.kind, [k for k in Ref if k != Ref.WEAK])
        live = reach(edges, finder.rows.nodes())
        # An instance that the collector should know and does not, and that nothing refers to, is stale memory.
        unknown = np.flatnonzero((live == 0) & (unexplained > 0) & (self._found.static == 0)).astype(np.int32)
        unseen = unknown[self.tracked[unknown] | ~self._ghostly[self._found.rows[unknown]]]
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
            self._keep_node, self._keep_ref, kind_mask(Ref.KEY),
        )  # fmt: skip
        return References(first, target, kind, label), number, (self._keep_node & ~self._live).astype(np.uint8)
