"""Ways through the columns of a ``HeapGraph``, for many nodes at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import HeapGraph, Int32s, Int64s


def references_of(graph: HeapGraph, nodes: npt.NDArray[np.integer]) -> tuple[Int32s, Int64s]:
    """``(holder, position)``: all references that ``nodes`` hold, node by node, in their order."""
    start = graph.first_ref[nodes]
    count = graph.first_ref[nodes + 1] - start
    offset = np.arange(int(count.sum()), dtype=np.int64) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(nodes, count).astype(np.int32), np.repeat(start, count) + offset


def rows_of(column: Int32s, nodes: npt.NDArray[np.integer]) -> Int32s:
    """Where each of ``nodes`` stands in an ascending, unique ``column``; -1 where it does not."""
    if not len(column):
        return np.full(len(nodes), -1, dtype=np.int32)
    row = np.searchsorted(column, nodes).clip(max=len(column) - 1)
    return np.where(column[row] == nodes, row, -1).astype(np.int32)
