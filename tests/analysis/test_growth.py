"""Growth that is a leak's, and growth that is none: which objects were born when, and who took them up."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from leakscope.analysis.growth import Growth, find_growth
from leakscope.analysis.identity import Series, same_process
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.ownership import find_ways
from leakscope.graph.heap import Bounds, HeapGraph
from leakscope.graph.kinds import Node, Ref, Root
from tests.analysis.growing import series
from tests.heaps import Heap, Thing

CLASSES = ("dict", "list", "str", "float", "app.Session", "app.Page", "app.Cache")


def growth(graphs: Sequence[HeapGraph], least: int = 3) -> list[Growth]:
    known = Series(tuple(graphs))
    index = HeapIndex(known.last)
    return find_growth(known, index, find_ways(index), least)


def snapshots(counts: Sequence[int], first: Sequence[int] | None = None, kind: str = "app.Session") -> list[HeapGraph]:
    """A module's list with the objects number ``first[i]`` up to ``counts[i]`` in snapshot i."""
    first = first or [0] * len(counts)

    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        held = heap.list()
        heap.module("app", HELD=held)
        # Those that are gone leave their places empty: things of another class, which nothing holds.
        for each in range(max(counts)):
            there = first[number] <= each < counts[number]
            thing = heap.object(kind) if there else heap.raw("gone")
            if there:
                held.hold(Ref.INDEX, thing, each)

    return series(fill, len(counts))


def test_births_are_told_by_address_and_class() -> None:
    known = Series(tuple(snapshots([2, 5, 9])))
    born = known.born[
        [n for n in range(known.last.objects) if known.last.types.name[known.last.type[n]] == "app.Session"]
    ]
    assert born.tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert known.totals[:, known.class_names.index("app.Session")].tolist() == [2, 5, 9]


def test_what_a_list_of_a_module_keeps_grows() -> None:
    (found,) = growth(snapshots([0, 40, 80, 120]))
    assert (found.class_, found.per_step, found.steady) == ("app.Session", (40, 40, 40), True)
    assert found.contents is not None
    assert (found.contents.lengths, found.contents.born, found.contents.stayed) == (
        (0, 40, 80, 120),
        (40, 40),
        (40, 40),
    )


@pytest.mark.parametrize(("elsewhere", "per_step"), [(True, (40, 40, 40)), (False, (40, 40, 41))])
def test_one_at_work_that_a_leaked_one_leads_to_is_not_counted(elsewhere: bool, per_step: tuple[int, ...]) -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in (*CLASSES, "pool.Parser"):
            heap.cls(name)
        held = heap.list()
        heap.module("app", HELD=held)
        for each in range(40 * number):
            held.hold(Ref.INDEX, heap.object("app.Session"), each)
        if number == 3:
            at_work = heap.object("app.Session")
            held.refs[-1][1].hold(Ref.INTERNAL, heap.object("pool.Parser", incoming=at_work), "parser")
            if elsewhere:
                heap.root(Root.C_STACK, at_work, "python3")

    (found,) = growth(series(fill, 4))
    assert found.per_step == per_step


@pytest.mark.parametrize(
    ("counts", "first", "why"),
    [
        ([40, 80, 120, 160], [0, 40, 80, 120], "all of each round is gone after the next"),
        ([100, 140, 180, 220], [0, 40, 80, 120], "the oldest make way: the length stays"),
        ([0, 100, 100, 100], None, "loaded once"),
        ([0, 90, 120, 126], None, "fills up"),
        ([0, 2, 4, 6], None, "too few in each step"),
        ([100, 140, 170, 178], [0, 25, 60, 70], "old ones make way for most of the new ones"),
    ],
)
def test_turnover_filling_and_one_off_loads_are_no_growth(counts: list[int], first: list[int] | None, why: str) -> None:
    assert growth(snapshots(counts, first)) == [], why


def test_below_a_bound_nothing_is_suspected_and_above_it_the_bound_is_void() -> None:
    graphs = snapshots([0, 40, 80, 120])
    last = graphs[-1]
    held = next(n for n in range(last.objects) if last.types.name[last.type[n]] == "list")
    for limit, found in ((1000, 0), (100, 1)):
        bounds = Bounds(np.array([held], np.int32), np.array([limit], np.int64))
        assert len(growth([*graphs[:-1], dataclasses.replace(last, bounds=bounds)])) == found


def test_two_snapshots_need_many() -> None:
    assert growth(snapshots([0, 40])) == []
    (found,) = growth(snapshots([0, 60]))
    assert found.per_step == (60,)


