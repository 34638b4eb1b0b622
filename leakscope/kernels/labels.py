"""Which nodes serve as labels of references, and what becomes of these labels."""

import cython
import numpy as np


def mark_labels(kind, label, wanted, nodes, target=None, of_target=None):
    """Mask (uint8 by node, ``nodes`` of them) of the labels of references whose kind is set in ``wanted`` (uint8[256]).

    Labels of -1 are left out. With ``target`` only of references to nodes in the mask ``of_target`` (uint8 by node).
    """
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    take: cython.uchar[::1] = wanted
    targets: cython.int[::1] = label if target is None else target
    by_target: cython.uchar[::1] = kind if of_target is None else of_target
    any_target: cython.bint = target is None
    mask = np.zeros(nodes, dtype=np.uint8)
    out: cython.uchar[::1] = mask
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(kinds.shape[0]):
            if take[kinds[i]] and labels[i] >= 0 and (any_target or by_target[targets[i]]):
                out[labels[i]] = 1
    return mask


def settle_labels(kind, label, final, named, number, unknown: cython.int):
    """Gives references their final kinds and names, in place.

    ``final`` uint8[256]: what each kind becomes. Where ``named`` (uint8[256]) is set for the kind as it was, the label
    is a node and becomes ``number`` (int32 by node) of it, ``unknown`` for -1.
    """
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    becomes: cython.uchar[::1] = final
    is_named: cython.uchar[::1] = named
    names: cython.int[::1] = number
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(kinds.shape[0]):
            if is_named[kinds[i]]:
                labels[i] = names[labels[i]] if labels[i] >= 0 else unknown
            kinds[i] = becomes[kinds[i]]
