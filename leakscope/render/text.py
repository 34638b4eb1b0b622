"""Findings as text for people: each function returns the whole answer of one command."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.model import (
    Check,
    ClassRow,
    Cluster,
    ProcessRow,
    SessionClass,
    SessionItem,
    SessionReport,
    Snapshot,
)
from leakscope.render import chain_text, units
from leakscope.render.screen import Column, Screen, draw, indented, number, safe, table

STATUS_STYLE = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def ps(rows: Sequence[ProcessRow], screen: Screen) -> str:
    """One line per process; why it is not supported, where it is not."""
    if not rows:
        return "No process of a runtime that leakscope knows is visible from here.\n"
    columns = [
        number("PID"),
        Column("runtime", folds=False),
        number("RSS"),
        number("threads"),
        number("files"),
        number("conns"),
        Column("command"),
        Column("attach"),
    ]
    cells = [
        [
            str(row.pid),
            f"{row.runtime} {row.version}" if row.version else row.runtime,
            units.size(row.rss_bytes),
            units.count(row.threads),
            units.count(row.open_files),
            units.count(row.connections),
            row.command,
            "yes" if row.supported else f"no: {row.reason}",
        ]
        for row in rows
    ]
    return draw([table(columns, cells)], screen)


def doctor(checks: Sequence[Check], screen: Screen) -> str:
    """One line per check, what to do under those that did not pass, a verdict at the end."""
    lines: list[RenderableType] = []
    for check in checks:
        line = Text(f"{check.status:<8}", style=STATUS_STYLE.get(check.status, ""), overflow="fold")
        line.append_text(safe(f"{check.name}: {check.detail}", "not bold default"))
        lines.append(line)
        if check.remedy:
            lines.append(indented(safe(check.remedy), 8))
    failed = sum(check.status == "failed" for check in checks)
    verdict = f"{failed} of {len(checks)} checks failed." if failed else "Nothing stands in the way."
    return draw([*lines, Text(verdict, style="bold")], screen)


def snapshot(facts: Snapshot, screen: Screen) -> str:
    """What was captured, how long the target stood, and what to type next."""
    pause, copied = units.milliseconds(facts.pause_ms), units.size(facts.copied_bytes)
    garbage = f"{units.count(facts.garbage_objects)} objects, {units.size(facts.garbage_bytes)}"
    rows = [
        ["target", f"PID {facts.pid}, {facts.runtime} {facts.version}"],
        ["pause", f"{pause} ({copied} copied, strategy {facts.strategy})"],
        ["heap", f"{units.count(facts.objects)} objects, {units.count(facts.references)} references"],
        ["sessions", f"{units.count(facts.sessions)} objects of classes that are named like sessions"],
        ["garbage", f"{garbage}, not collected yet"],
        ["took", units.age(facts.elapsed_s)],
        ["file", facts.path or units.UNKNOWN],
    ]
    parts: list[RenderableType] = [table([Column(folds=False), Column()], rows)]
    parts += [safe(f"warning: {line}", "yellow") for line in facts.warnings]
    if facts.path:
        parts.append(safe(f"Next: leakscope sessions {facts.path}", "bold"))
    return draw(parts, screen)


def sessions(report: SessionReport, screen: Screen) -> str:
    """Sessions by class, by holder, and one by one."""
    if not report.total:
        return "No sessions: no live object's class is, or derives from, one that counts as a session.\n"
    parts: list[RenderableType] = [
        Text(f"{units.count(report.total)} sessions alive, by class", style="bold"),
        _session_classes(report.classes),
    ]
    if report.clusters:
        heading = "\nwho holds them (leakscope chains shows each step)"
        parts += [Text(heading, style="bold"), _held(report.clusters)]
    if report.items:
        heading = "\none by one"
        if len(report.items) < report.total:
            heading += f": the {units.count(len(report.items))} that retain most"
        parts += [Text(heading, style="bold"), _session_items(report.items)]
    return draw(parts, screen)


def chains(clusters: Sequence[Cluster], screen: Screen) -> str:
    """Each cluster with its chain."""
    if not clusters:
        return "No live object matches, so nothing holds it.\n"
    parts: list[RenderableType] = []
    for rank, found in enumerate(clusters, start=1):
        parts += [*([Text()] if rank > 1 else []), *chain_text.cluster(rank, found)]
    return draw(parts, screen)


def top(rows: Sequence[ClassRow], screen: Screen) -> str:
    """One line per class."""
    if not rows:
        return "No live objects.\n"
    columns = [number("count"), number("own"), number("retained"), Column("class")]
    cells = [
        [units.count(row.count), units.size(row.own_bytes), units.size(row.retained_bytes), row.class_] for row in rows
    ]
    return draw([table(columns, cells)], screen)


def _held(clusters: Sequence[Cluster]) -> RenderableType:
    columns = [
        number("count"),
        number("retained"),
        Column("fingerprint", folds=False),
        Column("chain"),
    ]
    cells = [
        [units.count(found.count), units.size(found.retained_bytes), found.fingerprint, found.text]
        for found in clusters
    ]
    return table(columns, cells)


def _session_classes(rows: Sequence[SessionClass]) -> RenderableType:
    cells = [
        [
            units.count(row.count),
            units.size(row.retained_bytes),
            units.count(row.closed_retained),
            units.count(row.overdue),
            units.age(row.oldest_s),
            units.age(row.median_s),
            row.class_,
        ]
        for row in rows
    ]
    headings = ["count", "retained", "closed", "overdue", "oldest", "median"]
    return _known_columns([*(number(heading) for heading in headings), Column("class")], cells)


def _session_items(rows: Sequence[SessionItem]) -> RenderableType:
    columns = [
        Column("address", folds=False),
        Column("id", folds=False),
        Column("state"),
        number("age"),
        number("idle"),
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
            units.age(row.age_s),
            units.age(row.idle_s),
            " ".join(row.flags) or units.UNKNOWN,
            units.size(row.retained_bytes),
            row.fingerprint or units.UNKNOWN,
            row.class_,
        ]
        for row in rows
    ]
    return _known_columns(columns, cells)


def _known_columns(columns: list[Column], cells: list[list[str]]) -> RenderableType:
    """The table without the columns of which nothing is known."""
    kept = [at for at in range(len(columns)) if any(row[at] != units.UNKNOWN for row in cells)]
    return table([columns[at] for at in kept], [[row[at] for at in kept] for row in cells])
