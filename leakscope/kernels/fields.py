"""Follows one named reference of each of many nodes: a step of a path such as ``._transport['peer'][0]``.

A holder of many references is searched once however many nodes lead to it, so a step is linear in what it sees.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.edges import Edges

KEY = cython.declare(cython.int, 2)  # graph.kinds.Ref
INDEX = cython.declare(cython.int, 3)
DICT = cython.declare(cython.int, 10)
UNSEEN = cython.declare(cython.int, 0)  # in a memo: holds the answer + 2, so that untouched memory means "not asked"
FEW = cython.declare(cython.longlong, 32)  # references that are sooner searched again than remembered


@cython.final
@cython.cclass
class _Step:
    """What is looked for; ``is_key`` decides where it is given (KEY), else kind and label do."""

    edges: Edges
    label: cython.p_int
    kinds: cython.uchar[256]
    wanted: cython.int
    is_key: cython.p_uchar
    through_dict: cython.bint
    answers: cython.p_int
    memo: cython.p_int
    _kept: object

    def __init__(self, edges: Edges, label, kinds, wanted, is_key=None, through_dict=False):
        code: cython.int
        if label.dtype != np.int32 or len(label) != edges.count:
            raise ValueError("there is not one label for each reference")
        if is_key is not None and (is_key.dtype != np.uint8 or len(is_key) != edges.nodes):
            raise ValueError("the mask of keys has not one byte for each object")
        label = np.ascontiguousarray(label)
        is_key = None if is_key is None else np.ascontiguousarray(is_key)
        # A namespace may be asked for as a node too, and then its own DICT reference counts: two memos.
        answers, memo = np.zeros(edges.nodes, dtype=np.int32), np.zeros(edges.nodes, dtype=np.int32)
        self._kept = (label, is_key, answers, memo)
        self.edges = edges
        self.label = cython.cast(cython.p_int, cython.cast(cython.size_t, label.ctypes.data))
        self.answers = cython.cast(cython.p_int, cython.cast(cython.size_t, answers.ctypes.data))
        self.memo = cython.cast(cython.p_int, cython.cast(cython.size_t, memo.ctypes.data))
        self.is_key = cython.NULL
        if is_key is not None:
            self.is_key = cython.cast(cython.p_uchar, cython.cast(cython.size_t, is_key.ctypes.data))
        self.wanted = wanted
        self.through_dict = through_dict
        for code in range(256):
            self.kinds[code] = code in kinds

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def fits(self, position: cython.longlong) -> cython.bint:
        if not self.kinds[self.edges.kind[position]]:
            return False
        if self.is_key == cython.NULL:
            return self.label[position] == self.wanted
        return 0 <= self.label[position] < self.edges.nodes and self.is_key[self.label[position]] != 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def answer(self, holder: cython.int) -> cython.int:
        """The target in ``holder`` itself, else in the dicts behind its DICT references; -1 none."""
        if self.edges.first[holder + 1] - self.edges.first[holder] <= FEW:
            return self.search(holder)
        if self.answers[holder] == UNSEEN:
            self.answers[holder] = self.search(holder) + 2
        return self.answers[holder] - 2

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def search(self, holder: cython.int) -> cython.int:
        position: cython.longlong
        found: cython.int = self.within(holder)
        if found < 0 and self.through_dict:
            for position in range(self.edges.first[holder], self.edges.first[holder + 1]):
                if self.edges.kind[position] == DICT:
                    found = self.in_namespace(self.edges.target[position])
                    if found >= 0:
                        return found
        return found

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def in_namespace(self, namespace: cython.int) -> cython.int:
        if self.edges.first[namespace + 1] - self.edges.first[namespace] <= FEW:
            return self.within(namespace)
        if self.memo[namespace] == UNSEEN:
            self.memo[namespace] = self.within(namespace) + 2
        return self.memo[namespace] - 2

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def within(self, holder: cython.int) -> cython.int:
        position: cython.longlong
        for position in range(self.edges.first[holder], self.edges.first[holder + 1]):
            if self.fits(position):
                return self.edges.target[position]
        return -1


def follow(edges: Edges, label, nodes, name, named_kinds):
    """By node (int32): where its reference of one of ``named_kinds`` with the label ``name`` leads.

    Looked for in the node itself, else in the dict behind its DICT reference. -1 for none, and for node -1.
    """
    return _walk(_Step(edges, label, frozenset(named_kinds), name, None, True), nodes)


def follow_key(edges: Edges, label, nodes, is_key):
    """By node (int32): the value under the first of its keys that ``is_key`` (uint8 by node) marks; -1 for none."""
    return _walk(_Step(edges, label, {KEY}, 0, is_key), nodes)


def follow_index(edges: Edges, label, nodes, position):
    """By node (int32): what stands at ``position`` of it (a list, tuple or deque); -1 for none."""
    return _walk(_Step(edges, label, {INDEX}, position), nodes)


def follow_kind(edges: Edges, label, nodes, kind):
    """By node (int32): the target of its first reference of ``kind`` without a label (WEAK, DICT, TYPE); -1 none."""
    return _walk(_Step(edges, label, {kind}, -1), nodes)


def keys_of(edges: Edges, label, nodes):
    """All key nodes (int32, ascending, unique) of the dicts among ``nodes``; -1 stands for no dict."""
    step: _Step = _Step(edges, label, {KEY}, 0)
    asked: cython.int[::1] = _asked(edges, nodes)
    mask = np.zeros(edges.nodes, dtype=np.uint8)
    is_key: cython.uchar[::1] = mask
    i: cython.Py_ssize_t
    position: cython.longlong
    holder: cython.int
    with cython.nogil:
        for i in range(asked.shape[0]):
            holder = asked[i]
            if holder < 0 or step.memo[holder] != UNSEEN:
                continue
            step.memo[holder] = 1
            for position in range(edges.first[holder], edges.first[holder + 1]):
                if edges.kind[position] == KEY and 0 <= step.label[position] < edges.nodes:
                    is_key[step.label[position]] = 1
    return np.flatnonzero(mask).astype(np.int32)


@cython.cfunc
def _walk(step: _Step, nodes):
    asked: cython.int[::1] = _asked(step.edges, nodes)
    targets = np.full(len(nodes), -1, dtype=np.int32)
    out: cython.int[::1] = targets
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(asked.shape[0]):
            if asked[i] >= 0:
                out[i] = step.answer(asked[i])
    return targets


def _asked(edges: Edges, nodes):
    nodes = np.ascontiguousarray(nodes, dtype=np.int32)
    if len(nodes) and (nodes.min() < -1 or nodes.max() >= edges.nodes):
        raise ValueError("a node number points at an object that does not exist")
    return nodes
