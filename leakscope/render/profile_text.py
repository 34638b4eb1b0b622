"""Profiles as text: places in code, and what they have in use."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from leakscope.findings.model import Snapshot
from leakscope.findings.profiles import ProfileReport, Site, SiteSuspect
from leakscope.render import units
from leakscope.render.screen import Column, Screen, draw, hanging, indented, known_columns, number, safe, table

MARGIN = 4
LABEL = 10
_DEEPEST = 12
"""Lines of a stack that are shown."""
_UNITS = {"goroutine": "goroutines"}


def snapshot(facts: Snapshot, screen: Screen) -> str:
    """What was fetched, and what to type next."""
    rows = [
        ["target", "go"],
        ["in use", f"{units.count(facts.objects)} objects, by the profile"],
        ["took", units.age(facts.elapsed_s)],
        ["file", facts.path or units.UNKNOWN],
    ]
    parts: list[RenderableType] = [table([Column(folds=False), Column()], rows)]
    return draw([*parts, safe(f"Next: leakscope top {facts.path}", "bold")], screen)


def top(report: ProfileReport, screen: Screen) -> str:
    """One line per site, as of the newest profile."""
    if not report.sites:
        return "Nothing is in use by this profile.\n"
    columns = [number(_what(report)), number("in use"), Column("site"), Column("at")]
    cells = [
        [units.count(site.counts[-1]), _size(report, site.bytes[-1]), site.function, _place(site)]
        for site in report.sites
    ]
    return draw([known_columns(columns, cells), *_ending(report)], screen)


def diff(report: ProfileReport, screen: Screen) -> str:
    """One line per site that changed, the largest growth first, with its count in each profile."""
    changed = [site for site in report.sites if site.counts[0] != site.counts[-1] or site.bytes[0] != site.bytes[-1]]
    if not changed:
        return "Nothing changed between these profiles.\n"
    columns = [number("change"), number("change of bytes"), number(f"{_what(report)} by profile"), Column("site")]
    cells = [
        [
            _change(site.counts[-1] - site.counts[0]),
            _size(report, site.bytes[-1] - site.bytes[0]),
            " > ".join(units.count(count) for count in site.counts),
            site.function,
        ]
        for site in changed
    ]
    return draw([known_columns(columns, cells), *_ending(report)], screen)


def chains(report: ProfileReport, screen: Screen) -> str:
    """Each chain of references on a line, the root first."""
    parts: list[RenderableType] = []
    for rank, site in enumerate(report.sites, start=1):
        line = Text(f"{units.count(site.counts[-1])} objects, {units.size(site.bytes[-1])}", style="bold")
        line.append_text(safe(f"  fingerprint {site.fingerprint}", "dim"))
        parts += [hanging(f"{rank:>2}.", line), indented(safe(" -> ".join(site.stack)), MARGIN)]
    return draw([*parts, *_ending(report)], screen)


def suspects(report: ProfileReport, screen: Screen, limit: int) -> str:
    """Each place that grows as a leak does, with its stack and its evidence."""
    parts: list[RenderableType] = []
    if not report.suspects:
        parts.append(Text(_nothing(report), style="bold"))
    for suspect in report.suspects[:limit]:
        parts += [*([Text()] if suspect.rank > 1 else []), *_suspect(report, suspect)]
    if len(report.suspects) > limit:
        parts += [Text(), Text(f"{len(report.suspects) - limit} more: --limit {len(report.suspects)} shows them.")]
    return draw([*parts, *_ending(report)], screen)


def _suspect(report: ProfileReport, suspect: SiteSuspect) -> list[RenderableType]:
    site = suspect.site
    line = Text(overflow="fold")
    line.append(f"{suspect.kind}: {units.count(site.counts[-1])} {_what(report)} ", style="bold yellow")
    line.append_text(safe(site.function, "bold"))
    line.append(f", {suspect.growth_per_step:,.0f} more each step")
    if report.measure != "goroutine":
        line.append(f", {units.size(site.bytes[-1])} in use")
    line.append_text(safe(f"  fingerprint {site.fingerprint}", "dim"))
    shown = site.stack[:_DEEPEST]
    between = " -> " if report.measure == "references" else " < "
    stack = between.join(shown) + (" ..." if len(site.stack) > len(shown) else "")
    rows = [
        ("at", safe(_place(site), "cyan")) if site.file else None,
        ("chain" if report.measure == "references" else "stack", safe(stack)),
        *(("evidence" if not at else "", safe(each)) for at, each in enumerate(suspect.evidence)),
        ("remedy", safe(suspect.remedy, "green")),
    ]
    told = [indented(hanging(f"{row[0]:<{LABEL}}", row[1]), MARGIN) for row in rows if row is not None]
    return [hanging(f"{suspect.rank:>2}.", line), *told]


def _nothing(report: ProfileReport) -> str:
    if len(report.counts) < 3:
        return "Nothing is suspected yet: three profiles, taken after equal work, tell a leak from what is in use."
    return f"Nothing is suspected: nothing grew in every step of these {len(report.counts)} profiles as a leak does."


def _ending(report: ProfileReport) -> list[RenderableType]:
    return [Text(), *(safe(note, "dim") for note in report.notes)] if report.notes else []


def _what(report: ProfileReport) -> str:
    return _UNITS.get(report.measure, "objects")


def _size(report: ProfileReport, size: int) -> str:
    if report.measure == "goroutine":
        return units.UNKNOWN
    return f"-{units.size(-size)}" if size < 0 else units.size(size)


def _change(count: int) -> str:
    return f"{count:+,}"


def _place(site: Site) -> str:
    if not site.file:
        return units.UNKNOWN
    return f"{site.file}:{site.line}" if site.line else site.file
