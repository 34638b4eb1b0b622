"""What changed between heaps: objects that survive, came and went; holders by fingerprint; containers by length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from leakscope.analysis.diff import find_diff
from leakscope.analysis.digest import digest
from leakscope.analysis.index import HeapIndex
from leakscope.findings.diff import Diff
from leakscope.graph.facts import one_process
from leakscope.graph.kinds import Ref
from tests.heaps import Graph, Heap, Told

NOW = 1_800_000_000.0


def heap(sessions: Sequence[str | None], at: float, orders: int = 0, **facts: Any) -> Graph:
    """A service whose sessions stand at fixed addresses: None leaves a gap, a text is the session's id."""
    made = Heap()
    made.facts = {"pid": 42, "started_at": NOW - 99, "captured_at": NOW + at, "version": "3.11.7", **facts}
    slots = [made.object("app.Session" if id else "app.Gap", size=100) for id in sessions]
    alive = []
    for slot, id in zip(slots, sessions, strict=True):
        if id:
            alive.append(made.session(slot, Told(id=id)))
    held = made.list(*alive)
    queue = made.list(type="collections.deque")
    made.module("app", sessions=held, orders=queue, gaps=made.set(*[s for s in slots if s not in alive]))
    for position in range(orders):  # last, so that they move nothing else
        queue.hold(Ref.INDEX, made.object("app.Order", size=10), position)
    return made.graph()


def compared(*graphs: Graph, limit: int = 20) -> Diff:
    indexes = [HeapIndex(graph) for graph in graphs]
    named = not one_process([graph.facts for graph in graphs])
    return find_diff([digest(index, str(at), named) for at, index in enumerate(indexes)], indexes[-1], limit)


def test_sessions_that_came_went_and_stayed() -> None:
    found = compared(heap(["a", "b", None, None], 0), heap(["a", None, "c", "d"], 60))
    assert found.same_process
    assert found.sessions.counts == (2, 3)
    assert (found.sessions.born, found.sessions.gone, found.sessions.survived) == (2, 1, 1)
    assert found.sessions.oldest_survivor_s == 60
    (row,) = found.sessions.classes
    assert (row.class_, row.counts, row.born, row.gone, row.survived) == ("app.Session", (2, 3), 2, 1, 1)


def test_an_address_that_another_session_took_is_no_survivor() -> None:
    found = compared(heap(["a"], 0), heap(["b"], 60))
    assert (found.sessions.born, found.sessions.gone, found.sessions.survived) == (1, 1, 0)
    assert found.sessions.oldest_survivor_s is None


def test_classes_that_changed_and_the_rest_in_one_line() -> None:
    found = compared(heap(["a"], 0, orders=2), heap(["a"], 60, orders=9))
    by_name = {row.class_: row for row in found.classes}
    assert by_name["app.Order"].counts == (2, 9)
    assert (by_name["app.Order"].delta, by_name["app.Order"].retained_delta_bytes) == (7, 70)
    assert "app.Session" not in by_name
    short = compared(heap(["a"], 0, orders=1), heap(["a", "b"], 60, orders=8), limit=1)
    assert len(short.classes) == 1
    assert short.other_classes.rows > 0
    total = compared(heap(["a"], 0, orders=1), heap(["a", "b"], 60, orders=8))
    assert short.classes[0].delta + short.other_classes.delta == sum(row.delta for row in total.classes)


def test_steady_growth_comes_before_a_larger_jump() -> None:
    graphs = [heap(["a"] * (1 + step), 60 * step, orders=1000 if step == 2 else 0) for step in range(3)]
    assert compared(*graphs).classes[0].class_ == "app.Session"


def test_holders_are_compared_by_fingerprint() -> None:
    found = compared(heap(["a"], 0), heap(["a", "b", "c"], 60))
    (cluster,) = found.clusters
    assert (cluster.class_, cluster.counts, cluster.delta) == ("app.Session", (1, 3), 2)
    assert cluster.text == "app.sessions[0] -> app.Session"


def test_containers_by_what_they_hold() -> None:
    found = compared(heap(["a"], 0, orders=2), heap(["a"], 60, orders=5), heap(["a"], 120, orders=9))
    (queue,) = found.containers
    assert (queue.holder, queue.type, queue.lengths, queue.delta) == (
        "app.orders -> collections.deque",
        "collections.deque",
        (2, 5, 9),
        7,
    )


def test_different_processes_are_compared_by_name_only() -> None:
    found = compared(heap(["a"], 0, orders=2), heap(["a", "b"], 60, orders=50, pid=43, version="3.12.1"))
    assert not found.same_process
    assert (found.sessions.born, found.sessions.gone, found.sessions.survived) == (None, None, None)
    assert found.sessions.counts == (1, 2)
    assert {(row.holder, row.lengths, row.address) for row in found.containers} == {
        ("app.orders -> collections.deque", (2, 50), None),
        ("app.sessions -> list", (1, 2), None),
    }
    assert any("different processes" in note for note in found.notes)
    assert any("3.11 and 3.12" in note for note in found.notes)


def test_nothing_changed() -> None:
    found = compared(heap(["a"], 0), heap(["a"], 60), heap(["a"], 120))
    assert (found.classes, found.clusters, found.containers, found.notes) == ((), (), (), ())


@pytest.mark.parametrize(
    ("origins", "same"),
    [
        ([(1, 5.0), (1, 5.1)], True),
        ([(1, 5.0), (2, 5.0)], False),
        ([(1, 5.0), (1, 9.0)], False),
        ([(None, 5.0), (None, 5.0)], False),
        ([(1, None), (1, None)], False),
    ],
)
def test_one_process(origins: list[tuple[float | None, float | None]], same: bool) -> None:
    assert one_process([{"pid": pid, "started_at": start} for pid, start in origins]) is same