def test_a_few_additions_to_each_of_many_containers_are_not_certain() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        owners = [heap.list() for _ in range(20)]
        heap.module("app", CACHES=heap.list(*owners))
        for each in range(15 * number):
            owners[each % 20].hold(Ref.INDEX, heap.object("app.Page"), each)

    assert [found.certain for found in growth(series(fill, 3))] == [False]
    assert [found.certain for found in growth(series(fill, 6))] == [True]


def test_a_few_more_on_top_of_many_are_certain_for_sessions_only() -> None:
    assert [found.certain for found in growth(snapshots([200, 205, 210], kind="app.Page"))] == [False]
    assert [found.certain for found in growth(snapshots([200, 205, 210, 215], kind="app.Page"))] == [True]
    assert [found.certain for found in growth(snapshots([200, 205, 210], kind="app.Session"))] == [True]


def test_numbers_are_certain_in_bulk_only() -> None:
    (numbers,) = growth(snapshots([0, 40, 80], kind="float"))
    assert not numbers.certain
    (many,) = growth(snapshots([0, 600, 1200], kind="float"))
    assert many.certain


def test_a_task_in_the_place_of_a_freed_one_is_new_to_the_list_that_takes_it_up() -> None:
    freed = range(40, 55)

    def fill(heap: Heap, number: int) -> None:
        for name in (*CLASSES, "_asyncio.Task"):
            heap.cls(name)
        held = heap.list()
        heap.module("app", HELD=held)
        for each in range(160):
            there = each < 40 * (number + 1)
            task = heap.object("_asyncio.Task") if there or each in freed else heap.raw("gone", 48)
            session = heap.object("app.Session") if there else heap.raw("gone", 48)
            if there:
                held.hold(Ref.INDEX, task.hold(Ref.ATTR, session, "session"), each)

    (found,) = growth(series(fill, 4))
    assert (found.class_, found.per_step) == ("app.Session", (40, 40, 40))


def test_a_list_that_is_replaced_by_a_longer_copy_grows() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        module = heap.module("app", OTHER=heap.string())
        namespace = next(target for kind, target, _ in module.refs if kind == Ref.DICT)
        copies = [heap.raw("gone") if each < number else heap.list() for each in range(number + 1)]
        unused = [heap.raw("gone") for _ in range(3 - len(copies))]
        assert len(copies) + len(unused) == 3
        for position in range(40 * (number + 1)):
            copies[-1].hold(Ref.INDEX, heap.object("app.Session"), position)
        namespace.hold(Ref.GLOBAL, copies[-1], "HELD")

    (found,) = growth(series(fill, 3))
    assert (found.class_, found.per_step) == ("app.Session", (40, 40))
    assert found.contents is not None
    assert found.contents.lengths == (40, 80, 120)


def test_chains_without_a_container_count_by_their_objects() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        monitor = heap.raw("app.Cache")
        heap.module("app", MONITOR=monitor)
        newest: Thing | None = None
        for _ in range(5 + 30 * number):
            session = heap.raw("app.Session")
            if newest is not None:
                session.hold(Ref.ATTR, newest, "previous")
            newest = session
        assert newest is not None
        monitor.hold(Ref.ATTR, newest, "newest")

    (found,) = growth(series(fill, 3))
    assert (found.class_, found.per_step, found.contents) == ("app.Session", (30, 30), None)


def test_old_objects_that_get_a_new_value_each_do_not_grow() -> None:
    def fill(heap: Heap, number: int) -> None:
        for name in CLASSES:
            heap.cls(name)
        owners = [heap.raw("app.Cache") for _ in range(50)]
        heap.module("app", OWNERS=heap.list(*owners))
        for each in range(25 * number):
            owners[each].hold(Ref.ATTR, heap.object("app.Page"), "current")

    assert growth(series(fill, 3)) == []


def test_processes_are_the_same_by_pid_and_start() -> None:
    first, second = snapshots([1, 2])
    assert same_process([first, second])
    assert not same_process([first, dataclasses.replace(second, facts={**second.facts, "started_at": 1002.0})])
    assert not same_process([first, dataclasses.replace(second, facts={})])


def test_garbage_counts_nowhere() -> None:
    graphs = snapshots([0, 40, 80])
    last = graphs[-1]
    flags = np.where(np.array(last.types.name)[last.type] == "app.Session", Node.GARBAGE, 0).astype(np.uint8)
    known = Series((*graphs[:-1], dataclasses.replace(last, flags=flags)))
    assert known.totals[-1, known.class_names.index("app.Session")] == 0
