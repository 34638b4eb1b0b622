"""What ``expect_gone`` was told is found from outside: exactly the objects that should be gone and are not."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from leakscope.analysis.evidence import expected_gone
from leakscope.cpython import read_heap
from leakscope.cpython.field_values import HeapValues
from leakscope.graph.heap import HeapGraph, Int32s, Sessions
from leakscope.graph.kinds import Fact
from leakscope.graph.names import class_name
from leakscope.graph.values import UNKNOWN_MASK
from leakscope.render.evidence_text import expected_lines
from leakscope.sessions.expected import RULE, mark_expected, read_expectations
from leakscope.sessions.paths import Heap
from leakscope.target.attach import capture
from tests.interpreters import one_per_version
from tests.truth.driver import Target, running

CHAT, BASKET, AUDITED = "__main__.ChatSession", "__main__.Basket", "__main__.Audited"


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda found: found.name)
def captured(request: pytest.FixtureRequest) -> Iterator[tuple[Target, Heap]]:
    with running(request.param.path, "expecting") as target:
        image = capture(target.pid)
        graph = read_heap(image)
        yield target, Heap(graph, HeapValues(image, graph))


def addresses(graph: HeapGraph, nodes: Int32s) -> list[int]:
    return sorted(graph.address[nodes].tolist())


def table(nodes: Int32s, rule: int) -> Sessions:
    """Sessions of which nothing is known."""
    none, nan = np.full(len(nodes), -1, np.int32), np.full(len(nodes), np.nan)
    ids = np.full(len(nodes), UNKNOWN_MASK, np.uint64)
    rules = np.full(len(nodes), rule, np.int32)
    return Sessions(nodes, rules, ids, none, nan, none, nan, nan, nan, none, np.zeros(len(nodes), np.int32))


def chats(graph: HeapGraph) -> Sessions:
    """All objects of one class, as a rule of its own would claim them."""
    nodes = [node for node in range(graph.objects) if class_name(graph, node) == CHAT]
    return table(np.array(nodes, np.int32), 0)


def test_due_and_still_there_is_all_that_is_marked(captured: tuple[Target, Heap]) -> None:
    target, heap = captured
    before = chats(heap.graph)
    marked = mark_expected(heap, before)
    flagged = marked.node[marked.facts & Fact.EXPECTED_GONE != 0]
    assert addresses(heap.graph, flagged) == sorted(target.facts["overdue"])
    assert set(before.node.tolist()) <= set(marked.node.tolist())
    assert np.all(np.diff(marked.node) > 0)
    assert not before.facts.any()


def test_what_no_rule_claims_becomes_a_session_of_its_own_rule(captured: tuple[Target, Heap]) -> None:
    _, heap = captured
    marked = mark_expected(heap, chats(heap.graph))
    new = np.array([heap.graph.names[rule] == RULE for rule in marked.rule.tolist()])
    assert {class_name(heap.graph, node) for node in marked.node[new].tolist()} == {BASKET, AUDITED}
    now = heap.graph.facts["captured_at"]
    assert np.all((marked.created[new] > now - 60) & (marked.created[new] <= now))
    assert np.all(marked.expires[new] <= now)
    assert {heap.graph.names[source] for source in marked.created_from[new].tolist()} == {RULE}
    assert set(marked.state[new].tolist()) == {-1}


def test_times_are_those_of_the_calls(captured: tuple[Target, Heap]) -> None:
    """``within`` of -1.5, 0 and 3600 seconds, and one that is no number, so that its deadline is unknown."""
    target, heap = captured
    expected = read_expectations(heap)
    assert addresses(heap.graph, expected.node) == sorted(target.facts["overdue"] + target.facts["later"])
    within = np.round(expected.deadline - expected.since, 6)
    assert sorted(within[~np.isnan(within)].tolist()) == [-1.5] * 3 + [0.0] * 7 + [3600.0] * 8
    assert np.count_nonzero(np.isnan(within)) == 1
    assert np.all(np.abs(expected.since - time.time()) < 120)


def test_reasons_are_shown_where_they_stand_in_the_code_and_masked_where_they_hold_data(
    captured: tuple[Target, Heap],
) -> None:
    _, heap = captured
    mark_expected(heap, chats(heap.graph))
    groups = expected_gone(heap.graph)
    told = {(group.class_, group.reason): (group.waiting, group.due) for group in groups}
    (masked,) = (group.reason for group in groups if group.reason and group.reason.startswith("#"))
    assert told == {
        (CHAT, "logout"): (3, 3),
        (BASKET, "logout"): (3, 3),
        (AUDITED, "logout"): (3, 3),
        (BASKET, masked): (1, 1),
        (BASKET, ""): (1, 0),
        (CHAT, "shutdown"): (4, 0),
        (BASKET, "shutdown"): (4, 0),
    }
    assert "mallory" not in repr(heap.graph.facts) and "mallory" not in " ".join(heap.graph.names)
    (line,) = (line for line in expected_lines(groups) if line.startswith(f"3 {CHAT}"))
    assert line.startswith(f"3 {CHAT} should be gone after 'logout', the first for ")


def test_without_the_targets_clock_nothing_is_marked(captured: tuple[Target, Heap]) -> None:
    _, heap = captured
    known = dict(heap.graph.facts)
    heap.graph.facts["monotonic_at"] = None
    try:
        marked = mark_expected(heap, chats(heap.graph))
        assert not np.any(marked.facts & Fact.EXPECTED_GONE)
        assert len(marked.node) == len(chats(heap.graph).node)
    finally:
        heap.graph.facts.clear()
        heap.graph.facts.update(known)
