"""Dominators of a whole heap and what follows from them.

Simple Lengauer-Tarjan (TOPLAS 1979), iterative, in depth-first numbers: O(m log n)
on any graph, while semi-NCA, as fast on most heaps, is quadratic on some. A super-root
with number 0 holds all roots. Two things keep it near 45 bytes per object: an edge
from a smaller number contributes just that number to a semidominator and is done with
in a forward scan, so only edges from larger numbers are stored by target; and an object
waits in the bucket of its semidominator through the array that later takes its dominator.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.edges import Edges

from leakscope.kernels import _columns
from leakscope.kernels.edges import nodes_of

SUPER_ROOT = -1
UNREACHABLE = -2


def dominators(edges: Edges, roots):
    """Immediate dominators of everything reachable from ``roots`` (int32 node numbers, repeats allowed).

    Returns ``(idom, order)``, both int32. ``idom[node]`` is a node, -1 where only all roots
    together hold it (the super-root), -2 where nothing reaches it. ``order`` has the reachable
    nodes, each after its dominator: backwards it is good for sums over subtrees.
    """
    roots = nodes_of(edges, roots)
    number = _columns.zeros(edges.nodes, np.int32)
    vertex = _columns.empty(edges.nodes + 1, np.int32)
    parent = _columns.empty(edges.nodes + 1, np.int32)
    count = _depth_first(edges, roots, number, vertex, parent)
    vertex = vertex[: count + 1]
    parent = parent[: count + 1]
    semi = _columns.copied(parent, np.int32)
    semi[number[roots]] = 0
    back_first, back = _backward_edges(edges, number, vertex, semi)
    idom = _lengauer_tarjan(parent, semi, back_first, back)
    del parent, semi, back_first, back
    number.fill(UNREACHABLE)
    vertex[0] = SUPER_ROOT
    order = vertex[1:]
    number[order] = vertex[idom[1:]]
    return number, order


@cython.cfunc
def _depth_first(
    edges: Edges,
    roots: cython.int[::1],
    number: cython.int[::1],
    vertex: cython.int[::1],
    parent: cython.int[::1],
):
    """Numbers what ``roots`` reach from 1 on, in preorder; returns how many. ``vertex`` is inverse to ``number``."""
    cursors: cython.longlong[::1] = _columns.empty(edges.nodes + 1, np.int64)  # by depth; touched as deep as needed
    count: cython.int = 0
    depth: cython.int
    current: cython.int
    child: cython.int
    position: cython.longlong
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(roots.shape[0]):
            if number[roots[i]]:
                continue
            count += 1
            number[roots[i]] = count
            vertex[count] = roots[i]
            parent[count] = 0
            current = count
            depth = 0
            cursors[0] = edges.first[roots[i]]
            while current:
                position = cursors[depth]
                if position == edges.first[vertex[current] + 1]:
                    current = parent[current]
                    depth -= 1
                    continue
                cursors[depth] = position + 1
                child = edges.target[position]
                if number[child] == 0 and edges.followed[edges.kind[position]]:
                    count += 1
                    number[child] = count
                    vertex[count] = child
                    parent[count] = current
                    current = count
                    depth += 1
                    cursors[depth] = edges.first[child]
    return count


@cython.cfunc
def _backward_edges(edges: Edges, number: cython.int[::1], vertex: cython.int[::1], semi: cython.int[::1]):
    """``(first, sources)``: the larger numbers that refer to each number; the smaller ones lower ``semi``."""
    count: cython.int = cython.cast(cython.int, vertex.shape[0] - 1)
    back_first = _columns.zeros(count + 2, np.int64)
    first: cython.longlong[::1] = back_first
    source: cython.int
    target: cython.int
    position: cython.longlong
    with cython.nogil:
        for source in range(1, count + 1):
            for position in range(edges.first[vertex[source]], edges.first[vertex[source] + 1]):
                if edges.followed[edges.kind[position]]:
                    target = number[edges.target[position]]
                    if target < source:
                        first[target] += 1
                    elif target > source and source < semi[target]:
                        semi[target] = source
        for target in range(1, count + 2):
            first[target] += first[target - 1]
    sources = _columns.empty(back_first[count + 1], np.int32)
    out: cython.int[::1] = sources
    with cython.nogil:
        for source in range(1, count + 1):
            for position in range(edges.first[vertex[source]], edges.first[vertex[source] + 1]):
                if edges.followed[edges.kind[position]]:
                    target = number[edges.target[position]]
                    if target < source:
                        first[target] -= 1
                        out[first[target]] = source
    return back_first, sources


@cython.cfunc
def _lengauer_tarjan(
    ancestor: cython.int[::1], semi: cython.int[::1], back_first: cython.longlong[::1], back: cython.int[::1]
):
    """Immediate dominators in depth-first numbers. ``ancestor`` begins as the tree's parents and is compressed."""
    count: cython.int = cython.cast(cython.int, ancestor.shape[0] - 1)
    idoms = _columns.zeros(count + 1, np.int32)
    idom: cython.int[::1] = idoms  # until a node's dominator is known: the next one in its bucket
    bucket: cython.int[::1] = _columns.zeros(count + 1, np.int32)
    label: cython.int[::1] = _columns.empty(count + 1, np.int32)
    path: cython.int[::1] = _columns.empty(count + 1, np.int32)
    w: cython.int
    v: cython.int
    best: cython.int
    after: cython.int
    position: cython.longlong
    with cython.nogil:
        for w in range(count + 1):
            label[w] = w
        for w in range(count, 0, -1):
            v = bucket[w]
            while v:
                after = idom[v]
                best = _lowest(
                    v,
                    w,
                    cython.address(ancestor[0]),
                    cython.address(label[0]),
                    cython.address(semi[0]),
                    cython.address(path[0]),
                )
                idom[v] = best if semi[best] < w else w
                v = after
            for position in range(back_first[w], back_first[w + 1]):
                best = _lowest(
                    back[position],
                    w,
                    cython.address(ancestor[0]),
                    cython.address(label[0]),
                    cython.address(semi[0]),
                    cython.address(path[0]),
                )
                if semi[best] < semi[w]:
                    semi[w] = semi[best]
            if semi[w] == 0 or semi[w] == ancestor[w]:
                idom[w] = semi[w]
            else:
                idom[w] = bucket[semi[w]]
                bucket[semi[w]] = w
        for w in range(1, count + 1):
            if idom[w] != semi[w]:
                idom[w] = idom[idom[w]]
    return idoms


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def _lowest(
    v: cython.int,
    unlinked: cython.int,
    ancestor: cython.p_int,
    label: cython.p_int,
    semi: cython.p_int,
    path: cython.p_int,
) -> cython.int:
    """The node of smallest semidominator on the forest path that ends at ``v``; numbers up to ``unlinked`` are roots.

    Compresses the path, top down; ``path`` is room for it.
    """
    length: cython.int = 0
    top: cython.int
    while ancestor[v] > unlinked:
        path[length] = v
        length += 1
        v = ancestor[v]
    while length:
        length -= 1
        top = v
        v = path[length]
        if semi[label[top]] < semi[label[v]]:
            label[v] = label[top]
        ancestor[v] = ancestor[top]
    return label[v]


