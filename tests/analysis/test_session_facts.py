"""What ``sessions`` says of ages, states, ids and flags, and which sessions its filters choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.session_facts import require_same_process, witness
from leakscope.analysis.sessions import Wanted, session_nodes, session_report, with_id
from leakscope.errors import InputError
from leakscope.findings.sessions import SessionItem
from leakscope.graph.kinds import Fact, Node
from leakscope.sessions.rules import CATEGORIES
from tests.heaps import Graph, Heap, Thing, Told

NOW = 1_800_000_000.0
FACTS = {"pid": 42, "captured_at": NOW, "started_at": NOW - 7200}


def service(told: dict[str, Told], at: float = NOW, **others: Told) -> tuple[Graph, dict[str, Thing]]:
    """A module that holds one session by each of the names, captured at a time."""
    heap = Heap()
    heap.facts = {
        **FACTS,
        "captured_at": at,
        "rules": [{"name": "rule", "category": "session"}, {"name": "threads", "category": "task"}],
    }
    things = {name: heap.session(heap.object("app.Session"), facts) for name, facts in {**told, **others}.items()}
    heap.module("app", sessions=heap.list(*things.values()))
    return heap.graph(), things


def item_of(graph: Graph, thing: Thing, wanted: Wanted | None = None) -> SessionItem:
    (item,) = [i for i in session_report(HeapIndex(graph), wanted).items if i.address == graph.where(thing)]
    return item


def test_what_the_fields_say() -> None:
    told = Told(id="chat-1", created=NOW - 100, used=NOW - 10, expires=NOW + 50, ttl=60, state="open")
    graph, things = service({"one": told})
    item = item_of(graph, things["one"])
    assert (item.age_s, item.idle_s, item.left_s, item.ttl_s) == (100, 10, 50, 60)
    assert (item.age_source, item.age_at_least, item.state, item.rule) == ("created_at", False, "open", "rule")
    assert item.id is not None and item.id.startswith("#") and len(item.id) == 13
    assert item.flags == ()


@pytest.mark.parametrize(
    ("told", "flag"),
    [
        (Told(facts=Fact.CLOSED), "closed-retained"),
        (Told(expires=NOW - 1), "overdue"),
        (Told(facts=Fact.CLOSING, used=NOW - 61), "closing-hung"),
        (Told(facts=Fact.CLOSING, created=NOW - 61), "closing-hung"),
        (Told(facts=Fact.HOLDER_DEAD), "holder-dead"),
        (Told(facts=Fact.UNREGISTERED), "unregistered"),
        (Told(facts=Fact.EXPECTED_GONE), "expected-gone"),
    ],
)
def test_what_should_be_gone_is_flagged(told: Told, flag: str) -> None:
    graph, things = service({"wrong": told, "right": Told(expires=NOW + 1, used=NOW - 3600)})
    report = session_report(HeapIndex(graph), Wanted(flagged=True))
    assert (report.total, report.flagged) == (1, 1)
    assert report.items[0].address == graph.where(things["wrong"])
    assert report.items[0].flags[0] == flag


def test_what_closes_right_now_does_not_hang() -> None:
    graph, things = service({"closing": Told(facts=Fact.CLOSING, used=NOW - 1, created=NOW - 999)})
    assert item_of(graph, things["closing"]).flags == ()


@pytest.mark.parametrize("doubt", [Fact.CREATED_IMPLAUSIBLE, Fact.CREATED_AMBIGUOUS])
def test_a_time_that_cannot_be_right_is_flagged_and_not_shown(doubt: Fact) -> None:
    graph, things = service({"odd": Told(created=NOW - 99999, facts=doubt)})
    item = item_of(graph, things["odd"])
    assert (item.age_s, item.age_source) == (None, None)
    assert item.flags == ("age-implausible" if doubt == Fact.CREATED_IMPLAUSIBLE else "age-ambiguous",)
    assert session_report(HeapIndex(graph), Wanted(older_than=1)).unjudged == 1


def test_the_other_doubtful_times() -> None:
    doubt = Fact.USED_IMPLAUSIBLE | Fact.EXPIRES_IMPLAUSIBLE
    graph, things = service({"odd": Told(used=NOW + 99, expires=NOW - 1e12, facts=doubt)})
    item = item_of(graph, things["odd"])
    assert (item.idle_s, item.left_s) == (None, None)
    assert item.flags == ("idle-implausible", "expiry-implausible")


def test_filters() -> None:
    graph, things = service(
        {
            "old": Told(created=NOW - 3600, used=NOW - 5, state="open", id="a"),
            "new": Told(created=NOW - 60, used=NOW - 50, state="closed", facts=Fact.CLOSED, id="b"),
            "unknown": Told(),
        }
    )
    index = HeapIndex(graph)

    def chosen(wanted: Wanted) -> set[int]:
        return {item.address for item in session_report(index, wanted).items}

    old, new = graph.where(things["old"]), graph.where(things["new"])
    assert chosen(Wanted(older_than=3600)) == {old}
    assert chosen(Wanted(older_than=60)) == {old, new}
    assert chosen(Wanted(idle_longer_than=6)) == {new}
    assert chosen(Wanted(state="Closed")) == {new}
    assert chosen(Wanted(state="nonsense")) == set()
    assert chosen(Wanted(id="a")) == {old}
    assert session_report(index, Wanted(older_than=60)).unjudged == 1
    assert session_report(index).unjudged == 0


def test_an_id_is_found_by_itself_and_by_its_mask() -> None:
    graph, things = service({"one": Told(id="chat-1"), "two": Told(id="chat-2"), "none": Told()})
    shown = item_of(graph, things["one"]).id
    assert shown is not None
    assert with_id(graph, "chat-1").tolist() == with_id(graph, shown).tolist() == [graph.node(things["one"])]
    assert with_id(graph, "chat-3").tolist() == []


def test_the_flagged_come_first_then_the_oldest() -> None:
    graph, things = service(
        {
            "young": Told(created=NOW - 1),
            "unknown": Told(),
            "old": Told(created=NOW - 1000),
            "closed": Told(created=NOW - 2, facts=Fact.CLOSED),
        }
    )
    order = [item.address for item in session_report(HeapIndex(graph)).items]
    assert order == [graph.where(things[name]) for name in ("closed", "old", "young", "unknown")]
    assert [i.address for i in session_report(HeapIndex(graph), limit=2).items] == order[:2]


def test_a_class_in_figures() -> None:
    told = {str(n): Told(created=NOW - n, expires=NOW + n - 2.5, state="open") for n in range(1, 6)}
    graph, _ = service(told, gone=Told(facts=Fact.CLOSED, state="closed"))
    (row,) = session_report(HeapIndex(graph)).classes
    assert (row.count, row.closed_retained, row.overdue, row.oldest_s, row.median_s) == (6, 1, 2, 5, 3)


def test_tasks_and_resources_are_counted_but_not_shown_unasked() -> None:
    graph, things = service({"session": Told()}, thread=Told(rule="threads"))
    report = session_report(HeapIndex(graph))
    assert [item.address for item in report.items] == [graph.where(things["session"])]
    assert report.others == (("task", 1),)
    every = session_report(HeapIndex(graph), Wanted(categories=CATEGORIES))
    assert (every.total, every.others) == (2, ())


def test_what_awaits_its_collection_is_told_apart() -> None:
    graph, things = service({"live": Told(), "dead": Told(facts=Fact.CLOSED, expires=NOW - 9)})
    graph.flags[graph.node(things["dead"])] |= Node.GARBAGE
    report = session_report(HeapIndex(graph))
    assert (report.total, report.flagged, report.classes[0].count, report.classes[0].uncollected) == (1, 0, 1, 1)
    assert item_of(graph, things["dead"]).flags == ("uncollected",)
    assert session_nodes(graph).tolist() == [graph.node(things["live"])]


def test_an_earlier_snapshot_gives_a_least_age() -> None:
    earlier, _ = service({"a": Told(id="x"), "b": Told(id="y"), "c": Told(created=NOW - 400)}, at=NOW - 300)
    graph, things = service({"a": Told(id="x"), "b": Told(id="z"), "c": Told(created=NOW - 400)})
    report = session_report(HeapIndex(graph), earlier=[witness(earlier, "before.leakscope")])
    items = {item.address: item for item in report.items}
    seen, reused, told = (items[graph.where(things[name])] for name in "abc")
    assert (seen.age_s, seen.age_at_least, seen.age_source) == (300, True, "seen in before.leakscope")
    assert (reused.age_s, reused.age_source) == (None, None), "the address is another session's now"
    assert (told.age_s, told.age_at_least) == (400, False)


def test_the_earliest_witness_counts() -> None:
    graph, _ = service({"a": Told()})
    witnesses = [witness(service({"a": Told()}, at=NOW - age)[0], f"{age}") for age in (60, 600, 120)]
    report = session_report(HeapIndex(graph), earlier=witnesses)
    assert [(item.age_s, item.age_source) for item in report.items] == [(600, "seen in 600")]


def test_another_object_at_the_same_address_is_no_witness() -> None:
    heap = Heap()
    heap.facts = {**FACTS, "captured_at": NOW - 60}
    heap.module("app", sessions=heap.list(heap.object("app.Other")))
    graph, _ = service({"a": Told()})
    (item,) = session_report(HeapIndex(graph), earlier=[witness(heap.graph(), "before")]).items
    assert item.age_s is None


def test_only_an_earlier_snapshot_of_the_same_process_will_do() -> None:
    graph, _ = service({"a": Told()})
    earlier, _ = service({"a": Told()}, at=NOW - 60)
    require_same_process(graph, earlier, "before")
    for change in ({"pid": 43}, {"started_at": NOW - 7190}, {"pid": None}):
        with pytest.raises(InputError, match="another process"):
            require_same_process(graph, replace(earlier, facts={**earlier.facts, **change}), "before")
    with pytest.raises(InputError, match="not the earlier"):
        require_same_process(earlier, graph, "after")
    with pytest.raises(InputError, match="when it was captured"):
        witness(replace(earlier, facts={}), "before")


def test_a_capture_time_that_is_not_known_gives_no_ages() -> None:
    graph, things = service({"a": Told(created=NOW - 5)})
    item = item_of(replace(graph, facts={}), things["a"])
    assert (item.age_s, item.age_source) == (None, None)


def test_a_heap_without_rules_guesses_by_name() -> None:
    heap = Heap()
    heap.module("app", session=heap.object("app.Session"))
    graph = heap.graph()
    assert graph.sessions is None
    (item,) = session_report(HeapIndex(graph)).items
    assert (item.flags, item.rule) == (("guessed",), None)
    assert item.age_s is None
