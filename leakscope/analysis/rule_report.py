"""Rules and what came of them, as findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from leakscope.analysis.session_facts import category_of_rows
from leakscope.findings.rules import Count, RuleFault, RuleReport, RuleRow, RuleUse
from leakscope.graph.heap import HeapGraph
from leakscope.sessions.load import RuleSet
from leakscope.sessions.read import RuleUse as Outcome
from leakscope.sessions.rules import CATEGORIES, Rule

BY_NAME = "classes named like sessions"


def listed(ruleset: RuleSet) -> RuleReport:
    """All rules in their order, those that are switched off behind them, and what is wrong with others."""
    rows = [_row(rule, None) for rule in ruleset.rules] + [_row(rule, by) for rule, by in ruleset.disabled]
    faults = [RuleFault(each.source, each.rule or None, each.text) for each in ruleset.problems]
    return RuleReport(tuple(rows), tuple(faults))


def checked(ruleset: RuleSet, outcomes: Iterable[Outcome]) -> RuleReport:
    """As ``listed``, with what came of each rule in one heap."""
    uses = {outcome.rule.name: _use(outcome) for outcome in outcomes}
    report = listed(ruleset)
    rows = [row if row.disabled_by else replace(row, use=uses.get(row.name)) for row in report.rules]
    return replace(report, rules=tuple(rows))


def recorded(graph: HeapGraph) -> RuleReport:
    """What rules found when ``graph`` was read; which found nothing is not recorded."""
    note = "A snapshot stays as it was taken: rules are asked while a heap is read, and this is what they found then."
    if graph.sessions is None:
        return RuleReport((), (), "This snapshot was taken without rules, so none found anything.")
    categories = category_of_rows(graph)
    rows = []
    for rule in np.unique(graph.sessions.rule).tolist():
        mine = graph.sessions.rule == rule
        classes = _counts(_by_class(graph, np.flatnonzero(mine)))
        rows.append(
            RuleRow(
                name=graph.names[rule],
                title=None,
                category=CATEGORIES[int(categories[mine][0])],
                source=None,
                classes=(),
                disabled_by=None,
                use=RuleUse(int(np.count_nonzero(mine)), classes, None, None, None),
            )
        )
    return RuleReport(tuple(sorted(rows, key=lambda row: row.name)), (), note)


def _row(rule: Rule, disabled_by: str | None) -> RuleRow:
    about = (BY_NAME,) if rule.guess else rule.classes or tuple(f"[{key!r}]" for key in rule.keys)
    return RuleRow(rule.name, rule.title, rule.category, rule.source, about, disabled_by)


def _use(outcome: Outcome) -> RuleUse:
    classes, taken = _counts(outcome.claimed), _counts(outcome.taken)
    return RuleUse(outcome.count, classes, outcome.refused, taken, outcome.unread)


def _counts(by_name: Mapping[str, int]) -> tuple[Count, ...]:
    return tuple(Count(*each) for each in sorted(by_name.items(), key=lambda each: (-each[1], each[0])))


def _by_class(graph: HeapGraph, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[str, int]:
    assert graph.sessions is not None
    found: dict[str, int] = {}
    types, counts = np.unique(graph.type[graph.sessions.node[rows]], return_counts=True)
    for row, count in zip(types.tolist(), counts.tolist(), strict=True):
        found[graph.types.name[row]] = found.get(graph.types.name[row], 0) + count
    return found
