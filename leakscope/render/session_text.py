"""``sessions`` as text: by class, by holder, one by one, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.model import Cluster
from leakscope.findings.sessions import SessionClass, SessionItem, SessionReport
from leakscope.render import units
from leakscope.render.evidence_text import expected_lines, lines, pool_lines
from leakscope.render.screen import Column, Screen, draw, known_columns, number, safe, table

_PLURAL = {"session": "sessions", "connection": "connections", "request": "requests", "task": "tasks"}


def sessions(report: SessionReport, screen: Screen) -> str:
    """Sessions by class, by holder, and one by one."""
    parts: list[RenderableType] = []
    if not report.classes:
        parts.append(Text("No sessions: no object of this heap is one that was asked for."))
    else:
        parts += [_heading(report), _classes(report.classes)]
    if report.clusters:
        parts += [Text("\nwho holds them (leakscope chains shows each step)", style="bold"), _held(report.clusters)]
    if report.items:
        every = len(report.items) >= sum(row.count + row.uncollected for row in report.classes)
        order = "" if every else f": {units.count(len(report.items))}, flagged ones first, then the oldest"
        parts += [Text(f"\none by one{order}", style="bold"), _items(report.items)]
    if report.expected:
        parts += [Text("\nexpected to be gone", style="bold"), *map(safe, expected_lines(report.expected))]
    if report.pools:
        parts += [Text("\npools", style="bold"), *map(safe, pool_lines(report.pools))]
    if report.process is not None:
        parts += [Text("\nthe process", style="bold"), *map(safe, lines(report.process))]
    remarks = [safe(line) for line in _remarks(report)]
    return draw([*parts, *([Text()] if remarks else []), *remarks], screen)


def _heading(report: SessionReport) -> Text:
    alive = f"{units.count(report.total)} {'session' if report.total == 1 else 'sessions'} alive"
    heading = Text(f"{alive}, by class", style="bold")
    if report.flagged:
        heading = Text(f"{alive}, ", style="bold")
        heading.append(f"{units.count(report.flagged)} should be gone", style="bold red")
        heading.append(", by class", style="bold")
    return heading


def _remarks(report: SessionReport) -> list[str]:
    lines = []
    waiting = sum(row.uncollected for row in report.classes)
    if waiting:
        lines.append(f"{units.count(waiting)} more are unreachable and await the garbage collector (uncollected).")
    if report.unjudged:
        lines.append(
            f"{units.count(report.unjudged)} keep no time that could be read, so they were not judged: "
            "--watch 60s or --earlier FILE tells a least age, leakscope rules --check PID which field is missing."
        )
    if report.others:
        counted = ", ".join(f"{units.count(count)} {_plural(name, count)}" for name, count in report.others)
        lines.append(f"Also alive: {counted}; --all lists them.")
    return lines


def _plural(category: str, count: int) -> str:
    return category if count == 1 else _PLURAL.get(category, f"{category}s")


def _held(clusters: Sequence[Cluster]) -> RenderableType:
    columns = [number("count"), number("retained"), Column("fingerprint", folds=False), Column("chain")]
    cells = [
        [units.count(found.count), units.size(found.retained_bytes), found.fingerprint, found.text]
        for found in clusters
    ]
    return table(columns, cells)


def _classes(rows: Sequence[SessionClass]) -> RenderableType:
    cells = [
        [
            units.count(row.count),
            units.size(row.retained_bytes),
            units.count(row.closed_retained),
            units.count(row.overdue),
            units.age(row.oldest_s),
            units.age(row.median_s),
            units.count(row.uncollected or None),
            row.class_,
        ]
        for row in rows
    ]
    headings = ["count", "retained", "closed", "overdue", "oldest", "median", "uncollected"]
    return known_columns([*(number(heading) for heading in headings), Column("class")], cells)


def _items(rows: Sequence[SessionItem]) -> RenderableType:
    columns = [
        Column("address", folds=False),
        Column("id", folds=False),
        Column("state"),
        number("age"),
        number("idle"),
        number("time left"),
        Column("flags"),
        number("retained"),
        Column("held as", folds=False),
        Column("class"),
    ]
    cells = [
        [
            hex(row.address),
            row.id or units.UNKNOWN,
            row.state or units.UNKNOWN,
            ("over " if row.age_at_least else "") + units.age(row.age_s),
            units.age(row.idle_s),
            units.age(row.left_s),
            " ".join(row.flags) or units.UNKNOWN,
            units.size(row.retained_bytes),
            row.fingerprint or units.UNKNOWN,
            row.class_,
        ]
        for row in rows
    ]
    return known_columns(columns, cells)
