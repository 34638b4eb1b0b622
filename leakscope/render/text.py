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
    Snapshot,
)
from leakscope.render import chain_text, units
from leakscope.render.family_text import in_families, pid
from leakscope.render.screen import Column, Screen, draw, indented, number, safe, table

_PAUSES = {
    "core": "none, {copied} of a core file",
    "dump": "none, a dump was read",
    "jcmd": "as long as the JVM took for its dump",
    "signal": "as long as Node took for its heap snapshot",
    "inspector": "as long as Node took for its heap snapshot",
}
"""By strategy; of others it was measured."""
STATUS_STYLE = {"ok": "green", "warning": "yellow", "failed": "bold red"}


def ps(rows: Sequence[ProcessRow], screen: Screen) -> str:
    """One line per process, children under their parents; why it is not supported, where it is not."""
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
            pid(row),
            f"{row.runtime} {row.version}" if row.version else row.runtime,
            units.size(row.rss_bytes),
            units.count(row.threads),
            units.count(row.open_files),
            units.count(row.connections),
            command,
            "yes" if row.supported else f"no: {row.reason}",
        ]
        for row, command in in_families(rows)
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
    how = _PAUSES.get(facts.strategy or "", "{pause} ({copied} copied, strategy {strategy})")
    rows = [
        ["target", f"{'' if facts.pid is None else f'PID {facts.pid}, '}{facts.runtime} {facts.version}"],
        ["pause", how.format(pause=pause, copied=copied, strategy=facts.strategy)],
        ["heap", f"{units.count(facts.objects)} objects, {units.count(facts.references)} references"],
        ["sessions", f"{units.count(facts.sessions)} alive"],
        ["garbage", f"{garbage}, not collected yet"],
        ["took", units.age(facts.elapsed_s)],
        ["file", facts.path or units.UNKNOWN],
    ]
    parts: list[RenderableType] = [table([Column(folds=False), Column()], rows)]
    parts += [safe(f"warning: {line}", "yellow") for line in facts.warnings]
    if facts.path:
        parts.append(safe(f"Next: leakscope sessions {facts.path}", "bold"))
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
