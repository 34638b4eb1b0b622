"""``store`` as text: the keys by type, one by one, and the copies that processes keep of sessions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.model import Cluster
from leakscope.findings.store import CopyRow, KeyItem, KeyReport, StoreReport, TypeRow
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, known_columns, number, safe, table


def store(report: StoreReport, screen: Screen) -> str:
    """Keys by type, copies by class, who holds the stale ones, and the flagged keys."""
    keys = report.keys
    parts: list[RenderableType] = [_heading(report)]
    if keys.types:
        parts.append(_types(keys.types))
    if report.copies:
        parts += [Text("\ncopies in processes", style="bold"), _copies(report.copies)]
    if report.clusters:
        parts += [Text("\nwho holds copies that are gone from the store", style="bold"), _held(report.clusters)]
    if keys.items:
        order = "" if len(keys.items) == keys.flagged else f": {units.count(len(keys.items))}, the longest idle first"
        parts += [Text(f"\nflagged keys{order}", style="bold"), _items(keys.items)]
    remarks = [safe(line) for line in _remarks(keys, report.copies)]
    return draw([*parts, *([Text()] if remarks else []), *remarks], screen)


def _heading(report: StoreReport) -> Text:
    keys = report.keys
    heading = Text(f"{units.count(keys.keys)} {'key' if keys.keys == 1 else 'keys'}", style="bold", overflow="fold")
    if report.match is not None:
        heading.append(" like ").append_text(safe(report.match))
    if keys.flagged:
        heading.append(", ").append(f"{units.count(keys.flagged)} flagged", style="red")
    if report.gone:
        copies = "copy lives" if report.gone == 1 else "copies live"
        heading.append(", ").append(f"{units.count(report.gone)} {copies} on without an original", style="red")
    return heading


def _types(rows: Sequence[TypeRow]) -> RenderableType:
    headings = ["count", "no expiry", "idle", "no process knows", "size", "longest idle"]
    cells = [
        [
            units.count(row.count),
            units.count(row.no_expiry),
            units.count(row.idle),
            units.count(row.unknown),
            units.size(row.bytes),
            units.age(row.idle_most_s),
            row.type,
        ]
        for row in rows
    ]
    return known_columns([*(number(heading) for heading in headings), Column("type")], cells)


def _copies(rows: Sequence[CopyRow]) -> RenderableType:
    columns = [number("count"), number("in the store"), number("gone"), Column("class"), Column("snapshot")]
    return table(
        columns,
        [
            [units.count(row.count), units.count(row.in_store), units.count(row.gone), row.class_, row.snapshot]
            for row in rows
        ],
    )


def _held(clusters: Sequence[Cluster]) -> RenderableType:
    columns = [number("count"), number("retained"), Column("fingerprint", folds=False), Column("chain")]
    return table(
        columns,
        [[units.count(each.count), units.size(each.retained_bytes), each.fingerprint, each.text] for each in clusters],
    )


def _items(rows: Sequence[KeyItem]) -> RenderableType:
    columns = [Column("key"), Column("type"), number("time left"), number("idle"), number("size"), Column("flags")]
    cells = [
        [
            row.key,
            row.type,
            "never ends" if row.ttl_s is None else units.age(row.ttl_s),
            units.age(row.idle_s),
            units.size(row.bytes),
            " ".join(row.flags),
        ]
        for row in rows
    ]
    return known_columns(columns, cells)


def _remarks(keys: KeyReport, copies: Sequence[CopyRow]) -> list[str]:
    lines = [f"took {keys.elapsed_s:,.1f} s"]
    if keys.vanished:
        lines.append(f"{units.count(keys.vanished)} keys went away while they were looked at.")
    if keys.unknown_fresh:
        lines.append(
            f"{units.count(keys.unknown_fresh)} of the keys that no process knows were used since the first snapshot: "
            "they may be newer."
        )
    if any(row.gone for row in copies) and keys.snapshot_age_s is not None:
        lines.append(f"The first snapshot is {units.age(keys.snapshot_age_s)} old: what ended since counts as gone.")
    return lines + list(keys.warnings)
