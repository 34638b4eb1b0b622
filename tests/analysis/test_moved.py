"""Objects that a collector moved are known by the way to them."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import numpy as np

from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.moved import ids_by_way
from leakscope.formats.dumps import HPROF, load_dump
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref
from tests.formats.hprof_made import STEP, Made

FIELDS = 30


def heap(path: Path, seed: int, listed: int, without: str = "") -> HeapGraph:
    """Thirty static fields, each with a box of two tails; a list of ``listed`` tails; all at places by ``seed``."""
    made = Made()
    box, tail = made.class_("app.Box", content="L"), made.class_("app.Tail", next="L")
    owner = made.class_("app.Main")
    places = iter(random.Random(seed).sample(range(1 << 20), 4 * FIELDS + listed + 1))

    def at() -> int:
        return (1 << 32) + next(places) * STEP

    for number in range(FIELDS):
        name = f"FIELD_{number}"
        inner = made.object(tail, at=at(), next=made.object(tail, at=at()))
        if name != without:
            made.static(owner, name, made.object(box, at=at(), content=inner))
    made.static(owner, "LIST", made.array([made.object(tail, at=at()) for _ in range(listed)], at=at()))
    path.write_bytes(made.content())
    graph, _ = load_dump(path, HPROF)
    return dataclasses.replace(graph, facts={**graph.facts, "pid": 1, "started_at": 1.0})


def names(graph: HeapGraph) -> dict[int, str]:
    """By node of a box the field that holds it."""
    found = {}
    owner = int(graph.types.node[graph.types.name.index("app.Main")])
    for position in range(int(graph.first_ref[owner]), int(graph.first_ref[owner + 1])):
        name = graph.names[int(graph.label[position])]
        if name.startswith("FIELD_"):
            found[int(graph.target[position])] = name
    return found


def test_the_same_field_is_the_same_object_wherever_it_lies(tmp_path: Path) -> None:
    before = heap(tmp_path / "a.hprof", seed=1, listed=5, without="FIELD_3")
    after = heap(tmp_path / "b.hprof", seed=2, listed=7)
    series = Series((before, after))
    boxes, then = names(after), names(before)
    nodes = np.array(sorted(boxes), dtype=np.int32)
    found = series.earlier(nodes, 0)
    for node, earlier in zip(nodes.tolist(), found.tolist(), strict=True):
        assert then.get(earlier) == (None if boxes[node] == "FIELD_3" else boxes[node])


def test_what_is_new_is_counted_however_places_are_mixed(tmp_path: Path) -> None:
    graphs = [heap(tmp_path / f"{seed}.hprof", seed, listed=5 * seed) for seed in (1, 2, 3)]
    series = Series(tuple(graphs))
    last = graphs[-1]
    tails = np.flatnonzero(last.type == last.types.name.index("app.Tail"))
    live = tails[last.flags[tails] & 8 == 0]
    assert np.bincount(series.born[live]).tolist() == [2 * FIELDS + 5, 5, 5]
    assert len(live) == 2 * FIELDS + 15


def test_ids_are_unique(tmp_path: Path) -> None:
    graph = heap(tmp_path / "a.hprof", seed=4, listed=50)
    assert len(np.unique(ids_by_way(HeapIndex(graph)))) == graph.objects


def test_what_came_to_the_end_of_a_list_is_what_is_new(tmp_path: Path) -> None:
    graphs = [heap(tmp_path / f"{seed}.hprof", seed, listed=5 * seed) for seed in (1, 2, 3)]
    last = graphs[-1]
    owner = int(last.types.node[last.types.name.index("app.Main")])
    held = range(int(last.first_ref[owner]), int(last.first_ref[owner + 1]))
    (array,) = (int(last.target[at]) for at in held if last.names[int(last.label[at])] == "LIST")
    of_array = slice(int(last.first_ref[array]), int(last.first_ref[array + 1]))
    listed = last.target[of_array][last.kind[of_array] == Ref.INDEX]
    assert Series(tuple(graphs)).born[listed].tolist() == [0] * 5 + [1] * 5 + [2] * 5
