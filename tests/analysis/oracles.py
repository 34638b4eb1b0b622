"""Slow, obvious answers to compare fast ones with, and random heaps to ask both about."""

from __future__ import annotations

import random
from collections.abc import Collection

from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref, Root
from tests.heaps import Graph, Heap


def random_heap(seed: int) -> Graph:
    """At most 25 objects, some garbage, some weak references, cycles, loops and repeated references."""
    rng = random.Random(seed)
    heap = Heap()
    things = [heap.raw("app.Thing", size=rng.randint(1, 99)) for _ in range(rng.randint(1, 20))]
    for _ in range(rng.randint(0, 3 * len(things))):
        kind = Ref.WEAK if rng.random() < 0.1 else rng.choice((Ref.INDEX, Ref.ATTR, Ref.DICT, Ref.TYPE))
        rng.choice(things).hold(kind, rng.choice(things), "name" if kind == Ref.ATTR else 0)
    for _ in range(rng.randint(0, 4)):
        kind = rng.choice((Root.C_GLOBAL, Root.THREAD, Root.C_UNSEEN, Root.GARBAGE))
        heap.root(kind, rng.choice(things))
    return heap.graph()


def alive(graph: HeapGraph, without: Collection[int] = ()) -> set[int]:
    """What the roots reach by strong references when the nodes ``without`` are deleted."""
    roots = zip(graph.roots.node.tolist(), graph.roots.kind.tolist(), strict=True)
    seen = {node for node, kind in roots if kind != Root.GARBAGE} - set(without)
    queue = list(seen)
    while queue:
        node = queue.pop()
        for position in range(graph.first_ref[node], graph.first_ref[node + 1]):
            target = int(graph.target[position])
            if graph.kind[position] != Ref.WEAK and target not in seen and target not in without:
                seen.add(target)
                queue.append(target)
    return seen


def retained(graph: HeapGraph, nodes: Collection[int]) -> int:
    """Bytes that die with ``nodes``; those that are dead already count themselves."""
    before = alive(graph)
    freed = (before - alive(graph, nodes)) | set(nodes)
    return int(sum(graph.own_size[node] for node in freed))
