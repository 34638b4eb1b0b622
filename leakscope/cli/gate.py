"""``leakscope gate``."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.durations import duration
from leakscope.cli.gate_look import find_violations
from leakscope.cli.gate_policy import project_policy
from leakscope.cli.gate_reports import check_reports, write_reports
from leakscope.cli.gate_rounds import (
    Series,
    Work,
    of_files,
    of_process,
    of_service,
    progress_line,
    require_one_way,
)
from leakscope.cli.options import JsonOption, NoColorOption, RulesOption
from leakscope.cli.output import emit, emit_json, screen
from leakscope.errors import EXIT_FLAGGED

if TYPE_CHECKING:
    from leakscope.findings.gate import Verdict, Violation


def gate(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]", help="Snapshots of equal rounds of work, three or more.", show_default=False
        ),
    ] = None,
    pid: Annotated[int | None, typer.Option(metavar="PID", min=1, help="A running process to drive.")] = None,
    run: Annotated[str | None, typer.Option(metavar="COMMAND", help="Start this service, and always stop it.")] = None,
    ready: Annotated[
        str | None,
        typer.Option(metavar="REGEX|URL", help="The service is ready when its output matches, or the URL answers."),
    ] = None,
    step: Annotated[str | None, typer.Option(metavar="COMMAND", help="One round of equal work; run by sh.")] = None,
    rounds: Annotated[int, typer.Option(metavar="N", min=2, max=100, help="Rounds that are measured.")] = 4,
    warmup: Annotated[int, typer.Option(metavar="M", min=0, max=100, help="Rounds before the first snapshot.")] = 1,
    settle: Annotated[
        float, typer.Option(metavar="DURATION", parser=duration, help="Pause between a round and its snapshot.")
    ] = "500ms",  # type: ignore[assignment]
    retry_after: Annotated[
        float,
        typer.Option(metavar="DURATION", parser=duration, help="Before a failure counts, wait so long and look again."),
    ] = "3s",  # type: ignore[assignment]
    step_timeout: Annotated[
        float, typer.Option(metavar="DURATION", parser=duration, help="A step that takes longer is ended.")
    ] = "2m",  # type: ignore[assignment]
    ready_timeout: Annotated[
        float, typer.Option(metavar="DURATION", parser=duration, help="How long the service may take to be ready.")
    ] = "1m",  # type: ignore[assignment]
    max_growth: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="Objects that a round may leave behind, per leak: 0.")
    ] = None,
    no_growth: Annotated[bool, typer.Option("--no-growth", help="Do not judge growth.")] = False,
    max_closed: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Closed sessions that may still be held: 0.")
    ] = None,
    max_overdue: Annotated[int | None, typer.Option(metavar="N", min=0, help="Sessions past their own time.")] = None,
    max_age: Annotated[float | None, typer.Option(metavar="DURATION", parser=duration, help="Of any session.")] = None,
    max_idle: Annotated[
        float | None, typer.Option(metavar="DURATION", parser=duration, help="Unused, of any session.")
    ] = None,
    max_sessions: Annotated[
        list[str] | None, typer.Option(metavar="GLOB=N", help="Live sessions of a class. Repeatable.")
    ] = None,
    max_retained: Annotated[
        list[str] | None, typer.Option(metavar="GLOB=SIZE", help="Retained by a class: 'app.Cache=50 MiB'.")
    ] = None,
    max_container: Annotated[
        list[str] | None, typer.Option(metavar="HOLDER=N", help="Entries of a container: 'app.SESSIONS=100'.")
    ] = None,
    max_descriptors: Annotated[
        float | None, typer.Option(metavar="N", min=0, help="File descriptors by which a round may grow.")
    ] = None,
    max_threads: Annotated[float | None, typer.Option(metavar="N", min=0, help="Threads likewise.")] = None,
    ended: Annotated[
        bool,
        typer.Option("--ended", help="Each round ends what it begins: time left to live is no excuse for growth."),
    ] = False,
    guessed: Annotated[
        bool, typer.Option("--guessed", help="Judge state and age of sessions that only a guess calls so, too.")
    ] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known leaks; default leakscope-baseline.json, if it is there."),
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write what is found into the baseline, and pass.")
    ] = False,
    report: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FORMAT=FILE", help="text, json, markdown, junit, sarif or github; FILE - is standard output."
        ),
    ] = None,
    keep: Annotated[Path | None, typer.Option(metavar="DIR", help="Leave the snapshots in this folder.")] = None,
    rules: RulesOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Fail a build when a service leaks.

    Equal rounds of work, a snapshot after each, a verdict: what every round
    leaves behind, with who holds it. A cache that fills up, a pool that grows
    to its size and work in flight are no leaks.

    Exit code 0: nothing leaks, or only what the baseline allows; 1: it does.

    \b
    Examples:
      leakscope gate --run 'python -m app' --ready 'http://127.0.0.1:8000/health' \\
                     --step 'python -m tests.load --requests 100'
      leakscope gate --pid 4242 --rounds 4 --step './one-round.sh'
      leakscope gate 1.leakscope 2.leakscope 3.leakscope 4.leakscope
      leakscope gate ... --report sarif=leaks.sarif --report junit=leaks.xml
      leakscope gate ... --update-baseline        know what leaks today, fail on more
    """
    require_one_way(files or [], pid, run, step)
    policy = project_policy(
        growth=False if no_growth else max_growth,
        closed_retained=max_closed,
        overdue=max_overdue,
        age=max_age,
        idle=max_idle,
        sessions=max_sessions,
        retained=max_retained,
        containers=max_container,
        descriptors=max_descriptors,
        threads=max_threads,
        ended=ended or None,
        guessed=guessed or None,
    )
    outputs = check_reports(report or [])
    work = Work(step, rounds, warmup, settle, step_timeout)
    with _series(files or [], pid, run, ready, ready_timeout, work, rules or []) as (series, notes):
        found, told = find_violations(series, policy, work, retry_after, rules or [], progress_line)
        if keep is not None:
            _keep(series, keep)
    verdict = _verdict(series, found, [*notes, *told], baseline, update_baseline)
    if json:
        from leakscope.render import gate_documents

        emit_json(gate_documents.gate(run or str(pid or "") or [str(file) for file in files or []], verdict))
    elif not any(output.path is None for output in outputs):
        from leakscope.render import gate_text

        emit(gate_text.gate(verdict, screen(no_color)))
    write_reports(verdict, outputs)
    if not verdict.passed:
        raise typer.Exit(EXIT_FLAGGED)


