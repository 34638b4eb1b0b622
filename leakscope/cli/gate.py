"""``leakscope gate``."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from leakscope.cli import gate_options as options
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
from leakscope.cli.profiles import all_profiles, violations_in
from leakscope.errors import EXIT_FLAGGED

if TYPE_CHECKING:
    from leakscope.findings.gate import Verdict, Violation


def gate(
    files: options.FilesArgument = None,
    pid: options.PidOption = None,
    run: options.RunOption = None,
    ready: options.ReadyOption = None,
    step: options.StepOption = None,
    rounds: options.RoundsOption = 4,
    warmup: options.WarmupOption = 1,
    settle: options.SettleOption = 0.5,
    retry_after: options.RetryAfterOption = 3.0,
    step_timeout: options.StepTimeoutOption = 120.0,
    ready_timeout: options.ReadyTimeoutOption = 60.0,
    max_growth: options.MaxGrowthOption = None,
    no_growth: options.NoGrowthOption = False,
    max_closed: options.MaxClosedOption = None,
    max_overdue: options.MaxOverdueOption = None,
    max_age: options.MaxAgeOption = None,
    max_idle: options.MaxIdleOption = None,
    max_sessions: options.MaxSessionsOption = None,
    max_retained: options.MaxRetainedOption = None,
    max_container: options.MaxContainerOption = None,
    max_descriptors: options.MaxDescriptorsOption = None,
    max_threads: options.MaxThreadsOption = None,
    ended: options.EndedOption = False,
    guessed: options.GuessedOption = False,
    baseline: options.BaselineOption = None,
    update_baseline: options.UpdateBaselineOption = False,
    report: options.ReportOption = None,
    keep: options.KeepOption = None,
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
    series: list[Series] = []
    if files and all_profiles(list(map(str, files))):
        found, told = violations_in(files, policy)
    else:
        with _series(files or [], pid, run, ready, ready_timeout, work, rules or []) as (series, notes):
            found, told = find_violations(series, policy, work, retry_after, rules or [], progress_line)
            told = [*notes, *told]
            if keep is not None:
                _keep(series, keep)
    verdict = _verdict(series, found, told, baseline, update_baseline)
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
        yield of_files(files, rules)


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
