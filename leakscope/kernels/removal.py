"""What would become unreachable without a set of objects, for many sets at little more than the cost of one."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.edges import Edges

from leakscope.kernels import _columns
from leakscope.kernels.edges import nodes_of


def kept_alone(edges: Edges, weights, held, members, first_member):
    """For each set of objects the sum of ``weights`` (int64, by node) of what nothing but its members keeps alive.

    Set ``k`` is ``members[first_member[k] : first_member[k + 1]]`` (int32 nodes, int64 positions). ``held``
    (uint8, by node): 0 for what lives without all the sets, 1 for what does not, 2 for a member to which
    something that does live without them refers.

    CPython's collector finds garbage in the same way: of all that a set leads to, what gets a reference from
    elsewhere is held, and so is what that leads to. A set costs what it leads to among what ``held`` marks.
    """
    members = nodes_of(edges, members)
    first_member = np.ascontiguousarray(first_member, dtype=np.int64)
    sums = np.zeros(len(first_member) - 1, dtype=np.int64)
    if not len(members):
        return sums
    if len(held) != edges.nodes or len(weights) != edges.nodes or first_member[len(sums)] != len(members):
        raise ValueError("columns have lengths that do not fit together")
    removal = Removal(edges, weights, held)
    begin: cython.longlong[::1] = first_member
    member: cython.int[::1] = members
    total: cython.longlong[::1] = sums
    k: cython.Py_ssize_t
    with cython.nogil:
        removal.count_references()
        for k in range(total.shape[0]):
            total[k] = removal.weigh(member, begin[k], begin[k + 1])
    return sums


@cython.final
@cython.cclass
class Removal:
    """The working space of ``kept_alone``."""

    edges: Edges
    weight: cython.longlong[::1]
    state: cython.uchar[::1]
    """Bits: 1 and 2 as in ``held``, 4 the set leads to it, 8 is in the set, 16 held from elsewhere."""
    uncounted: cython.int[::1]
    """How many references from marked objects have not been seen to come from what the set leads to."""
    reached: cython.int[::1]
    rescued: cython.int[::1]

    def __init__(self, edges: Edges, weights, held):
        self.edges = edges
        self.weight = _columns.copied(weights, np.int64)
        self.state = _columns.copied(held, np.uint8)
        self.uncounted = _columns.zeros(edges.nodes, np.int32)
        self.reached = _columns.empty(edges.nodes, np.int32)
        self.rescued = _columns.empty(edges.nodes, np.int32)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def count_references(self) -> cython.void:
        """Fills ``uncounted``."""
        node: cython.int
        for node in range(self.edges.nodes):
            if self.state[node]:
                self.count_from(node, 1)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def count_from(self, node: cython.int, change: cython.int) -> cython.void:
        """Adds ``change`` to the count of each marked object that ``node`` refers to, once per reference."""
        position: cython.longlong
        target: cython.int
        for position in range(self.edges.first[node], self.edges.first[node + 1]):
            target = self.edges.target[position]
            if self.edges.followed[self.edges.kind[position]] and self.state[target]:
                self.uncounted[target] += change

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def weigh(self, members: cython.int[::1], begin: cython.longlong, end: cython.longlong) -> cython.longlong:
        """The weight of what ``members[begin:end]`` keep alone; everything else is left as it was."""
        total: cython.longlong = 0
        count: cython.int = self.lead(members, begin, end)
        i: cython.int
        node: cython.int
        self.rescue(count)
        for i in range(count):
            node = self.reached[i]
            if not self.state[node] & 16:
                total += self.weight[node]
            self.count_from(node, 1)
        for i in range(count):
            self.state[self.reached[i]] &= 3
        return total

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def lead(self, members: cython.int[::1], begin: cython.longlong, end: cython.longlong) -> cython.int:
        """Collects in ``reached`` what the set leads to, itself included, and counts its references off."""
        head: cython.int = 0
        tail: cython.int = 0
        i: cython.longlong
        position: cython.longlong
        target: cython.int
        for i in range(begin, end):
            if self.state[members[i]] and not self.state[members[i]] & 4:
                self.state[members[i]] |= 12
                self.reached[tail] = members[i]
                tail += 1
        while head < tail:
            self.count_from(self.reached[head], -1)
            for position in range(self.edges.first[self.reached[head]], self.edges.first[self.reached[head] + 1]):
                target = self.edges.target[position]
                if self.edges.followed[self.edges.kind[position]] and self.state[target] and not self.state[target] & 4:
                    self.state[target] |= 4
                    self.reached[tail] = target
                    tail += 1
            head += 1
        return tail

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def rescue(self, count: cython.int) -> cython.void:
        """Marks with 16 what of the first ``count`` in ``reached`` stays alive without the set."""
        head: cython.int = 0
        tail: cython.int = 0
        i: cython.int
        node: cython.int
        position: cython.longlong
        for i in range(count):
            node = self.reached[i]
            if not self.state[node] & 8 and (self.state[node] & 2 or self.uncounted[node] > 0):
                self.state[node] |= 16
                self.rescued[tail] = node
                tail += 1
        while head < tail:
            node = self.rescued[head]
            head += 1
            for position in range(self.edges.first[node], self.edges.first[node + 1]):
                i = self.edges.target[position]
                if self.edges.followed[self.edges.kind[position]] and self.state[i] & 28 == 4:
                    self.state[i] |= 16
                    self.rescued[tail] = i
                    tail += 1
