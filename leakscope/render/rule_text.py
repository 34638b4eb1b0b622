"""Rules, and what came of each, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.rules import Count, RuleReport, RuleRow
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, hanging, number, safe, table

MOST_NAMED = 5


def rules(report: RuleReport, screen: Screen) -> str:
    """One line per rule, in the order in which they are asked; what is wrong with others below."""
    asked = any(row.use for row in report.rules)
    parts: list[RenderableType] = [safe(report.note, "bold")] if report.note else []
    if asked:
        parts += _found(report.rules)
    elif report.rules:
        parts += [Text("The first rule that claims an object wins:", style="bold"), _listed(report.rules)]
    for fault in report.problems:
        where = f"rule {fault.rule} ({fault.source}) skipped" if fault.rule else fault.source
        parts.append(safe(f"problem: {where}: {fault.text}", "yellow"))
    return draw(parts, screen)


def _listed(rows: Sequence[RuleRow]) -> RenderableType:
    columns = [Column("rule", folds=False), Column("category", folds=False), Column("source"), Column("classes")]
    cells = [[row.name, row.category, row.source or units.UNKNOWN, _about(row)] for row in rows]
    return table(columns, cells)


def _about(row: RuleRow) -> str:
    about = ", ".join(row.classes)
    return f"(disabled by {row.disabled_by}) {about}" if row.disabled_by else about


def _found(rows: Sequence[RuleRow]) -> Iterator[RenderableType]:
    """The rules that found something, what is odd about rules, and the names of the others."""
    used = [row for row in rows if row.use and row.use.count]
    if used:
        columns = [number("count"), Column("rule", folds=False), Column("source"), Column("classes")]
        cells = [
            [units.count(row.use.count), row.name, row.source or units.UNKNOWN, _some(row.use.classes)]
            for row in used
            if row.use
        ]
        yield table(columns, cells)
    for row in rows:
        for line in _oddities(row):
            yield hanging(" ", safe(f"{row.name}: {line}"))
    idle = [row.name for row in rows if row.use and not row.use.count]
    if idle:
        yield hanging("found nothing:", safe(", ".join(idle)))
    disabled = [f"{row.name} ({row.source}, by {row.disabled_by})" for row in rows if row.disabled_by]
    if disabled:
        yield hanging("disabled:", safe(", ".join(disabled)))


def _oddities(row: RuleRow) -> Iterator[str]:
    use = row.use
    if use is None:
        return
    for fact in use.unread or ():
        yield f"{fact}: no path led anywhere, for any of {units.count(use.count)}"
    if use.refused:
        yield f"when: does not hold for {units.count(use.refused)} of its classes' objects"
    if use.claimed_before:
        yield f"claimed by an earlier rule: {_some(use.claimed_before)}"


def _some(counts: Sequence[Count]) -> str:
    named = [f"{each.name} ({units.count(each.count)})" for each in counts[:MOST_NAMED]]
    return ", ".join([*named, *([f"{len(counts) - MOST_NAMED} more"] if len(counts) > MOST_NAMED else [])])
