"""Counts references per object and takes objects out of a graph."""

import cython
import numpy as np

ITEM = cython.declare(cython.int, 4)  # graph.kinds.Ref


def in_degrees(nodes, target, kind, ignored):
    """References to each of ``nodes`` objects (int32), without those whose kind is set in ``ignored`` (uint8[256])."""
    targets: cython.int[::1] = target
    kinds: cython.uchar[::1] = kind
    skip: cython.uchar[::1] = ignored
    degrees = np.zeros(nodes, dtype=np.int32)
    out: cython.int[::1] = degrees
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(targets.shape[0]):
            if not skip[kinds[i]]:
                out[targets[i]] += 1
    return degrees


def compact(first_ref, target, kind, label, keep_node, keep_ref, label_is_node):
    """The graph without the objects and references whose mask is 0; objects keep their order.

    ``keep_node`` and ``keep_ref``: uint8; a reference also goes with either of its ends. Kinds set in
    ``label_is_node`` (uint8[256]) have a node for a label, and become ``ITEM`` once that is gone.
    Returns ``(first_ref, target, kind, label, new_number int32 per old object)``.
    """
    first: cython.longlong[::1] = first_ref
    targets: cython.int[::1] = target
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    stays: cython.uchar[::1] = keep_node
    kept: cython.uchar[::1] = keep_ref
    node_label: cython.uchar[::1] = label_is_node
    numbers = np.cumsum(keep_node, dtype=np.int32) - np.int32(1)
    numbers[keep_node == 0] = -1
    number: cython.int[::1] = numbers
    nodes = int(np.count_nonzero(keep_node))
    new_first = np.zeros(nodes + 1, dtype=np.int64)
    new_target = np.empty(len(target), dtype=np.int32)
    new_kind = np.empty(len(target), dtype=np.uint8)
    new_label = np.empty(len(target), dtype=np.int32)
    out_first: cython.longlong[::1] = new_first
    out_target: cython.int[::1] = new_target
    out_kind: cython.uchar[::1] = new_kind
    out_label: cython.int[::1] = new_label
    count: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    j: cython.longlong
    with cython.nogil:
        for i in range(stays.shape[0]):
            if not stays[i]:
                continue
            for j in range(first[i], first[i + 1]):
                if not kept[j] or number[targets[j]] < 0:
                    continue
                out_target[count] = number[targets[j]]
                out_kind[count] = kinds[j]
                out_label[count] = labels[j]
                if node_label[kinds[j]]:
                    out_label[count] = number[labels[j]] if labels[j] >= 0 else -1
                    if out_label[count] < 0:
                        out_kind[count] = ITEM
                count += 1
            out_first[number[i] + 1] = count
    return new_first, new_target[:count].copy(), new_kind[:count].copy(), new_label[:count].copy(), numbers
