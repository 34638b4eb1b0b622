"""What the service itself said should be gone (``leakscope.expect_gone``), and is not."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.graph.heap import Addresses, Floats, HeapGraph, Int32s, Sessions
from leakscope.graph.kinds import Fact, Node, Ref
from leakscope.graph.navigation import references_of, rows_of
from leakscope.graph.values import UNKNOWN_MASK, Value, shown_mask
from leakscope.sessions.paths import Heap
from leakscope.sessions.steps import Name

EXPECTATION = "leakscope.inprocess.expectations.Expectation"
RULE = "expect_gone"
"""The rule of those objects that no other rule claims, and where their time comes from."""
MOST_GROUPS = 200
CONSTANTS = frozenset({"co_consts", "__defaults__", "__kwdefaults__"})
_LONGEST_REASON = 80


@dataclass(frozen=True)
class Expectations:
    """One row per object that somebody expects to go and that is still there. Parallel arrays."""

    node: Int32s
    """Ascending, unique."""
    reason: Int32s
    """Node of the text; -1 unknown."""
    since: Floats
    """Epoch seconds at which ``expect_gone`` was called; NaN unknown."""
    deadline: Floats
    """Epoch seconds; NaN unknown, and then never past."""


def mark_expected(heap: Heap, sessions: Sessions) -> Sessions:
    """``sessions`` with ``Fact.EXPECTED_GONE`` where the deadline has passed, and rows for such objects without one.

    Adds ``expected`` to ``graph.facts``: a list of ``{reason, class, waiting, due, overdue_s}``, those with most
    objects due first, ``MOST_GROUPS`` at most; and names to ``graph.names`` as new rows need them.
    """
    expected = read_expectations(heap)
    if not len(expected.node):
        return sessions
    now = _fact(heap.graph, "captured_at")
    heap.graph.facts["expected"] = _groups(heap, expected, now)
    due = expected.deadline <= now
    row = rows_of(sessions.node, expected.node)
    facts = sessions.facts.copy()
    facts[row[due & (row >= 0)]] |= Fact.EXPECTED_GONE
    return _with_rows(heap.graph, dataclasses.replace(sessions, facts=facts), expected, due & (row < 0))


def read_expectations(heap: Heap) -> Expectations:
    """All of them, due or not; times are known if the capture read the target's monotonic clock."""
    graph = heap.graph
    is_kind = np.array([name == EXPECTATION for name in graph.types.name], np.bool_)
    nodes = np.flatnonzero(is_kind[graph.type]).astype(np.int32)
    nodes = nodes[graph.flags[nodes] & Node.GARBAGE == 0]
    subject, first = np.unique(heap.referents(nodes), return_index=True)
    nodes, subject = nodes[first[subject >= 0]], subject[subject >= 0]
    since = _seconds(heap, nodes, "since") + _fact(graph, "captured_at") - _fact(graph, "monotonic_at")
    return Expectations(subject, heap.step(nodes, Name("reason")), since, since + _seconds(heap, nodes, "within"))


def _seconds(heap: Heap, nodes: Int32s, name: str) -> Floats:
    found = heap.source.values(heap.step(nodes, Name(name)))
    return np.where(np.isin(found.kind, (Value.BOOL, Value.INT, Value.FLOAT)), found.number, np.nan)


def _fact(graph: HeapGraph, name: str) -> float:
    """A number among the facts of the capture, NaN where it is not known."""
    return float(graph.facts.get(name) or np.nan)


def _groups(heap: Heap, expected: Expectations, now: float) -> list[dict[str, Any]]:
    """Counts by reason and class."""
    graph = heap.graph
    masks = heap.source.masks(expected.reason)
    keys, first, group = np.unique(
        np.stack([masks, graph.type[expected.node].astype(np.uint64)]), axis=1, return_index=True, return_inverse=True
    )
    group = group.reshape(-1)
    late = np.where(expected.deadline <= now, now - expected.deadline, -1.0)
    longest = np.full(len(first), -1.0)
    np.maximum.at(longest, group, late)
    waiting = np.bincount(group)
    due = np.bincount(group, weights=late >= 0).astype(np.int64)
    literal = _is_literal(graph, expected.reason)
    written = np.bincount(group, weights=literal) > 0
    shown = expected.reason[first]
    return [
        {
            "reason": _reason(heap, int(shown[at]), bool(written[at]), keys[0, at]),
            "class": graph.types.name[int(keys[1, at])],
            "waiting": int(waiting[at]),
            "due": int(due[at]),
            "overdue_s": round(float(longest[at]), 3) if longest[at] >= 0 else None,
        }
        for at in np.lexsort((first, -waiting, -due))[:MOST_GROUPS].tolist()
    ]


def _reason(heap: Heap, node: int, written: bool, mask: np.uint64) -> str | None:
    """As it is if it stands in somebody's code, else masked: it may hold data. None if there is none."""
    text = heap.source.text(node, _LONGEST_REASON)
    return text if written or not text else shown_mask(int(mask))


def _is_literal(graph: HeapGraph, nodes: Int32s) -> npt.NDArray[np.bool_]:
    """Whether each node is a constant of code or the default of an argument."""
    constant = [number for number, name in enumerate(graph.names) if name in CONSTANTS]
    _, position = references_of(graph, graph.frames.node)
    of_code = np.isin(graph.kind[position], (Ref.INTERNAL, Ref.ATTR)) & np.isin(graph.label[position], constant)
    _, position = references_of(graph, np.unique(graph.target[position[of_code]]))
    return np.isin(nodes, graph.target[position])


def _with_rows(graph: HeapGraph, sessions: Sessions, expected: Expectations, chosen: npt.NDArray[np.bool_]) -> Sessions:
    """``sessions`` and one row of ``RULE`` for each ``chosen`` object."""
    node = expected.node[chosen]
    if not len(node):
        return sessions
    rule, unknown = np.full(len(node), _number(graph.names, RULE), np.int32), np.full(len(node), np.nan)
    none = np.full(len(node), -1, np.int32)
    since, deadline = expected.since[chosen], expected.deadline[chosen]
    id: Addresses = np.full(len(node), UNKNOWN_MASK, np.uint64)
    rows = Sessions(
        node=node, rule=rule, id=id, id_name=none, created=since, created_from=rule, used=unknown, expires=deadline,
        ttl=deadline - since, state=none, facts=np.full(len(node), Fact.EXPECTED_GONE, np.int32),
    )  # fmt: skip
    order = np.argsort(np.concatenate([sessions.node, node]))
    return Sessions(
        **{
            field.name: np.concatenate([getattr(sessions, field.name), getattr(rows, field.name)])[order]
            for field in dataclasses.fields(Sessions)
        }
    )


def _number(names: list[str], text: str) -> int:
    """The index of ``text`` in ``names``, where it is put if it is not there yet."""
    if text not in names:
        names.append(text)
    return names.index(text)
