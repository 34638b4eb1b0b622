"""The gate's verdict as Markdown, for a pull request or a step summary. Foreign text never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

from leakscope.findings.gate import Verdict, Violation
from leakscope.render.escape import escaped
from leakscope.render.gate_text import found_and_limit, headline

_IN_FULL, _IN_SHORT = 20, 100
"""Violations: a comment takes 64 KiB, a step's summary 1 MiB."""
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~@&-])")


def report(verdict: Verdict) -> str:
    """The whole report."""
    lines = [f"## leakscope: {plain(headline(verdict))}", ""]
    for leak in verdict.violations[:_IN_FULL]:
        lines += _violation(leak)
    more = verdict.violations[_IN_FULL : _IN_FULL + _IN_SHORT]
    lines += [f"- {plain(leak.message)}" for leak in more]
    left = len(verdict.violations) - _IN_FULL - len(more)
    lines += [*([f"- and {left} more"] if left > 0 else []), ""] if more else []
    if verdict.known:
        rows = [(found_and_limit(leak)[0], leak.class_ or "", leak.reason or "") for leak in verdict.known]
        lines += ["### Known, within the baseline", "", *_table(("found", "class", "reason"), rows)]
    if verdict.fixed:
        fixed = [(leak.rule, leak.fingerprint or "", leak.class_ or "") for leak in verdict.fixed]
        lines += ["### Fixed: take these out of the baseline", "", *_table(("rule", "fingerprint", "class"), fixed)]
    lines += [f"- {plain(note)}" for note in verdict.notes]
    return "\n".join(lines).rstrip() + "\n"


def plain(text: str) -> str:
    """Text that shows as it is: control bytes and every character that Markdown or HTML reads are escaped."""
    return _MARKUP.sub(r"\\\1", escaped(text))


def code(text: str) -> str:
    """A code span around any text, fenced by more backticks than it has in a row."""
    shown = escaped(text).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _violation(leak: Violation) -> list[str]:
    found, limit = found_and_limit(leak)
    lines = [f"### {plain(leak.message)}", "", f"- rule **{leak.rule}**: {found}, {limit} allowed"]
    if leak.chain:
        lines.append(f"- chain: {code(leak.chain)}")
    if leak.file:
        lines.append(f"- code: {code(f'{leak.file}:{leak.line}' if leak.line else leak.file)}")
    lines += [f"- {plain(line)}" for line in leak.evidence]
    if leak.expired:
        lines.append(f"- the baseline allowed it until {plain(leak.expired)}: {plain(leak.reason or '')}")
    if leak.remedy:
        lines.append(f"- **what to do:** {plain(leak.remedy)}")
    if leak.fingerprint:
        lines.append(f"- fingerprint {code(leak.fingerprint)}")
    return [*lines, ""]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    shown = [f"| {' | '.join(plain(cell) for cell in row)} |" for row in rows]
    return [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}", *shown, ""]
