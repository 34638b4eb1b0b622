"""Asks every rule about every object: a heap's table of sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields

import numpy as np

from leakscope.graph.facts import language
from leakscope.graph.heap import HeapGraph, Int32s, Sessions
from leakscope.graph.values import ValueSource
from leakscope.sessions.clock import Clock
from leakscope.sessions.conditions import parse_condition
from leakscope.sessions.evaluation import holds
from leakscope.sessions.expected import mark_expected
from leakscope.sessions.facts import NO_SESSIONS, Names, Reader
from leakscope.sessions.load import RuleSet, rules_for
from leakscope.sessions.matching import Matcher
from leakscope.sessions.paths import Heap, Objects
from leakscope.sessions.pools import Lending
from leakscope.sessions.rules import Rule

Progress = Callable[[str, float], None]
NOBODY, REFUSED = -1, -2
"""In place of a rule's number: no rule claims the object; one knows it and says that it is no session."""


@dataclass(frozen=True)
class RuleUse:
    """What came of one rule."""

    rule: Rule
    claimed: dict[str, int]
    """Sessions by full class name."""
    refused: int = 0
    """Objects of its classes for which its ``when`` does not hold."""
    taken: dict[str, int] = field(default_factory=dict)
    """Objects of its classes that an earlier rule claims, by that rule's name."""
    unread: tuple[str, ...] = ()
    """``created``, ``id``, ``registry`` ...: what leads nowhere for every one of its sessions."""

    @property
    def count(self) -> int:
        """How many sessions it claims."""
        return sum(self.claimed.values())


def read_sessions(
    graph: HeapGraph,
    values: ValueSource,
    ruleset: RuleSet,
    reveal: bool = False,
    progress: Progress | None = None,
) -> tuple[Sessions, list[RuleUse]]:
    """All sessions of ``graph``, and what came of each rule for its runtime, in their order. Garbage is included.

    ``graph.names`` grows by the names that the table needs, and ``graph.facts`` gets ``expected`` where the
    process uses ``expect_gone`` (see ``mark_expected``), and ``pools`` where it has some (see ``Lending``);
    nothing else of ``graph`` changes. With ``reveal`` ids are kept as they are.
    """
    ruleset = rules_for(ruleset, language(graph.facts))
    heap = Heap(graph, values)
    names = Names(heap, reveal)
    matcher = Matcher(heap, ruleset.rules)
    claim = np.full(graph.objects, NOBODY, dtype=np.int32)
    clock = Clock.of(graph.facts)
    tables = [NO_SESSIONS]
    lending = Lending()
    uses: list[RuleUse] = []
    for number, rule in enumerate(ruleset.rules):
        if progress is not None:
            progress("sessions", number / len(ruleset.rules))
        claimed = _claimed(heap, matcher, claim, number, rule)
        unread: tuple[str, ...] = ()
        if len(claimed.objects):
            found = Reader(heap, names, clock, rule).read(claimed.objects)
            tables.append(found.sessions)
            lending.note(rule, claimed.objects)
            unread = () if rule.guess else found.unread
        uses.append(_use(graph, ruleset, rule, claimed, unread))
    pools = lending.facts()
    if pools is not None:
        graph.facts["pools"] = pools
    return mark_expected(heap, _joined(tables)), uses


@dataclass(frozen=True)
class _Claimed:
    objects: Objects
    refused: int
    earlier: Int32s
    """By object that is already claimed: the number of the rule."""


def _claimed(heap: Heap, matcher: Matcher, claim: Int32s, number: int, rule: Rule) -> _Claimed:
    """What ``rule`` claims of what is left, entered into ``claim``."""
    nodes = matcher.objects_of(rule)
    earlier = claim[nodes]
    free = earlier == NOBODY if rule.guess else earlier < 0
    objects = Objects(heap, nodes[free])
    fit = np.ones(len(objects), dtype=np.bool_)
    if rule.when and len(objects):
        fit = holds(objects, parse_condition(rule.when, bool(rule.keys)))
    for refused in (objects.nodes[~fit], matcher.refused_by(rule)):
        claim[refused[claim[refused] == NOBODY]] = REFUSED
    if not fit.all():
        objects = Objects(heap, objects.nodes[fit])
    claim[objects.nodes] = number
    return _Claimed(objects, int(np.count_nonzero(~fit)), earlier[earlier >= 0])


def _use(graph: HeapGraph, ruleset: RuleSet, rule: Rule, claimed: _Claimed, unread: tuple[str, ...]) -> RuleUse:
    by_class: dict[str, int] = {}
    for row, count in _counted(graph.type[claimed.objects.nodes]):
        by_class[graph.types.name[row]] = by_class.get(graph.types.name[row], 0) + count
    taken = {} if rule.guess else {ruleset.rules[by].name: count for by, count in _counted(claimed.earlier)}
    return RuleUse(rule, by_class, claimed.refused, taken, unread)


def _counted(numbers: Int32s) -> list[tuple[int, int]]:
    values, counts = np.unique(numbers, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _joined(tables: list[Sessions]) -> Sessions:
    """One table, ascending by node; no node is in two."""
    full = [table for table in tables if len(table.node)] or tables[:1]
    if len(full) == 1:
        return full[0]
    columns = {each.name: np.concatenate([getattr(table, each.name) for table in full]) for each in fields(Sessions)}
    order = np.argsort(columns["node"], kind="stable")
    return Sessions(**{name: column[order] for name, column in columns.items()})
