"""``leakscope sessions``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.durations import duration
from leakscope.cli.options import (
    ClassOption,
    ExeOption,
    IdOption,
    JsonOption,
    LibsOption,
    LimitOption,
    NoColorOption,
    Pause,
    PauseOption,
    RevealOption,
    RulesOption,
    SourceArgument,
)
from leakscope.cli.output import clear_progress, emit, emit_json, progress, screen
from leakscope.cli.source import CoreFiles, is_pid, open_graph
from leakscope.errors import EXIT_FLAGGED, UsageError

if TYPE_CHECKING:
    from leakscope.analysis.session_facts import Witness
    from leakscope.analysis.sessions import Wanted
    from leakscope.findings.sessions import SessionReport
    from leakscope.graph.heap import HeapGraph


def sessions(
    source: SourceArgument,
    older_than: Annotated[
        float | None,
        typer.Option(metavar="DURATION", parser=duration, help="Only those older than this: 90s, 30m, 1h30m, 7d."),
    ] = None,
    idle_longer_than: Annotated[
        float | None,
        typer.Option(metavar="DURATION", parser=duration, help="Only those not used for longer than this."),
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only those in this state: open, closed, closing ...")
    ] = None,
    flagged: Annotated[
        bool,
        typer.Option("--flagged", help="Only those that should be gone: closed, overdue, hung, holder dead ..."),
    ] = False,
    class_: ClassOption = None,
    id_: IdOption = None,
    all_: Annotated[bool, typer.Option("--all", help="Tasks, threads, files and other resources too.")] = False,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            "--earlier",
            metavar="FILE",
            help="An earlier snapshot of the same process: what it shows already is at least that old. Repeatable.",
        ),
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(
            metavar="DURATION", parser=duration, help="With a PID: look twice, so long apart, to tell old from new."
        ),
    ] = None,
    fail: Annotated[
        bool,
        typer.Option("--fail", help="Exit with 1 if a session matches the filters, or without any: if one is flagged."),
    ] = False,
    limit: LimitOption = 50,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
    rules: RulesOption = None,
    exe: ExeOption = None,
    libs: LibsOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Show the live sessions, their age and state, and who holds them.

    What a session is, and where its id, age and state are, rules say: those
    that leakscope brings for known libraries, your own, and a guess by name
    for the rest ('leakscope rules' lists them). --class names any other class.

    \b
    Examples:
      leakscope sessions 4242                      straight from the process
      leakscope sessions 4242 --older-than 30m
      leakscope sessions 4242 --flagged --fail     closed, overdue or hung: exit code 1
      leakscope sessions 4242 --watch 60s          ages of what keeps no time itself
      leakscope sessions after.leakscope --earlier before.leakscope
      leakscope sessions 4242 --class 'shop.Basket'
    """
    from leakscope.analysis.index import HeapIndex
    from leakscope.analysis.sessions import DEFAULT_CATEGORIES, Wanted, session_report
    from leakscope.render import documents, session_text
    from leakscope.sessions.rules import CATEGORIES

    wanted = Wanted(
        class_glob=class_,
        categories=CATEGORIES if all_ else DEFAULT_CATEGORIES,
        older_than=older_than,
        idle_longer_than=idle_longer_than,
        state=state,
        flagged=flagged,
        id=id_,
    )
    witnesses = [_first_look(source, watch, pause, reveal, rules)] if watch is not None else []
    graph = open_graph(source, pause, reveal, rules, CoreFiles(exe, libs))
    witnesses += [_load_witness(graph, path) for path in earlier or []]
    report = session_report(HeapIndex(graph), wanted, limit, witnesses)
    if json:
        emit_json(documents.sessions(source, report))
    else:
        emit(session_text.sessions(report, screen(no_color)))
    if fail and _fails(report, wanted):
        raise typer.Exit(EXIT_FLAGGED)


def _fails(report: SessionReport, wanted: Wanted) -> bool:
    filters = (wanted.older_than, wanted.idle_longer_than, wanted.state, wanted.id)
    return bool(report.total) if any(each is not None for each in filters) else bool(report.flagged)


def _first_look(source: str, wait_s: float, pause: Pause | None, reveal: bool, rules: list[Path] | None) -> Witness:
    """Looks once and waits."""
    from leakscope.analysis.session_facts import witness

    if not is_pid(source):
        raise UsageError(
            f"--watch goes with a PID; {source} is a file",
            "Two files are compared by: leakscope sessions NEWER --earlier OLDER",
        )
    seen = witness(open_graph(source, pause, reveal, rules), "the first look")
    began, report = time.monotonic(), progress()
    while (waited := time.monotonic() - began) < wait_s:
        report(f"watching for {wait_s:g} s", waited / wait_s)
        time.sleep(min(0.5, wait_s - waited))
    clear_progress()
    return seen


def _load_witness(graph: HeapGraph, path: Path) -> Witness:
    from leakscope.analysis.session_facts import require_same_process, witness

    earlier = open_graph(str(path))
    seen = witness(earlier, path.name)
    require_same_process(graph, earlier, str(path))
    return seen
