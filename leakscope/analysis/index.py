"""``HeapIndex``: what several analyses need of one heap, computed when first asked for and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from leakscope.graph.heap import HeapGraph, Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref, Root
from leakscope.kernels.dominators import common_dominator, dominators, intervals, outermost_sums, subtree_sums
from leakscope.kernels.edges import Edges
from leakscope.kernels.removal import kept_alone
from leakscope.kernels.traverse import REACHED, TOUCHED, reach

STRONG = frozenset(Ref) - {Ref.WEAK}


class HeapIndex:
    """Liveness, dominators and retained sizes of one heap.

    Everything is a property by node; the first use of any costs the dominator tree, a few
    seconds per ten million objects. Garbage has no dominator: it retains its own size.
    """

    def __init__(self, graph: HeapGraph) -> None:
        self.graph = graph

    @cached_property
    def edges(self) -> Edges:
        """All references but weak ones; ValueError if the graph's columns contradict each other."""
        return Edges(self.graph.first_ref, self.graph.target, self.graph.kind, STRONG)

    @cached_property
    def root_nodes(self) -> Int32s:
        """What is alive although no object may refer to it; repeats."""
        roots = self.graph.roots
        return np.ascontiguousarray(roots.node[roots.kind != Root.GARBAGE], dtype=np.int32)

    @cached_property
    def _tree(self) -> tuple[Int32s, Int32s]:
        return dominators(self.edges, self.root_nodes)

    @cached_property
    def _intervals(self) -> tuple[Int32s, Int32s, Int32s]:
        return intervals(*self._tree)

    @property
    def idom(self) -> Int32s:
        """The immediate dominator, -1 where only all roots together hold the object, -2 for garbage."""
        return self._tree[0]

    @cached_property
    def live(self) -> Int8s:
        """1 where a root reaches the object, else 0."""
        return (self.idom >= -1).view(np.uint8)

    @cached_property
    def retained(self) -> Int64s:
        """Bytes that would be freed if the object were, its own included."""
        return subtree_sums(*self._tree, self.graph.own_size)

    @property
    def enter(self) -> Int32s:
        """Where the object's interval in ``by_enter`` begins, -1 for garbage."""
        return self._intervals[0]

    @property
    def size(self) -> Int32s:
        """How many objects it dominates, itself included: the length of its interval."""
        return self._intervals[1]

    @property
    def by_enter(self) -> Int32s:
        """The live nodes in preorder of the dominator tree."""
        return self._intervals[2]

    def retained_of_set(self, nodes: Int32s) -> int:
        """Bytes that would be freed if all ``nodes`` were: exact, also for what only some of them together hold."""
        return self.retained_of_sets([nodes])[0]

    def retained_of_sets(self, sets: Sequence[Int32s]) -> list[int]:
        """``retained_of_set`` of each, at little more than the cost of one.

        What a set keeps alone lies below the nearest common dominator d of all members: every way
        from a root to it passes a member, and every way to a member passes d. So one search from
        d, within what d dominates and around all members, finds what lives without any set (a way
        from d back out and in again would bypass d, which dominates it). What is left is kept by
        the sets together; who of them keeps what alone is settled there (``kept_alone``). Often it
        is a small part of the heap, though d is the super-root.
        """
        sets = [_once_each(np.asarray(nodes, dtype=np.int32)) for nodes in sets]
        alive = [nodes[self.live[nodes] != 0] for nodes in sets]
        garbage = [int(self.graph.own_size[nodes[self.live[nodes] == 0]].sum()) if len(nodes) else 0 for nodes in sets]
        members = np.concatenate([*alive, np.empty(0, dtype=np.int32)])
        if not len(members):
            return garbage
        held = self._held_only_by(members)
        if len(sets) == 1:
            kept = [int(self.graph.own_size[held != 0].sum())]
        else:
            firsts = np.cumsum([0, *map(len, alive)], dtype=np.int64)
            kept = kept_alone(self.edges, self.graph.own_size, held, members, firsts).tolist()
        return [sum(pair) for pair in zip(garbage, kept, strict=True)]

    def _held_only_by(self, members: Int32s) -> Int8s:
        """By node: 0 if it lives without ``members``, 1 if not, 2 for a member that something else refers to."""
        top = common_dominator(self.idom, self.enter, self.size, members)
        if top >= 0:
            inside = np.zeros(self.graph.objects, dtype=np.uint8)
            inside[self.by_enter[self.enter[top] : self.enter[top] + self.size[top]]] = 1
            starts = np.array([top], dtype=np.int32)
        else:
            inside, starts = self.live, self.root_nodes
        is_member = np.zeros(self.graph.objects, dtype=np.uint8)
        is_member[members] = 1
        seen = reach(self.edges, starts, (inside == 0).view(np.uint8) | is_member)
        held: Int8s = inside & (seen != REACHED)
        held[(is_member != 0) & (seen == TOUCHED)] = 2
        return held

    def retained_lower_bound(self, nodes: Int32s) -> int:
        """At least what ``retained_of_set`` says, at once: what is shared among ``nodes`` is left out."""
        return int(self.retained_lower_bounds(nodes, np.zeros(len(nodes), dtype=np.int32), 1)[0])

    def retained_lower_bounds(self, nodes: Int32s, group: Int32s, groups: int) -> Int64s:
        """``retained_lower_bound`` of each group; ``group`` (0..groups-1) is parallel to the distinct ``nodes``.

        The retained sizes of a group's members, of those alone that no other member of it dominates.
        """
        by_node = np.full(self.graph.objects, -1, dtype=np.int32)
        by_node[nodes] = group
        bounds = outermost_sums(self.size, self.by_enter, by_node, self.retained, groups)
        dead = self.live[nodes] == 0
        np.add.at(bounds, group[dead], self.graph.own_size[nodes[dead]])
        return bounds


def _once_each(nodes: Int32s) -> Int32s:
    """Ascending. Of millions NumPy's ``unique`` makes a hash table, which takes ten times as long as sorting them."""
    ordered = np.sort(nodes)
    first = np.ones(len(ordered), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    once: Int32s = ordered[first]
    return once
