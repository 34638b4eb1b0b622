"""Processes as families: children stand under their parents, wherever processes are listed for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from rich.console import RenderableType

from leakscope.findings.model import FamilyMember
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, number, safe, table


class _Process(Protocol):
    @property
    def pid(self) -> int: ...
    @property
    def parent(self) -> int: ...
    @property
    def pid_inside(self) -> int | None: ...
    @property
    def command(self) -> str: ...


P = TypeVar("P", bound=_Process)


def in_families(rows: Sequence[P]) -> Iterator[tuple[P, str]]:
    """Each process with its command, indented below that of its parent; else in the order of ``rows``."""
    listed = {row.pid for row in rows}
    children: dict[int, list[P]] = {}
    for row in rows:
        children.setdefault(row.parent if row.parent != row.pid else 0, []).append(row)
    waiting = [(row, 0) for row in reversed(rows) if row.parent not in listed or row.parent == row.pid]
    while waiting:
        row, depth = waiting.pop()
        yield row, "  " * depth + row.command
        waiting += [(child, depth + 1) for child in reversed(children.get(row.pid, []))]


def pid(row: _Process) -> str:
    """The PID, with the one that the process has for itself where that is another."""
    return str(row.pid) if row.pid_inside is None else f"{row.pid} ({row.pid_inside} inside)"


def family(members: Sequence[FamilyMember], screen: Screen) -> str:
    """What ``snapshot --tree`` took: one line per process, then why some were left out, and what to type next."""
    taken = [(member, name, member.snapshot) for member, name in in_families(members) if member.snapshot is not None]
    columns = [number("PID"), Column("command"), number("pause"), number("copied"), number("objects")]
    columns += [number("sessions"), Column("file")]
    cells = [
        [
            pid(member),
            name,
            units.milliseconds(facts.pause_ms),
            units.size(facts.copied_bytes),
            units.count(facts.objects),
            units.count(facts.sessions),
            facts.path or units.UNKNOWN,
        ]
        for member, name, facts in taken
    ]
    parts: list[RenderableType] = [table(columns, cells)] if cells else []
    for member in members:
        if member.reason is not None:
            text = f"{'not taken' if member.refused else 'skipped'}: {pid(member)} {member.command}: {member.reason}"
            parts.append(safe(text, "yellow" if member.refused else ""))
    parts += [safe(f"warning: {member.pid}: {line}", "yellow") for member, _, facts in taken for line in facts.warnings]
    richest = max((facts for _, _, facts in taken), key=lambda facts: facts.sessions or 0, default=None)
    if richest is not None and richest.path:
        parts.append(safe(f"Next: leakscope suspects {richest.path}", "bold"))
    return draw(parts, screen)
