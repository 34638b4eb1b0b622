"""Retained sizes: of each object and of sets, against deleting them and looking what is left."""

from __future__ import annotations

import random

import networkx
import numpy as np
import pytest

from leakscope.analysis.index import HeapIndex
from leakscope.graph.heap import Frames, HeapGraph, Labels, Roots, Types
from leakscope.graph.kinds import Ref, Root
from leakscope.kernels.dominators import dominators
from leakscope.kernels.edges import Edges
from tests.analysis import oracles
from tests.heaps import Heap

SEEDS = range(400)


def test_retained_sizes_of_all_objects_equal_those_found_by_deleting() -> None:
    for seed in SEEDS:
        graph = oracles.random_heap(seed)
        index = HeapIndex(graph)
        expected = [oracles.retained(graph, [node]) for node in range(graph.objects)]
        assert index.retained.tolist() == expected, f"seed {seed}"
        assert set(np.flatnonzero(index.live).tolist()) == oracles.alive(graph), f"seed {seed}"


def test_immediate_dominators_equal_those_of_networkx() -> None:
    for seed in SEEDS:
        graph = oracles.random_heap(seed)
        index = HeapIndex(graph)
        known = networkx.DiGraph()
        known.add_node(-1)
        known.add_edges_from((-1, node) for node in index.root_nodes.tolist())
        holder = np.repeat(np.arange(graph.objects), np.diff(graph.first_ref))
        strong = graph.kind != Ref.WEAK
        known.add_edges_from(zip(holder[strong].tolist(), graph.target[strong].tolist(), strict=True))
        expected = networkx.immediate_dominators(known, -1)
        assert index.idom.tolist() == [expected.get(node, -2) for node in range(graph.objects)], f"seed {seed}"


def test_retained_sizes_of_sets_equal_those_found_by_deleting() -> None:
    for seed in SEEDS:
        graph = oracles.random_heap(seed)
        index = HeapIndex(graph)
        rng = random.Random(seed)
        sets = [rng.choices(range(graph.objects), k=rng.randint(0, 5)) for _ in range(4)]
        arrays = [np.array(nodes, np.int32) for nodes in sets]
        expected = [oracles.retained(graph, nodes) for nodes in sets]
        assert [index.retained_of_set(nodes) for nodes in arrays] == expected, f"seed {seed}"
        assert index.retained_of_sets(arrays) == expected, f"seed {seed}, all at once"


def test_lower_bounds_are_never_above_the_exact_sizes_and_equal_for_one_object() -> None:
    for seed in SEEDS:
        graph = oracles.random_heap(seed)
        index = HeapIndex(graph)
        rng = random.Random(seed)
        nodes = np.array(rng.sample(range(graph.objects), k=rng.randint(1, min(5, graph.objects))), np.int32)
        assert index.retained_lower_bound(nodes) <= index.retained_of_set(nodes), f"seed {seed}"
        assert index.retained_lower_bound(nodes[:1]) == index.retained_of_set(nodes[:1]), f"seed {seed}"


def test_intervals_are_the_dominator_tree() -> None:
    for seed in SEEDS[:100]:
        graph = oracles.random_heap(seed)
        index = HeapIndex(graph)
        for node in np.flatnonzero(index.live).tolist():
            below = index.by_enter[index.enter[node] : index.enter[node] + index.size[node]].tolist()
            assert below[0] == node
            assert set(below) == oracles.alive(graph) - oracles.alive(graph, [node])
    assert index.enter[index.live == 0].tolist() == [-1] * int((index.live == 0).sum())


def test_what_two_sessions_share_is_retained_by_both_together_only() -> None:
    heap = Heap()
    shared = heap.object("app.History", size=1000)
    a, b = (heap.object("app.Session", size=10, inline=True, history=shared) for _ in range(2))
    heap.module("app", sessions=heap.list(a, b))
    graph = heap.graph()
    index = HeapIndex(graph)
    assert index.retained[graph.nodes([a, b])].tolist() == [10, 10]
    class_bytes = 1000 + 1000  # app.History and app.Session live by their instances alone
    assert index.retained_of_set(graph.nodes([a, b])) == 10 + 10 + 1000 + class_bytes
    assert index.retained_lower_bound(graph.nodes([a, b])) == 20


