"""``leakscope rules``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.dumps import dump_sessions
from leakscope.cli.options import JsonOption, NoColorOption, RulesOption
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import Kind, capture_sessions, core_sessions, kind_of, open_graph

if TYPE_CHECKING:
    from leakscope.findings.rules import RuleReport


def rules(
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="SOURCE",
            help="Ask them about this process or core: which rule finds what, and which nothing.",
        ),
    ] = None,
    files: RulesOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """List the rules that say what a session is.

    They stand in the order in which they are asked, and the first that claims
    an object wins: files of --rules, leakscope.toml, [tool.leakscope] in
    pyproject.toml, plug-ins, the built-in catalogue, and last the guess by
    name. docs/RULES.md shows how to write one.

    \b
    Examples:
      leakscope rules
      leakscope rules --rules my.toml --check 4242      what does my rule find?
      leakscope rules --check before.leakscope          what did rules find then?
    """
    from leakscope.render import documents, rule_text

    report = ask(check, files or [])
    if json:
        emit_json(documents.rules(check, report))
    else:
        emit(rule_text.rules(report, screen(no_color)))


def ask(source: str | None, files: list[Path]) -> RuleReport:
    """The rules, and what came of them in ``source``; raises ``AttachError``, ``InputError`` or ``UsageError``."""
    from leakscope.analysis import rule_report
    from leakscope.sessions.load import load_rules

    kind = kind_of(source) if source is not None else None
    if source is not None and kind == Kind.FILE:
        return rule_report.recorded(open_graph(source, rules=files))
    ruleset = load_rules(files)
    if source is None:
        return rule_report.listed(ruleset)
    if kind == Kind.PID:
        return rule_report.checked(ruleset, capture_sessions(int(source), ruleset)[1])
    if kind == Kind.URL:
        from leakscope.cli.foreign import inspector_sessions

        return rule_report.checked(ruleset, inspector_sessions(source, ruleset)[1])
    asked = core_sessions if kind == Kind.CORE else dump_sessions
    return rule_report.checked(ruleset, asked(Path(source), ruleset)[1])
