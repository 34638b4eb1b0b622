"""Which classes keep most memory alive."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.index import HeapIndex
from leakscope.findings.model import ClassRow
from leakscope.graph.kinds import Node
from leakscope.kernels.dominators import outermost_sums


def top_classes(index: HeapIndex, limit: int) -> list[ClassRow]:
    """Classes with their live objects, at most ``limit``, the most retained first; classes of one name are one.

    ``retained_bytes`` sums the retained sizes of the instances that no other instance of the class
    dominates, so that nothing counts twice. What only several instances together keep alive is not in it:
    it is a lower bound of what would be freed if all of them were.
    """
    graph = index.graph
    number: dict[str, int] = {}
    class_number = np.array([number.setdefault(name, len(number)) for name in graph.types.name], dtype=np.int32)
    counted = (index.live != 0) & (graph.flags & Node.FRAME == 0)
    group = np.where(counted, class_number[graph.type], -1).astype(np.int32)
    retained = outermost_sums(index.size, index.by_enter, group, index.retained, len(number))
    members = group[counted]
    count = np.bincount(members, minlength=len(number))
    # Sums of float64 are exact up to 2**53 bytes, more than any heap.
    own = np.bincount(members, weights=graph.own_size[counted], minlength=len(number)).astype(np.int64)
    rows = [
        ClassRow(name, int(count[row]), int(own[row]), int(retained[row])) for name, row in number.items() if count[row]
    ]
    return sorted(rows, key=lambda row: (-row.retained_bytes, row.class_))[:limit]