def test_a_weak_reference_keeps_nothing_alive() -> None:
    heap = Heap()
    session = heap.raw("app.Session", size=10)
    heap.module("app", ref=heap.raw("weakref.ReferenceType").hold(Ref.WEAK, session))
    graph = heap.graph()
    assert HeapIndex(graph).live[graph.node(session)] == 0


def columns(first_ref: np.ndarray, target: np.ndarray, roots: list[int]) -> HeapGraph:
    """A heap of bare references; every object has 1 byte."""
    n = len(first_ref) - 1
    none, root = np.zeros(0, np.int32), np.array(roots, np.int32)
    kinds = np.full(len(root), Root.C_GLOBAL, np.uint8)
    return HeapGraph(
        address=np.arange(n, dtype=np.uint64) * 16,
        type=np.zeros(n, np.int32),
        own_size=np.ones(n, np.int64),
        flags=np.zeros(n, np.uint8),
        first_ref=first_ref.astype(np.int64),
        target=target.astype(np.int32),
        kind=np.full(len(target), Ref.INDEX, np.uint8),
        label=np.zeros(len(target), np.int32),
        types=Types(["app.Node"], np.array([-1], np.int32), np.array([-1], np.int32), np.zeros(1, np.uint8)),
        names=[],
        labels=Labels(none, none),
        frames=Frames(none, none, none, none, none.astype(np.uint8)),
        roots=Roots(root, kinds, np.full(len(root), -1, np.int32), np.zeros(len(root), np.uint8)),
    )


def test_a_linked_list_of_a_million_needs_no_recursion() -> None:
    n = 1_000_000
    index = HeapIndex(columns(np.minimum(np.arange(n + 1), n - 1), np.arange(1, n), roots=[0]))
    assert np.array_equal(index.retained, np.arange(n, 0, -1))
    assert index.retained_of_set(np.array([n // 2, n - 1], np.int32)) == n // 2


def test_a_list_linked_both_ways_is_held_by_its_head() -> None:
    n = 200_000
    forth, back = np.arange(1, n), np.arange(n - 1)
    target = np.column_stack([np.append(0, back), np.append(forth, n - 1)]).ravel()
    index = HeapIndex(columns(np.arange(n + 1) * 2, target, roots=[0]))
    assert np.array_equal(index.idom, np.arange(-1, n - 1))


def test_one_object_with_a_million_referrers() -> None:
    n = 1_000_000
    # 0 refers to all others but the last, and each of those to the last.
    target = np.concatenate([np.arange(1, n - 1), np.full(n - 2, n - 1)])
    first_ref = np.concatenate([[0], np.arange(n - 2, 2 * n - 3), [2 * n - 4]])
    index = HeapIndex(columns(first_ref, target, roots=[0]))
    assert index.idom[n - 1] == 0
    assert index.retained_of_set(np.arange(1, n - 1, dtype=np.int32)) == n - 1
    assert index.retained_lower_bound(np.arange(1, n - 1, dtype=np.int32)) == n - 2


def test_an_empty_heap_has_nothing_to_retain() -> None:
    index = HeapIndex(columns(np.zeros(1), np.zeros(0), roots=[]))
    assert index.retained.tolist() == []
    assert index.retained_of_set(np.zeros(0, np.int32)) == 0


@pytest.mark.parametrize(
    ("first_ref", "target"),
    [([0, 2, 1], [0]), ([0, 1, 2], [0]), ([1, 1, 1], [0]), ([0, 1, 1], [2]), ([0, 1, 1], [-1]), ([0, 1, 1], [0, 0])],
)
def test_columns_that_contradict_each_other_are_refused(first_ref: list[int], target: list[int]) -> None:
    with pytest.raises(ValueError, match="reference"):
        Edges(np.array(first_ref), np.array(target), np.zeros(1, np.uint8), {0})


def test_a_root_that_is_no_object_is_refused() -> None:
    edges = Edges(np.array([0, 0]), np.zeros(0), np.zeros(0), {0})
    with pytest.raises(ValueError, match="does not exist"):
        dominators(edges, np.array([1], np.int32))