def subtree_sums(idom, order, weights):
    """For each node the sum of ``weights`` (int64) over what it dominates, itself included: retained sizes.

    An unreachable node has its own weight.
    """
    sums = _columns.copied(weights, np.int64)
    total: cython.longlong[::1] = sums
    above: cython.int[::1] = idom
    nodes: cython.int[::1] = order
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(nodes.shape[0] - 1, -1, -1):
            if above[nodes[i]] >= 0:
                total[above[nodes[i]]] += total[nodes[i]]
    return sums


def intervals(idom, order):
    """The dominator tree as nested intervals: ``(enter, size, by_enter)``, all int32.

    What ``node`` dominates, itself included, is ``by_enter[enter[node] : enter[node] + size[node]]``.
    Unreachable nodes have ``enter`` -1 and ``size`` 0.
    """
    sizes = _columns.zeros(len(idom), np.int32)
    enters = np.full(len(idom), -1, dtype=np.int32)
    by_enter = _columns.empty(len(order), np.int32)
    size: cython.int[::1] = sizes
    enter: cython.int[::1] = enters
    at: cython.int[::1] = by_enter
    free: cython.int[::1] = _columns.empty(len(idom), np.int32)  # by node: where its next child's interval begins
    above: cython.int[::1] = idom
    nodes: cython.int[::1] = order
    top: cython.int = 0
    node: cython.int
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(nodes.shape[0] - 1, -1, -1):
            node = nodes[i]
            size[node] += 1
            if above[node] >= 0:
                size[above[node]] += size[node]
        for i in range(nodes.shape[0]):
            node = nodes[i]
            if above[node] >= 0:
                enter[node] = free[above[node]]
                free[above[node]] += size[node]
            else:
                enter[node] = top
                top += size[node]
            free[node] = enter[node] + 1
            at[enter[node]] = node
    return enters, sizes, by_enter


def outermost_sums(size, by_enter, group, weights, groups: cython.int):
    """For each group the sum of ``weights`` (int64, by node) of its members that no other member dominates.

    ``group`` (int32, by node) is 0..groups-1, or -1 for none.
    """
    sums = _columns.zeros(groups, np.int64)
    group = np.ascontiguousarray(group, dtype=np.int32)
    if len(group) and (group.min() < -1 or group.max() >= groups):
        raise ValueError("a group number is out of range")
    total: cython.longlong[::1] = sums
    # By group, the end of the interval of its member that is open: outside it, the next one is outermost.
    covered: cython.int[::1] = _columns.zeros(groups, np.int32)
    member: cython.int[::1] = group
    weight: cython.longlong[::1] = np.ascontiguousarray(weights, dtype=np.int64)
    length: cython.int[::1] = size
    nodes: cython.int[::1] = by_enter
    i: cython.int
    node: cython.int
    with cython.nogil:
        for i in range(nodes.shape[0]):
            node = nodes[i]
            if member[node] >= 0 and covered[member[node]] <= i:
                total[member[node]] += weight[node]
                covered[member[node]] = i + length[node]
    return sums


def common_dominator(idom, enter, size, members):
    """The nearest node that dominates all of ``members`` (reachable, at least one), -1 if only the super-root does."""
    reached = enter[members]
    lowest: cython.int = reached.min()
    highest: cython.int = reached.max()
    above: cython.int[::1] = idom
    begin: cython.int[::1] = enter
    length: cython.int[::1] = size
    node: cython.int = members[reached.argmin()]
    # In preorder the common ancestor of the outermost two is that of all.
    with cython.nogil:
        while node >= 0 and not begin[node] <= lowest <= highest < begin[node] + length[node]:
            node = above[node]
    return node
