"""The report: one suspect for one leak, exact evidence from one snapshot, order, kinds, remedies, notes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from leakscope.analysis.suspects import find_suspects
from leakscope.errors import InputError
from leakscope.findings.suspects import SuspectReport
from leakscope.graph.heap import Bounds, HeapGraph, Sessions
from leakscope.graph.kinds import Fact, Node, Origin, Ref
from leakscope.sessions.load import RuleSet
from leakscope.sessions.remedies import harmless_reason, kinds, remedy_for
from leakscope.sessions.rules import Rule
from tests.analysis.growing import series
from tests.heaps import Heap, Thing, Told

CLASSES = ("dict", "list", "str", "set", "tuple", "method", "app.Session", "app.Other", "app.Bus")


def leaking(hold: Callable[[Heap, Thing, int], Thing], per_step: int = 40, snapshots: int = 4) -> SuspectReport:
    """Sessions, each with parts of its own, that a list of the module keeps by what ``hold`` makes of them."""

    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        listeners = heap.list()
        heap.module("app", BUS=heap.object("app.Bus", listeners=listeners))
        for each in range(per_step * number):
            session = heap.object("app.Session", data=heap.dict({}), log=heap.list(heap.string()))
            listeners.hold(Ref.INDEX, hold(heap, session, each), each)

    return find_suspects(series(fill, snapshots))


def with_sessions(graph: HeapGraph, kind: str, facts: int, **columns: float) -> HeapGraph:
    """``graph`` as rules would have read it: all of ``kind`` are sessions with these facts."""
    node = np.flatnonzero(np.array(graph.types.name)[graph.type] == kind).astype(np.int32)
    unknown = np.full(len(node), np.nan)
    names = [*graph.names, "a rule"]
    numbers = np.full(len(node), len(names) - 1, np.int32)
    none = np.full(len(node), -1, np.int32)
    times = {name: np.full(len(node), columns.get(name, np.nan)) for name in ("created", "used", "expires", "ttl")}
    assert len(unknown) == len(node)
    table = Sessions(
        node=node,
        rule=numbers,
        id=np.full(len(node), 0xFFFF_FFFF_FFFF_FFFF, np.uint64),
        id_name=none,
        created_from=none,
        state=none,
        facts=np.full(len(node), facts, np.int32),
        **times,
    )
    return dataclasses.replace(graph, names=names, sessions=table)


def standing(count: int, facts: int = 0, holder: str = "module", **columns: float) -> HeapGraph:
    """One snapshot with so many sessions in a dict of a module, or in the hands of a running function."""
    heap = Heap()
    heap.facts = {"pid": 7, "started_at": 1000.0, "captured_at": 2000.0}
    held = [heap.object("app.Session", data=heap.dict({})) for _ in range(count)]
    if holder == "module":
        heap.module("app", SESSIONS=heap.dict({f"#{n}": each for n, each in enumerate(held)}))
    else:
        heap.frame("serve", "app.py", 3, **{f"session_{n}": each for n, each in enumerate(held)})
    return with_sessions(heap.graph(), "app.Session", facts, **columns)


def test_no_heap_is_an_error() -> None:
    with pytest.raises(InputError):
        find_suspects([])


def test_one_leak_is_one_suspect_and_its_parts_are_none() -> None:
    report = leaking(lambda heap, session, each: session)
    (suspect,) = report.suspects
    assert (suspect.rank, suspect.class_, suspect.count) == (1, "app.Session", 120)
    assert (suspect.growth_per_step, suspect.kind, suspect.holder) == (40.0, "object container", "app.BUS.listeners")
    assert "grew by 40, 40, 40 in 3 steps" in suspect.evidence[0]
    assert "80 of 80 that were put there before the last step are still there" in suspect.evidence
    assert "held by app.BUS.listeners (list, 120 entries)" in suspect.evidence
    assert suspect.chain.startswith("app.BUS.listeners[0]")
    assert suspect.retained_bytes > 120 * 200
    assert report.total == 1 and report.same_process


@pytest.mark.parametrize(
    ("hold", "kind"),
    [
        (lambda heap, session, each: heap.fields("method", __self__=session), "listener list"),
        (lambda heap, session, each: heap.function("later", "app.py", 9, session=session), "closure"),
        (lambda heap, session, each: heap.fields("_asyncio.Task", coro=session), "pending task"),
        (lambda heap, session, each: heap.fields("concurrent.futures.thread._WorkItem", fn=session), "executor queue"),
        (
            lambda heap, session, each: heap.fields(
                "app.BadError", __traceback__=heap.fields("traceback", tb_frame=session)
            ),
            "exception traceback",
        ),
        (
            lambda heap, session, each: heap.code("generator", "stream", "app.py", 4, session=session),
            "suspended generator",
        ),
        (lambda heap, session, each: heap.dict({"session": session}), "object container"),
    ],
)
def test_the_session_is_named_whatever_carries_it(hold: Callable[[Heap, Thing, int], Thing], kind: str) -> None:
    (suspect,) = leaking(hold).suspects
    assert (suspect.class_, suspect.count, suspect.kind) == ("app.Session", 120, kind)
    assert suspect.holder == "app.BUS.listeners"
    assert suspect.remedy == kinds()[kind]


def test_another_holder_of_the_same_sessions_is_evidence_and_no_second_suspect() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        first, second = heap.list(), heap.list()
        heap.module("app", SESSIONS=first)
        heap.module("lib", Origin.THIRD_PARTY, CALLBACKS=second)
        for each in range(40 * number):
            session = heap.object("app.Session")
            first.hold(Ref.INDEX, session, each)
            second.hold(Ref.INDEX, heap.fields("method", __self__=session), each)

    (suspect,) = find_suspects(series(fill, 4)).suspects
    assert suspect.holder == "app.SESSIONS"
    assert "also held by lib.CALLBACKS" in suspect.evidence


def test_a_whole_stands_for_its_parts_though_they_keep_more() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in (*CLASSES, "app.Context"):
            heap.cls(name)
        sessions, contexts = heap.dict({}), heap.dict({})
        heap.module("app", SESSIONS=sessions, CONTEXTS=contexts)
        for _ in range(40 * number):
            context = heap.session(heap.object("app.Context", size=5000), Told(rule="context"))
            session = heap.session(heap.object("app.Session", context=context), Told(rule="session"))
            for holder, held in ((sessions, session), (contexts, context)):
                key = heap.string()
                holder.hold(Ref.DICT_KEY, key).hold(Ref.KEY, held, key)

    rules = RuleSet(
        (
            Rule("context", "", "test", classes=("app.Context",), part_of=("app.Session",)),
            Rule("session", "", "test", classes=("app.Session",)),
        )
    )
    report = find_suspects(series(fill, 4), rules)
    assert [(found.class_, found.holder) for found in report.suspects] == [("app.Session", "app.SESSIONS")]


def test_closed_sessions_that_are_held_are_suspected_from_one_snapshot() -> None:
    (suspect,) = find_suspects([standing(30, Fact.CLOSED)]).suspects
    assert (suspect.class_, suspect.count, suspect.growth_per_step) == ("app.Session", 30, None)
    assert (suspect.holder, suspect.kind) == ("app.SESSIONS", "module container")
    assert suspect.evidence[0] == "30 of 30 are closed, and still held"


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        (standing(30), 0),
        (standing(10, Fact.CLOSED), 0),
        (standing(10, Fact.CLOSED, used=1800.0), 1),
        (standing(4, Fact.CLOSED, used=1800.0), 0),
        (standing(30, Fact.CLOSED | Fact.HEALTHY), 0),
        (standing(30, Fact.CLOSED, holder="frame"), 0),
        (standing(30, Fact.CLOSING), 0),
        (standing(30, Fact.CLOSING, used=1800.0), 1),
        (standing(30, expires=1900.0), 1),
        (standing(30, expires=2100.0), 0),
        (standing(30, Fact.UNREGISTERED), 1),
        (standing(30, Fact.HOLDER_DEAD), 1),
        (standing(1, Fact.EXPECTED_GONE), 1),
    ],
)
def test_what_counts_as_exact_evidence(graph: HeapGraph, found: int) -> None:
    assert len(find_suspects([graph]).suspects) == found


def test_a_large_container_is_a_candidate_until_it_is_looked_at_again() -> None:
    report = find_suspects([standing(500)])
    assert report.suspects == ()
    (candidate,) = report.candidates
    assert (candidate.class_, candidate.count, candidate.holder) == ("app.Session", 500, "app.SESSIONS")
    assert "take another" in candidate.reason
    assert find_suspects([standing(50)]).candidates == ()


def test_a_bounded_container_is_no_candidate() -> None:
    graph = standing(500)
    held = np.flatnonzero(np.diff(graph.first_ref) > 500).astype(np.int32)
    assert len(held) == 1
    bounds = Bounds(held, np.array([1000], np.int64))
    assert find_suspects([dataclasses.replace(graph, bounds=bounds)]).candidates == ()


def test_exact_evidence_and_growth_are_one_suspect_and_come_first() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        large, small = heap.list(), heap.list()
        heap.module("app", LARGE=large, SMALL=small)
        for each in range(40 * number):
            large.hold(Ref.INDEX, heap.object("app.Other", size=5000), each)
            small.hold(Ref.INDEX, heap.object("app.Session"), each)

    graphs = [with_sessions(graph, "app.Session", Fact.CLOSED) for graph in series(fill, 4)]
    first, second = find_suspects(graphs).suspects
    assert (first.class_, second.class_) == ("app.Session", "app.Other")
    assert first.evidence[0] == "120 of 120 are closed, and still held"
    assert first.evidence[1].startswith("grew by 40, 40, 40")
    assert [each.rank for each in (first, second)] == [1, 2]
    limited = find_suspects(graphs, limit=1)
    assert (len(limited.suspects), limited.total) == (1, 2)


def test_garbage_that_nobody_collects() -> None:
    def fill(heap: Heap, number: int) -> None:
        heap.facts["gc"] = {"enabled": False}
        heap.module("app")
        for name in CLASSES:
            heap.cls(name)
        for _ in range(20 * number):
            heap.object("app.Session", inline=True, flags=heap.string()).flags |= Node.GARBAGE | Node.GC_TRACKED

    graphs = series(fill, 4)
    (suspect,) = find_suspects(graphs).suspects
    assert (suspect.kind, suspect.class_, suspect.count) == ("uncollected cycle", "app.Session", 60)
    assert suspect.growth_per_step == 20.0
    assert "the collector is switched off: gc.disable()" in suspect.evidence
    running = [dataclasses.replace(each, facts={**each.facts, "gc": {"enabled": True}}) for each in graphs]
    assert find_suspects(running).suspects == ()


def test_an_unbounded_cache_that_keeps_the_self_of_a_method() -> None:
    heap = Heap()
    cache = heap.raw("dict")
    for _ in range(30):
        key = heap.list(heap.object("app.Session"), type="tuple")
        cache.hold(Ref.DICT_KEY, key).hold(Ref.KEY, heap.string(), key)
    wrapper = heap.fields("functools._lru_cache_wrapper", cache=cache)
    heap.module("app", Session=heap.cls("app.Session", permissions=wrapper))
    none = Bounds(np.empty(0, np.int32), np.empty(0, np.int64))
    graph = heap.graph()
    (suspect,) = find_suspects([dataclasses.replace(graph, bounds=none)]).suspects
    assert (suspect.kind, suspect.class_, suspect.count) == ("lru_cache", "app.Session", 30)
    bounded = Bounds(graph.nodes([wrapper]), np.array([128], np.int64))
    assert find_suspects([dataclasses.replace(graph, bounds=bounded)]).suspects == ()


@pytest.mark.parametrize(("woken_by_others", "found"), [(False, 1), (True, 0)])
def test_tasks_that_nobody_can_wake(woken_by_others: bool, found: int) -> None:
    heap = Heap()
    futures = [heap.raw("_asyncio.Future") for _ in range(8)]
    tasks = [
        heap.fields(
            "_asyncio.Task",
            coro=heap.code("coroutine", "watch", "app.py", 5, waits=future, session=heap.object("app.Session")),
            fut_waiter=future,
        )
        for future in futures
    ]
    timers = heap.list(*futures) if woken_by_others else heap.list()
    heap.module("app", TASKS=heap.set(*tasks), TIMERS=timers)
    suspects = find_suspects([heap.graph()]).suspects
    assert [(each.kind, each.class_, each.count) for each in suspects] == [("pending task", "app.Session", 8)] * found


def test_two_snapshots_say_what_they_cannot_tell() -> None:
    report = leaking(lambda heap, session, each: session, per_step=60, snapshots=2)
    (suspect,) = report.suspects
    assert any("take a third" in line for line in suspect.evidence)
    assert report.notes
    few = leaking(lambda heap, session, each: session, per_step=20, snapshots=2)
    assert few.suspects == ()


def test_other_processes_are_compared_by_class_and_holder_only() -> None:
    def at(count: int, started_at: float) -> HeapGraph:
        graph = standing(count)
        return dataclasses.replace(graph, facts={**graph.facts, "started_at": started_at})

    report = find_suspects([at(10, 1000.0), at(90, 1500.0)])
    assert not report.same_process
    assert report.suspects == ()
    (candidate,) = report.candidates
    assert candidate.reason == "10 in the first process, 90 in the last: another load, or a leak"
    assert "different processes" in report.notes[0]


def test_known_harmless_growth_is_listed_apart() -> None:
    def fill(heap: Heap, number: int) -> None:
        heap.cls("re.Pattern", origin=Origin.STDLIB)
        for name in CLASSES:
            heap.cls(name)
        cache = heap.dict({})
        heap.module("re", Origin.STDLIB, _cache=cache)
        for each in range(30 * number):
            cache.hold(Ref.KEY, heap.object("re.Pattern"), heap.string(f"#{each}"))

    report = find_suspects(series(fill, 4))
    assert report.suspects == ()
    (harmless,) = report.harmless
    assert (harmless.class_, harmless.count) == ("re.Pattern", 90)
    assert "512" in harmless.reason


def test_harmless_growth_never_hides_a_class_of_the_users_own() -> None:
    assert harmless_reason("re._cache", "re.Pattern") is not None
    assert harmless_reason("app.CACHE", "app.Session") is None


def test_known_registries_have_remedies_of_their_own() -> None:
    remedy = remedy_for("object container", "logging.Logger.handlers", "app.Handler")
    assert remedy.kind == "logging handler" and remedy.link is not None
    assert remedy_for("module container", "app.SESSIONS", "app.Session").text == kinds()["module container"]


def test_reports_do_not_depend_on_the_order_of_equal_leaks() -> None:
    def texts(report: SuspectReport) -> Sequence[str]:
        return [each.chain for each in report.suspects]

    first = leaking(lambda heap, session, each: session)
    assert texts(first) == texts(leaking(lambda heap, session, each: session))
