"""Suspects as text: for each one who holds it, how one can tell, and what to do."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.suspects import Candidate, Harmless, Suspect, SuspectReport
from leakscope.render import units
from leakscope.render.screen import Screen, draw, hanging, indented, safe

MARGIN = 4
LABEL = 10
MOST_CANDIDATES = 5


def suspects(report: SuspectReport, screen: Screen, harmless: bool = False) -> str:
    """The whole answer; with ``harmless`` also what is known to grow without meaning anything."""
    parts: list[RenderableType] = []
    if not report.suspects:
        parts.append(Text(_nothing(report), style="bold"))
    for suspect in report.suspects:
        parts += [*([Text()] if suspect.rank > 1 else []), *_suspect(suspect)]
    if report.total > len(report.suspects):
        left = report.total - len(report.suspects)
        parts += [Text(), Text(f"{left} more, less certain or smaller: --limit {report.total} shows them.")]
    if report.candidates:
        parts += [Text(), Text("no suspects, but worth another snapshot", style="bold")]
        parts += [_listed(each) for each in report.candidates[:MOST_CANDIDATES]]
    if harmless:
        parts += [Text(), Text("grew, and is known to be harmless", style="bold")]
        parts += [_listed(each) for each in report.harmless] or [Text("nothing")]
    if report.notes:
        parts += [Text(), *(safe(note) for note in report.notes)]
    return draw(parts, screen)


def _nothing(report: SuspectReport) -> str:
    if report.snapshots == 1:
        return "Nothing is suspected: no session that should be gone is still held, no garbage piles up."
    if not report.same_process:
        return "Nothing is suspected in the newest of these snapshots."
    return f"Nothing is suspected: nothing grew in every step of these {report.snapshots} snapshots as a leak does."


def _suspect(suspect: Suspect) -> list[RenderableType]:
    place = f"  {suspect.file}:{suspect.line}" if suspect.line else f"  {suspect.file or ''}".rstrip()
    rows = [
        ("held by", safe(suspect.holder, "cyan").append_text(safe(place, "dim"))),
        ("chain", safe(suspect.chain)),
        *(("evidence" if not number else "", safe(line)) for number, line in enumerate(suspect.evidence)),
        ("remedy", safe(suspect.remedy, "green")),
        *([("", safe(suspect.link, "dim"))] if suspect.link else []),
        ("for one", safe(", ".join(hex(address) for address in suspect.sample_addresses[:3]), "dim")),
    ]
    return [
        _headline(suspect),
        *(indented(hanging(f"{label:<{LABEL}}", text), MARGIN) for label, text in rows),
    ]


def _headline(suspect: Suspect) -> RenderableType:
    line = Text(overflow="fold")
    line.append_text(safe(suspect.kind, "bold yellow"))
    line.append(f": {units.count(suspect.count)} x ", style="bold")
    line.append_text(safe(suspect.class_, "bold"))
    if suspect.growth_per_step is not None:
        line.append(f", {_number(suspect.growth_per_step)} more each step")
    line.append(f", {units.size(suspect.retained_bytes)} retained")
    line.append_text(safe(f"  fingerprint {suspect.fingerprint}", "dim"))
    return hanging(f"{suspect.rank:>2}.", line)


def _number(growth: float) -> str:
    return f"{growth:,.0f}" if growth == round(growth) else f"{growth:,.1f}"


def _listed(found: Candidate | Harmless) -> RenderableType:
    line = safe(f"{units.count(found.count)} x {found.class_}")
    if found.holder:
        line.append_text(safe(f" in {found.holder}"))
    return indented(line.append_text(safe(f": {found.reason}", "dim")), MARGIN)
