"""The gate's verdict as text: what leaks and what to do first, then what is known, then what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.gate import KnownLeak, Round, Verdict, Violation
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, hanging, indented, number, safe, table


def gate(verdict: Verdict, screen: Screen) -> str:
    """The whole answer."""
    parts: list[RenderableType] = [_headline(verdict)]
    for rank, leak in enumerate(verdict.violations, start=1):
        parts += [Text(), *_violation(rank, leak)]
    if verdict.known:
        parts += [Text("\nknown, within what the baseline allows", style="bold"), _known(verdict.known)]
    if verdict.fixed:
        parts += [Text("\nfixed: take these out of the baseline", style="bold"), _fixed(verdict.fixed)]
    if verdict.rounds:
        parts += [Text("\nmeasured", style="bold"), _rounds(verdict.rounds)]
    parts += [safe(f"note: {line}", "yellow") for line in verdict.notes]
    return draw(parts, screen)


def headline(verdict: Verdict) -> str:
    """The verdict in one line."""
    counted = f"{len(verdict.violations)} {'leak' if len(verdict.violations) == 1 else 'leaks'}"
    known = f", {len(verdict.known)} known" if verdict.known else ""
    return f"PASS: nothing new leaks{known}" if verdict.passed else f"FAIL: {counted}{known}"


def found_and_limit(leak: Violation) -> tuple[str, str]:
    """Both numbers in the unit of the rule."""
    return amount(leak.found, leak.unit), amount(leak.limit, leak.unit)


def amount(value: float, unit: str) -> str:
    """``1.5 MiB``, ``2h 05m``, ``40 sessions``."""
    if unit == "bytes":
        return units.size(int(value))
    if unit == "s":
        return units.age(value)
    shown = units.count(int(value)) if value == int(value) else f"{value:,.2f}"
    return f"{shown} {unit}"


def _headline(verdict: Verdict) -> Text:
    return Text(headline(verdict), style="bold green" if verdict.passed else "bold red")


def _violation(rank: int, leak: Violation) -> list[RenderableType]:
    found, limit = found_and_limit(leak)
    per = " per round" if leak.rule in ("growth", "descriptors", "threads") else ""
    lines: list[RenderableType] = [hanging(f"{rank:>2}.", safe(leak.message, "bold"))]
    told = [("rule", f"{leak.rule}: {found}{per}, {limit} allowed"), ("chain", leak.chain)]
    if leak.file:
        told.append(("code", f"{leak.file}:{leak.line}" if leak.line else leak.file))
    told.append(("fingerprint", leak.fingerprint))
    if leak.expired:
        told.append(("expired", f"the baseline allowed it until {leak.expired}: {leak.reason}"))
    elif leak.reason:
        told.append(("known", f"but grown beyond what the baseline allows: {leak.reason}"))
    told.append(("do", leak.remedy))
    rows = [[name, text] for name, text in told if text]
    rows[1:1] = [["why", line] for line in leak.evidence]
    lines.append(indented(table([Column(folds=False), Column()], rows), 4))
    return lines


def _known(rows: Sequence[Violation]) -> RenderableType:
    cells = [[found_and_limit(leak)[0], leak.rule, leak.class_ or "-", leak.reason or "-"] for leak in rows]
    return table([number("found"), Column("rule", folds=False), Column("class"), Column("reason")], cells)


def _fixed(rows: Sequence[KnownLeak]) -> RenderableType:
    cells = [[leak.rule, leak.fingerprint or "-", leak.class_ or "-", leak.reason] for leak in rows]
    headings = [Column("rule", folds=False), Column("fingerprint", folds=False), Column("class"), Column("reason")]
    return table(headings, cells)


def _rounds(rows: Sequence[Round]) -> RenderableType:
    cells = [
        [
            row.name,
            units.count(row.objects),
            units.count(row.sessions),
            units.count(row.descriptors),
            units.count(row.threads),
            units.milliseconds(row.pause_ms),
        ]
        for row in rows
    ]
    headings = ["objects", "sessions", "files", "threads", "pause"]
    return table([Column("snapshot"), *(number(heading) for heading in headings)], cells)
