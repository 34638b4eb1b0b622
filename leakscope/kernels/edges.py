"""The references of a heap as the other kernels walk them: checked once, then trusted.

A heap may come from a damaged or hostile file, so the columns are compared with
each other here and no kernel needs to test a position or a node number again.
"""

import cython
import numpy as np


@cython.final
@cython.cclass
class Edges:
    """``Edges(first_ref, target, kind, followed)``: the columns of ``HeapGraph`` and the codes of ``kind`` to follow.

    Borrows the arrays, which may be read-only. ValueError if they contradict each other.
    """

    def __init__(self, first_ref, target, kind, followed):
        first_ref = np.ascontiguousarray(first_ref, dtype=np.int64)
        target = np.ascontiguousarray(target, dtype=np.int32)
        kind = np.ascontiguousarray(kind, dtype=np.uint8)
        _check(first_ref, target, kind)
        self._kept = (first_ref, target, kind)
        self.nodes = len(first_ref) - 1
        self.count = len(target)
        self.first = cython.cast(cython.pointer(cython.longlong), cython.cast(cython.size_t, first_ref.ctypes.data))
        self.target = cython.cast(cython.pointer(cython.int), cython.cast(cython.size_t, target.ctypes.data))
        self.kind = cython.cast(cython.pointer(cython.uchar), cython.cast(cython.size_t, kind.ctypes.data))
        for code in range(256):
            self.followed[code] = code in followed


def _check(first_ref, target, kind):
    """ValueError unless the three arrays are one compressed sparse row matrix."""
    nodes = len(first_ref) - 1
    if not 0 <= nodes < (1 << 31) - 1 or len(target) != len(kind):
        raise ValueError("the columns of references have lengths that do not fit together")
    if first_ref[0] != 0 or first_ref[nodes] != len(target) or np.any(first_ref[1:] < first_ref[:nodes]):
        raise ValueError("first_ref does not divide the references among the objects")
    if len(target) and (target.min() < 0 or target.max() >= nodes):
        raise ValueError("a reference points at an object that does not exist")


def nodes_of(edges: Edges, numbers):
    """``numbers`` as an int32 array; ValueError if one is no node of ``edges``."""
    numbers = np.ascontiguousarray(numbers, dtype=np.int32)
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= edges.nodes):
        raise ValueError("a node number points at an object that does not exist")
    return numbers
