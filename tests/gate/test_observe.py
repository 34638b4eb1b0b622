"""What the gate observes of sessions and timers: what was closed for good, and what still waits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from leakscope.analysis.observe import observe
from leakscope.analysis.timers import TIMER, waiting_timers
from leakscope.findings.gate import Observation
from leakscope.graph.kinds import Fact
from tests.heaps import Graph, Heap, Told

NOW = 2000.0
CLOSED = Fact.CLOSED


def captured(at: float, sessions: Sequence[Told | None], in_list: bool = True) -> Graph:
    """A process whose sessions have fixed places; None: none is in this one."""
    heap = Heap()
    heap.facts = {"pid": 7, "started_at": 1000.0, "captured_at": at, "rules": [{"name": "rule", "category": "session"}]}
    places = [heap.object("app.Session" if told else "app.Free") for told in sessions]
    for thing, told in zip(places, sessions, strict=True):
        if told:
            heap.session(thing, told)
    heap.module("app", **({"SESSIONS": heap.list(*places)} if in_list else {"current": places[0]}))
    return heap.graph()


def closed(graphs: Sequence[Graph]) -> list[Observation]:
    seen, _ = observe(graphs)
    return [each for each in seen if each.rule == "closed-retained"]


def told(facts: int = 0, created: float = np.nan) -> Told:
    return Told(facts=facts, created=created)


def test_one_snapshot_tells_what_is_closed() -> None:
    (found,) = closed([captured(NOW, [told(CLOSED), told(CLOSED), told()])])
    assert (found.found, found.class_, found.holder) == (2, "app.Session", "app.SESSIONS")


@pytest.mark.parametrize(
    ("before", "now", "count"),
    [
        (told(CLOSED), told(CLOSED), 1),
        (told(), told(CLOSED), 0),
        (None, told(CLOSED), 0),
        (told(CLOSED), told(), 0),
        (told(CLOSED, created=1500.0), told(CLOSED, created=1500.0), 1),
        (told(CLOSED, created=1500.0), told(CLOSED, created=NOW + 1), 0),
    ],
    ids=["closed before", "open before", "not there before", "open again", "the same", "another at its place"],
)
def test_only_what_was_closed_before_stays_closed(before: Told | None, now: Told, count: int) -> None:
    found = closed([captured(NOW, [before]), captured(NOW + 60, [now])])
    assert sum(each.found for each in found) == count


def test_healthy_ones_may_be_closed() -> None:
    assert closed([captured(NOW, [told(CLOSED | Fact.HEALTHY)])]) == []


def test_a_session_counts_for_the_first_rule_that_it_breaks() -> None:
    facts = (CLOSED | Fact.HOLDER_DEAD, Fact.HOLDER_DEAD, Fact.UNREGISTERED | Fact.EXPECTED_GONE, Fact.UNREGISTERED)
    seen, _ = observe([captured(NOW, [told(each) for each in facts])])
    assert {each.rule: each.found for each in seen if each.rule != "sessions"} == {
        "closed-retained": 1, "expected-gone": 1, "holder-dead": 1, "unregistered": 1
    }  # fmt: skip


def test_a_guess_is_no_exact_observation() -> None:
    (found,) = closed([captured(NOW, [told(CLOSED | Fact.GUESSED)])])
    assert not found.exact


def test_cancelled_timers_wait_for_nothing() -> None:
    heap = Heap()
    none = heap.object("NoneType")
    timers = [
        heap.object(TIMER, inline=True, _callback=callback) for callback in (heap.function("f", "a.py", 1), none, none)
    ]
    heap.module("app", scheduled=heap.list(*timers), other=heap.object("app.Timer", inline=True, _callback=none))
    assert waiting_timers(heap.graph()) == 1
    assert waiting_timers(Heap().graph()) == 0