@contextlib.contextmanager
def _series(
    files: Sequence[Path],
    pid: int | None,
    run: str | None,
    ready: str | None,
    ready_timeout: float,
    work: Work,
    rules: Sequence[Path],
) -> Iterator[tuple[list[Series], list[str]]]:
    if run is not None:
        with of_service(run, ready, ready_timeout, work, progress_line, rules) as series:
            yield series, []
    elif pid is not None:
        yield of_process(pid, work, progress_line, rules), []
    else:
        yield of_files(files)


def _verdict(
    series: Sequence[Series], found: Sequence[Violation], notes: Sequence[str], baseline: Path | None, update: bool
) -> Verdict:
    from leakscope.analysis.observe import rounds_of
    from leakscope.gate.baseline import DEFAULT_NAME, load_baseline, save_baseline, updated
    from leakscope.gate.judge import judge

    path = baseline or Path(DEFAULT_NAME)
    known = load_baseline(path) if path.exists() or (baseline is not None and not update) else ()
    if update:
        known = updated(known, found)
        save_baseline(path, known)
        notes = [*notes, f"{len(known)} known leaks are in {path} now: give each a reason there"]
    rounds = [row for each in series for row in rounds_of(each.graphs, each.names)]
    return judge(found, known, datetime.datetime.now(datetime.timezone.utc).date(), rounds, notes)


def _keep(series: Sequence[Series], folder: Path) -> None:
    """InputError if a file cannot be written."""
    from leakscope.formats.leakscope_file import save

    for each in series:
        for number, graph in enumerate(each.graphs):
            save(graph, folder / f"gate-{each.pid or 0}-{number}.leakscope")
