"""Breadth-first searches over a whole heap: what is reached, by which reference, and what a set alone keeps."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.edges import Edges

from leakscope.kernels import _columns
from leakscope.kernels.edges import nodes_of

REACHED = 1
TOUCHED = 2
"""Of a blocked object: something that is reached refers to it."""


def reach(edges: Edges, starts, blocked=None):
    """What ``starts`` (int32 nodes) reach without entering ``blocked`` (uint8 mask by node).

    Returns a uint8 mask: 1 for what is reached, 2 for the blocked objects where the search
    was turned back (starts among them), 0 for the rest.
    """
    starts = nodes_of(edges, starts)
    mask = _columns.zeros(edges.nodes, np.uint8)
    if blocked is None:
        blocked = _columns.zeros(edges.nodes, np.uint8)
    begin: cython.int[::1] = starts
    state: cython.uchar[::1] = mask
    wall: cython.uchar[::1] = blocked
    queue: cython.int[::1] = _columns.empty(edges.nodes + 1, np.int32)
    head: cython.int = 0
    tail: cython.int = 0
    node: cython.int
    position: cython.longlong
    i: cython.Py_ssize_t
    if len(blocked) != edges.nodes:
        raise ValueError("blocked has another length than the heap")
    with cython.nogil:
        for i in range(begin.shape[0]):
            tail = _enter(begin[i], tail, cython.address(state[0]), cython.address(wall[0]), cython.address(queue[0]))
        while head < tail:
            node = queue[head]
            head += 1
            for position in range(edges.first[node], edges.first[node + 1]):
                if edges.followed[edges.kind[position]]:
                    tail = _enter(
                        edges.target[position],
                        tail,
                        cython.address(state[0]),
                        cython.address(wall[0]),
                        cython.address(queue[0]),
                    )
    return mask


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _enter(
    node: cython.int, tail: cython.int, state: cython.p_uchar, wall: cython.p_uchar, queue: cython.p_int
) -> cython.int:
    """Queues a node seen for the first time, unless it is blocked; returns the queue's new length."""
    if state[node]:
        return tail
    if wall[node]:
        state[node] = 2
        return tail
    state[node] = 1
    queue[tail] = node
    return tail + 1


@cython.final
@cython.cclass
class Search:
    """A breadth-first search in several tiers that remembers by which reference each object was first reached.

    ``Search(edges, free_kind)``: a reference of ``free_kind`` costs no step: what it leads to is expanded in
    place (an object's ``__dict__``). Arrays by node, up to date after each tier: ``state`` (uint8: odd where
    reached, 2 where reserved), ``parent`` (int32) and ``parent_edge`` (int64, a position in ``target``), both
    -1 for seeds. ``order[:count]`` (int32) has what is reached, parents first.
    """

    def __init__(self, edges: Edges, free_kind: cython.int):
        self.edges = edges
        self.free_kind = free_kind
        self.count = 0
        self.state = _columns.zeros(edges.nodes, np.uint8)
        self.parent = _columns.full(edges.nodes, -1, np.int32)
        self.parent_edge = _columns.full(edges.nodes, -1, np.int64)
        self.order = _columns.empty(edges.nodes, np.int32)
        self.state_at = cython.cast(cython.p_uchar, cython.cast(cython.size_t, self.state.ctypes.data))
        self.parent_at = cython.cast(cython.p_int, cython.cast(cython.size_t, self.parent.ctypes.data))
        self.edge_at = cython.cast(cython.p_longlong, cython.cast(cython.size_t, self.parent_edge.ctypes.data))
        self.order_at = cython.cast(cython.p_int, cython.cast(cython.size_t, self.order.ctypes.data))

    def reserve(self, nodes, parents=None, positions=None):
        """From now on these are entered only as seeds, never along a reference.

        As seeds they count as held by ``parents`` along the references at ``positions``, or by nothing.
        """
        nodes = nodes_of(self.edges, nodes)
        self.state[nodes[self.state[nodes] == 0]] = _RESERVED
        if parents is not None:
            self.parent[nodes] = parents
            self.parent_edge[nodes] = positions

    def spread(self, seeds, stop):
        """One tier: all that ``seeds`` (int32 nodes, each after its parent) lead to and no tier before did.

        Nodes in ``stop`` (uint8 mask) are reached but not expanded. A seed that was reached before is
        expanded now unless it is in ``stop``.
        """
        seeds = nodes_of(self.edges, seeds)
        if len(stop) != self.edges.nodes:
            raise ValueError("stop has another length than the heap")
        if not len(seeds):
            return
        begin: cython.int[::1] = seeds
        wall: cython.uchar[::1] = stop
        walls: cython.p_uchar = cython.address(wall[0])
        head: cython.int = self.count
        node: cython.int
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(begin.shape[0]):
                node = begin[i]
                if not self.state_at[node] & 1:
                    self.take(node)
                elif not walls[node]:
                    self.expand(node, walls)
            while head < self.count:
                node = self.order_at[head]
                head += 1
                if self.state_at[node] == 1 and not walls[node]:
                    self.expand(node, walls)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def take(self, node: cython.int) -> cython.void:
        """Queues a node that is reached now."""
        self.state_at[node] = 1
        self.order_at[self.count] = node
        self.count += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def expand(self, node: cython.int, walls: cython.p_uchar) -> cython.void:
        """Queues what ``node`` refers to and nothing has reached; goes on at once behind free references."""
        position: cython.longlong
        target: cython.int
        for position in range(self.edges.first[node], self.edges.first[node + 1]):
            target = self.edges.target[position]
            if self.state_at[target] == 0 and self.edges.followed[self.edges.kind[position]]:
                self.parent_at[target] = node
                self.edge_at[target] = position
                self.take(target)
                # Not behind two free references in a row: that bounds the depth of the recursion.
                if (
                    self.edges.kind[position] == self.free_kind
                    and not walls[target]
                    and (self.edge_at[node] < 0 or self.edges.kind[self.edge_at[node]] != self.free_kind)
                ):
                    self.state_at[target] = 3
                    self.expand(target, walls)


_RESERVED = 2
