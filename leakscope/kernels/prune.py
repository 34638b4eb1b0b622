"""Counts references per object and takes objects out of a graph."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.memory import Memory

from leakscope.kernels import _columns

ITEM = cython.declare(cython.int, 4)  # graph.kinds.Ref
MOST_COUNTED = cython.declare(cython.ulonglong, 1 << 30)


def reference_counts(memory: Memory, offsets, rows, static, has_head, counts_nothing, head_bytes: cython.longlong):
    """What the objects at these buffer offsets say of themselves: ``(counts int32, tracked uint8)``.

    The reference count, at most 2**30; and whether the collector's list has the object. ``static`` uint8 per object;
    ``has_head`` and ``counts_nothing`` uint8 per row of types: a collector's head of ``head_bytes`` lies before it; it
    has no count at all.
    """
    place: cython.longlong[::1] = offsets
    row: cython.int[::1] = rows
    fixed: cython.uchar[::1] = static
    head: cython.uchar[::1] = has_head
    nothing: cython.uchar[::1] = counts_nothing
    counts = _columns.empty(len(offsets), np.int32)
    tracked = _columns.empty(len(offsets), np.uint8)
    out: cython.int[::1] = counts
    out_tracked: cython.uchar[::1] = tracked
    word: cython.ulonglong
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            word = memory.words[place[i] >> 3]
            out[i] = 0 if nothing[row[i]] else cython.cast(cython.int, word if word < MOST_COUNTED else MOST_COUNTED)
            out_tracked[i] = (
                head[row[i]]
                and not fixed[i]
                and place[i] >= head_bytes
                and memory.words[(place[i] - head_bytes) >> 3] != 0
            )
    return counts, tracked


def nodes_with(first_ref, least: cython.longlong):
    """The nodes (int32) that have at least so many references."""
    first: cython.longlong[::1] = first_ref
    found: list = []
    i: cython.Py_ssize_t
    for i in range(first.shape[0] - 1):
        if first[i + 1] - first[i] >= least:
            found.append(i)
    return np.array(found, dtype=np.int32)


def in_degrees(nodes, target, kind, ignored):
    """References to each of ``nodes`` objects (int32), without those whose kind is set in ``ignored`` (uint8[256])."""
    targets: cython.int[::1] = target
    kinds: cython.uchar[::1] = kind
    skip: cython.uchar[::1] = ignored
    degrees = _columns.zeros(nodes, np.int32)
    out: cython.int[::1] = degrees
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(targets.shape[0]):
            if not skip[kinds[i]]:
                out[targets[i]] += 1
    return degrees


def compact(first_ref, target, kind, label, keep_node, keep_ref, label_is_node):
    """Takes the objects and references whose mask is 0 out of the graph, in place; objects keep their order.

    ``keep_node`` and ``keep_ref``: uint8; a reference also goes with either of its ends. Kinds set in
    ``label_is_node`` (uint8[256]) have a node for a label, and become ``ITEM`` once that is gone.
    Returns ``(first_ref, target, kind, label, new_number int32 per old object)``, the columns as what is left of the
    given ones.
    """
    first: cython.longlong[::1] = first_ref
    targets: cython.int[::1] = target
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    stays: cython.uchar[::1] = keep_node
    kept: cython.uchar[::1] = keep_ref
    node_label: cython.uchar[::1] = label_is_node
    numbers = _numbers(keep_node)
    number: cython.int[::1] = numbers
    nodes: cython.Py_ssize_t = 0
    count: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    j: cython.longlong
    begin: cython.longlong
    end: cython.longlong = 0
    # What is written never lies behind what is read.
    with cython.nogil:
        for i in range(stays.shape[0]):
            begin = end
            end = first[i + 1]
            if not stays[i]:
                continue
            for j in range(begin, end):
                if not kept[j] or number[targets[j]] < 0:
                    continue
                targets[count] = number[targets[j]]
                kinds[count] = kinds[j]
                labels[count] = labels[j]
                if node_label[kinds[count]]:
                    labels[count] = number[labels[count]] if labels[count] >= 0 else -1
                    if labels[count] < 0:
                        kinds[count] = ITEM
                count += 1
            nodes += 1
            first[nodes] = count
    return first_ref[: nodes + 1], target[:count], kind[:count], label[:count], numbers


def _numbers(keep_node):
    """The new number (int32) of each node that is kept, -1 of others."""
    stays: cython.uchar[::1] = keep_node
    numbers = _columns.empty(len(keep_node), np.int32)
    out: cython.int[::1] = numbers
    count: cython.int = 0
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(stays.shape[0]):
            out[i] = count if stays[i] else -1
            count += stays[i] != 0
    return numbers
