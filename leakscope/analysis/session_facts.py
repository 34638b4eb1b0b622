"""What is known of each session when it was captured: age, idle time, time left and flags, as columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.errors import InputError
from leakscope.graph.facts import keeps_places, number, one_process
from leakscope.graph.heap import Addresses, Floats, HeapGraph, Int32s, Sessions
from leakscope.graph.kinds import Fact, Node
from leakscope.graph.navigation import rows_of
from leakscope.sessions.rules import CATEGORIES

Bools = npt.NDArray[np.bool_]

HUNG_S = 60.0
"""A session that has been closing for longer than this hangs."""
FLAGS: tuple[tuple[Fact, str], ...] = (
    (Fact.EXPECTED_GONE, "expected-gone"),
    (Fact.CLOSED, "closed-retained"),
    (Fact.HOLDER_DEAD, "holder-dead"),
    (Fact.UNREGISTERED, "unregistered"),
    (Fact.CREATED_IMPLAUSIBLE, "age-implausible"),
    (Fact.CREATED_AMBIGUOUS, "age-ambiguous"),
    (Fact.USED_IMPLAUSIBLE, "idle-implausible"),
    (Fact.EXPIRES_IMPLAUSIBLE, "expiry-implausible"),
    (Fact.GUESSED, "guessed"),
)
"""What facts are called; ``closing-hung``, ``overdue`` and ``uncollected`` depend on more than one fact."""


@dataclass(frozen=True)
class SessionFacts:
    """Parallel arrays, one entry per session; NaN is unknown, seconds throughout."""

    node: Int32s
    row: Int32s
    """In ``graph.sessions``, -1 where no rule claims it."""
    age: Floats
    seen_in: Int32s
    """Which of the earlier snapshots showed it first, so that ``age`` is a lower bound; -1 where a field says it."""
    idle: Floats
    left: Floats
    """Until its time is over."""
    facts: Int32s
    hung: Bools
    uncollected: Bools

    def flags(self, entry: int) -> tuple[str, ...]:
        """What one session is flagged with, the worst first."""
        if self.uncollected[entry]:
            return ("uncollected",)
        more = (("closing-hung", self.hung), ("overdue", self.left < 0))
        found = [name for fact, name in FLAGS if self.facts[entry] & fact]
        return tuple([name for name, holds in more if holds[entry]] + found)

    @property
    def flagged(self) -> Bools:
        """Which of them should not be there any more and are held all the same."""
        wrong = Fact.EXPECTED_GONE | Fact.CLOSED | Fact.HOLDER_DEAD | Fact.UNREGISTERED
        result: Bools = ((self.facts & wrong != 0) | self.hung | (self.left < 0)) & ~self.uncollected
        return result


@dataclass(frozen=True)
class Witness:
    """What an earlier snapshot of the same process saw; all that is kept of it."""

    name: str
    captured_at: float
    address: Addresses
    type: Int32s
    type_names: list[str]
    session: Int32s
    """Nodes of its sessions, with their ``id`` masks and creation."""
    id: Addresses
    created: Floats


def witness(graph: HeapGraph, name: str) -> Witness:
    """``graph`` as a witness called ``name``. InputError if it cannot be one: it does not say when it was captured."""
    if not keeps_places(graph.facts):
        raise InputError(
            f"{name} cannot tell how long objects have been there: a JVM moves them, so that their places say nothing",
            "Ages that classes keep themselves are shown by leakscope sessions; growth by leakscope diff.",
        )
    captured_at = number(graph.facts, "captured_at")
    if captured_at is None:
        raise InputError(f"{name} does not say when it was captured", "Give a snapshot that leakscope has taken.")
    known = graph.sessions
    none = np.empty(0, dtype=np.int32)
    return Witness(
        name=name,
        captured_at=captured_at,
        address=graph.address,
        type=graph.type,
        type_names=graph.types.name,
        session=known.node if known else none,
        id=known.id if known else none.astype(np.uint64),
        created=known.created if known else none.astype(np.float64),
    )


def require_same_process(graph: HeapGraph, earlier: HeapGraph, name: str) -> None:
    """InputError unless both heaps are of one process and ``earlier`` is the earlier."""
    if not one_process([graph.facts, earlier.facts]):
        raise InputError(
            f"{name} is of another process",
            "Addresses mean the same in one process only; leakscope diff compares processes by fingerprint.",
        )
    if (number(graph.facts, "captured_at") or 0.0) <= (number(earlier.facts, "captured_at") or 0.0):
        raise InputError(f"{name} is not the earlier one", "Give the newest snapshot as SOURCE.")


def session_facts(graph: HeapGraph, nodes: Int32s, witnesses: Sequence[Witness] = ()) -> SessionFacts:
    """What is known of ``nodes``; ages that no field tells come from ``witnesses``, the earliest that knows it."""
    known = graph.sessions
    row = rows_of(known.node, nodes) if known else np.full(len(nodes), -1, dtype=np.int32)
    now = number(graph.facts, "captured_at")
    facts = _taken(known.facts if known else None, row, 0).astype(np.int32)
    age = np.maximum(_since(now, _times(known, "created", row)), 0.0)
    age[facts & (Fact.CREATED_IMPLAUSIBLE | Fact.CREATED_AMBIGUOUS) != 0] = np.nan
    idle = np.maximum(_since(now, _times(known, "used", row)), 0.0)
    idle[facts & Fact.USED_IMPLAUSIBLE != 0] = np.nan
    left = -_since(now, _times(known, "expires", row))
    left[facts & Fact.EXPIRES_IMPLAUSIBLE != 0] = np.nan
    seen_in = np.full(len(nodes), -1, dtype=np.int32)
    if now is not None:
        for which in sorted(range(len(witnesses)), key=lambda each: witnesses[each].captured_at):
            found = np.isnan(age) & _seen(graph, nodes, row, witnesses[which])
            age[found] = now - witnesses[which].captured_at
            seen_in[found] = which
    quiet = np.where(np.isnan(idle), age, idle)
    return SessionFacts(
        node=nodes,
        row=row,
        age=age,
        seen_in=seen_in,
        idle=idle,
        left=left,
        facts=facts,
        hung=(facts & Fact.CLOSING != 0) & (quiet >= HUNG_S),
        uncollected=graph.flags[nodes] & Node.GARBAGE != 0,
    )


def category_of_rows(graph: HeapGraph) -> Int32s:
    """By row of ``graph.sessions``: the index in ``CATEGORIES`` of its rule; empty where there are none."""
    if graph.sessions is None:
        return np.empty(0, dtype=np.int32)
    rules, inverse = np.unique(graph.sessions.rule, return_inverse=True)
    said = graph.facts.get("rules")
    rules_told = [rule for rule in said if isinstance(rule, dict)] if isinstance(said, list) else []
    by_name = {rule.get("name"): rule.get("category") for rule in rules_told}
    categories = [by_name.get(graph.names[rule]) for rule in rules.tolist()]
    numbers = [CATEGORIES.index(name) if name in CATEGORIES else 0 for name in categories]
    result: Int32s = np.array(numbers, dtype=np.int32)[inverse]
    return result


def _seen(graph: HeapGraph, nodes: Int32s, row: Int32s, seen: Witness) -> Bools:
    """Which of ``nodes`` the witness knows: address and class, and id and creation where both tell them."""
    place = np.searchsorted(seen.address, graph.address[nodes]).clip(max=max(len(seen.address) - 1, 0))
    if not len(seen.address):
        return np.zeros(len(nodes), dtype=np.bool_)
    number = {name: index for index, name in enumerate(seen.type_names)}
    same_class = np.array([number.get(name, -1) for name in graph.types.name], dtype=np.int32)
    found: Bools = (seen.address[place] == graph.address[nodes]) & (seen.type[place] == same_class[graph.type[nodes]])
    there = rows_of(seen.session, place)
    both = found & (row >= 0) & (there >= 0)
    if graph.sessions is not None and both.any():
        here_id, there_id = graph.sessions.id[row[both]], seen.id[there[both]]
        here_made, there_made = graph.sessions.created[row[both]], seen.created[there[both]]
        found[both] = (here_id == there_id) & ~(np.abs(here_made - there_made) > 1e-3)
    return found


def _times(known: Sessions | None, column: str, row: Int32s) -> Floats:
    return _taken(getattr(known, column) if known else None, row, np.nan).astype(np.float64)


def _taken(column: npt.NDArray[np.generic] | None, row: Int32s, missing: float) -> npt.NDArray[np.generic]:
    """``column[row]``, ``missing`` where there is no row."""
    if column is None:
        return np.full(len(row), missing)
    return np.append(column, np.array([missing]).astype(column.dtype))[row]


def _since(now: float | None, moment: Floats) -> Floats:
    return np.full(len(moment), np.nan) if now is None else now - moment
