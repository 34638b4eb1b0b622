"""Sorting millions of ids, several times as fast as ``argsort`` where an id and a place fit into 64 bits."""

from __future__ import annotations

import numpy as np

from leakscope.graph.heap import Addresses, Int64s


def ascending(ids: Addresses) -> tuple[Int64s, Addresses]:
    """``(order, ids[order])``; what is equal stays in its order."""
    if not len(ids):
        return np.empty(0, dtype=np.int64), ids
    bits, least = (len(ids) - 1).bit_length(), ids.min()
    if int(ids.max() - least) >> (64 - bits):
        order = np.argsort(ids, kind="stable")
        return order, ids[order]
    # NumPy sorts numbers by vector instructions, and carries no places along.
    both = ids - least
    both <<= np.uint64(bits)
    both |= np.arange(len(ids), dtype=np.uint64)
    both.sort()
    order = (both & np.uint64((1 << bits) - 1)).astype(np.int64)
    both >>= np.uint64(bits)
    both += least
    return order, both
