"""``diff`` as text: sessions first, then what holds them, what grew, and which containers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.diff import (
    ClassChange,
    ClusterChange,
    ContainerChange,
    Diff,
    Rest,
    SessionsChange,
    SessionsOfClass,
)
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, number, safe, table


def diff(found: Diff, screen: Screen) -> str:
    """The whole answer."""
    parts: list[RenderableType] = [_snapshots(found)]
    parts += _headed("sessions", [_sessions(found.sessions)])
    if found.clusters:
        parts += _headed("who holds them", [_clusters(found.clusters), *_rest(found.other_clusters, "ways")])
    if found.containers:
        parts += _headed("containers that grew", [_containers(found.containers)])
    if found.classes:
        parts += _headed("classes that changed", [_classes(found.classes), *_rest(found.other_classes, "classes")])
    else:
        parts += _headed("classes", [Text("No class has more or fewer objects than before.")])
    parts += [safe(f"note: {line}", "yellow") for line in found.notes]
    return draw(parts, screen)


def _headed(heading: str, parts: list[RenderableType]) -> list[RenderableType]:
    return [Text(f"\n{heading}", style="bold"), *parts]


def _snapshots(found: Diff) -> RenderableType:
    cells = [
        [
            row.name,
            units.moment(row.captured_at),
            "-" if row.pid is None else f"PID {row.pid}",
            row.version,
            units.count(row.objects),
            units.size(row.own_bytes),
        ]
        for row in found.snapshots
    ]
    headings = [Column("snapshot"), Column("captured", folds=False), Column("process", folds=False), Column("version")]
    return table([*headings, number("objects"), number("bytes")], cells)


def _sessions(change: SessionsChange) -> RenderableType:
    if not any(change.counts):
        return Text("None in any of them.")
    every = SessionsOfClass("all", change.counts, change.born, change.gone, change.survived)
    cells = [
        [_steps(row.counts), units.count(row.born), units.count(row.gone), units.count(row.survived), row.class_]
        for row in (every, *change.classes)
    ]
    columns = [number("alive"), number("born"), number("gone"), number("survived"), Column("class")]
    if change.oldest_survivor_s is not None:
        cells[0][-1] += f" (the oldest survivor: {units.age(change.oldest_survivor_s)})"
    return table(columns, cells)


def _clusters(rows: Sequence[ClusterChange]) -> RenderableType:
    cells = [
        [_steps(row.counts), _signed(row.delta), _bytes(row.retained_delta_bytes), row.fingerprint, row.text or "-"]
        for row in rows
    ]
    columns = [number("count"), number("change"), number("retained"), Column("fingerprint", folds=False)]
    return table([*columns, Column("chain")], cells)


def _containers(rows: Sequence[ContainerChange]) -> RenderableType:
    cells = [[_steps(row.lengths), _signed(row.delta), row.type, row.holder] for row in rows]
    return table([number("entries"), number("change"), Column("type", folds=False), Column("container")], cells)


def _classes(rows: Sequence[ClassChange]) -> RenderableType:
    cells = [[_steps(row.counts), _signed(row.delta), _bytes(row.retained_delta_bytes), row.class_] for row in rows]
    return table([number("count"), number("change"), number("retained"), Column("class")], cells)


def _rest(rest: Rest, what: str) -> list[RenderableType]:
    if not rest.rows:
        return []
    told = f"{_signed(rest.delta)} objects, {_bytes(rest.retained_delta_bytes)} retained"
    return [Text(f"and {units.count(rest.rows)} other {what}: {told} (--limit shows more)")]


def _steps(counts: Sequence[int]) -> str:
    """``10 > 20 > 30``; of many only the ends and the middle."""
    shown = [units.count(count) for count in counts]
    return " > ".join(shown if len(shown) <= 5 else [*shown[:2], "..", *shown[-2:]])


def _signed(number: int) -> str:
    return f"{number:+,}"


def _bytes(delta_bytes: int) -> str:
    return ("+" if delta_bytes > 0 else "") + units.size(delta_bytes)
