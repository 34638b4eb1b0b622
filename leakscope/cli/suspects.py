"""``leakscope suspects``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli import profiles
from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.durations import duration
from leakscope.cli.options import ExeOption, JsonOption, LibsOption, NoColorOption, Pause, PauseOption, RulesOption
from leakscope.cli.output import clear_progress, emit, emit_json, progress, screen
from leakscope.cli.source import (
    CoreFiles,
    Kind,
    capture_graph,
    is_pid,
    kind_of,
    open_graph,
    refuse_core_files,
    rules_told,
)
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph

WATCHED = 3
"""Snapshots that ``--watch`` takes: the fewest from which growth can be told."""


def suspects(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="A PID, or one or more snapshot files; with files the last may be a PID, for how it is now.",
        ),
    ],
    watch: Annotated[
        float | None,
        typer.Option(
            "--watch",
            metavar="DURATION",
            parser=duration,
            help="With one PID: take three snapshots so far apart, as in 30s, and compare them.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Show at most this many suspects.")] = 3,
    harmless: Annotated[
        bool, typer.Option("--harmless", help="Also list growth that is known to mean nothing, with the reason.")
    ] = False,
    ended: Annotated[
        bool,
        typer.Option("--ended", help="The work between the snapshots was ended: time left to live is no excuse."),
    ] = False,
    rules: RulesOption = None,
    exe: ExeOption = None,
    libs: LibsOption = None,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Name who leaks: the holder, the evidence, the remedy.

    One snapshot shows what is closed, overdue or expected to be gone and is held
    all the same. Three or more of one process, with equal work in between, also
    show what grows as a leak does: by the same each time, and nothing ever goes.

    \b
    Examples:
      leakscope suspects 4242 --watch 30s                    three looks, half a minute apart
      leakscope suspects 1.leakscope 2.leakscope 3.leakscope
      leakscope suspects before.leakscope 4242               since then
    """
    if profiles.all_profiles(sources):
        profiles.answer("suspects", sources, limit, json, no_color)
        return

    from leakscope.analysis.suspects import find_suspects
    from leakscope.render import suspect_documents, suspect_text

    files = CoreFiles(exe, libs)
    graphs = _watched(sources, watch, pause, rules) if watch is not None else _opened(sources, pause, rules, files)
    report = find_suspects(graphs, rules_told(tuple(rules or ()), Path.cwd()), limit, ended=ended)
    if json:
        emit_json(suspect_documents.suspects(sources, report, harmless))
    else:
        emit(suspect_text.suspects(report, screen(no_color), harmless))


def _opened(sources: list[str], pause: Pause | None, rules: list[Path] | None, where: CoreFiles) -> list[HeapGraph]:
    """The heaps, files in the order of their capture, a PID last."""
    from leakscope.graph.facts import moment

    files = [source for source in sources if not is_pid(source)]
    pids = [source for source in sources if is_pid(source)]
    if len(pids) > 1:
        raise UsageError("only one of the sources can be a PID", "Take snapshots first: leakscope snapshot PID.")
    kinds = {file: kind_of(file) for file in files}
    asked = {file for file, kind in kinds.items() if kind != Kind.FILE}
    if not pids and (pause is not None or (rules and not asked)):
        raise UsageError("--pause and --rules go with a PID", "Files stay as they were taken.")
    if Kind.CORE not in kinds.values():
        refuse_core_files(sources[0], where)
    graphs = [
        open_graph(file, rules=rules if file in asked else None, files=where if kind == Kind.CORE else CoreFiles())
        for file, kind in kinds.items()
    ]
    ordered = sorted(graphs, key=lambda graph: moment(graph.facts))
    if any(one is not other for one, other in zip(graphs, ordered, strict=True)):
        sys.stderr.write("leakscope: the snapshots are put in the order of their capture\n")
    return [*ordered, *(capture_graph(int(pid), pause, rules=rules) for pid in pids)]


def _watched(sources: list[str], every: float, pause: Pause | None, rules: list[Path] | None) -> list[HeapGraph]:
    """``WATCHED`` looks at one process, ``every`` seconds from one to the next."""
    if len(sources) != 1 or not is_pid(sources[0]):
        raise UsageError("--watch goes with one PID", "leakscope suspects 4242 --watch 30s")
    pid = int(sources[0])
    sys.stderr.write(f"leakscope: takes {WATCHED} snapshots of {pid}, {every:g} s apart\n")
    graphs = [capture_graph(pid, pause, rules=rules)]
    began = time.monotonic()
    for number in range(1, WATCHED):
        _wait_until(began + number * every, number + 1, every)
        graphs.append(capture_graph(pid, pause, rules=rules))
    return graphs


def _wait_until(moment: float, number: int, every: float) -> None:
    """Sleeps, and shows for how long still."""
    show = progress()
    try:
        while (left := moment - time.monotonic()) > 0:
            show(f"until snapshot {number} of {WATCHED}", 1 - left / max(every, left))
            time.sleep(min(left, 0.2))
    finally:
        clear_progress()
