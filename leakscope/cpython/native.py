"""Which types of a graph C code declares, and what their subclasses have from them.

A class may call itself ``int`` or ``_socket.socket``; only the bytes of its type object tell.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.cpython.memory import HeapMemory
from leakscope.graph.heap import HeapGraph, Int64s, Types

Mask = npt.NDArray[np.bool_]


def native_types(heap: HeapMemory, graph: HeapGraph) -> Mask:
    """By row of the types: whether no class statement made it. Classes share one ``tp_dealloc``, most types' own."""
    node = graph.types.node
    address = np.where(node >= 0, graph.address[node], np.uint64(0))
    flags = heap.paged.gather(address + np.uint64(heap.layout.type_flags))
    dealloc = heap.paged.gather(address + np.uint64(heap.layout.type_dealloc))
    is_heap = (flags & np.uint64(heap.layout.flag_heaptype)) != 0
    values, counts = np.unique(dealloc[is_heap & (node >= 0)], return_counts=True)
    of_classes = values[np.argmax(counts)] if len(values) else np.uint64(0)
    native: Mask = (node >= 0) & ~(is_heap & (dealloc == of_classes))
    return native


def inherited(types: Types, own: npt.NDArray[np.int64], nothing: int) -> Int64s:
    """By row of ``types``: the value in ``own`` of the nearest of its bases, itself first, that has not ``nothing``."""
    base = np.append(types.base, np.int32(-1))
    found = np.append(own, nothing).astype(np.int64)
    while True:  # each turn doubles how far up it looks; bases run in no circle
        missing = (found == nothing) & (base >= 0)
        if not missing.any():
            return found[:-1]
        found, base = np.where(missing, found[base], found), base[base]
