"""The three ways into the gate: snapshot files, a running process, a service that is started for it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.source import Kind, capture_graph, kind_of, open_graph
from leakscope.errors import AttachError, DumpError, NoRightsError, TargetGoneError, UnsupportedTargetError, UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph

_ATTEMPTS = 10
_ATTEMPT_PAUSE_S = 1.0
"""Two gates at once: a process can be traced by one only at a time."""


@dataclass
class Series:
    """Snapshots of one process, the oldest first."""

    pid: int | None
    live: bool = False
    """Another snapshot of it can be taken."""
    graphs: list[HeapGraph] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Work:
    """How a live service is driven."""

    step: str | None
    rounds: int
    warmup: int
    settle_s: float
    step_limit_s: float


def of_files(files: Sequence[Path], rules: Sequence[Path] = ()) -> tuple[list[Series], list[str]]:
    """One series for each process that the files are of, in the order of their capture; and notes."""
    from leakscope.graph.facts import moment, number, one_process

    names = [str(file) for file in files]
    graphs = [(open_graph(name, rules=rules if kind_of(name) != Kind.FILE else None), name) for name in names]
    ordered = sorted(graphs, key=lambda each: moment(each[0].facts))
    in_order = [name for _, name in ordered] == names
    notes = [] if in_order else ["the snapshots were put in the order of their capture"]
    series: list[Series] = []
    for graph, name in ordered:
        each = next((one for one in series if one_process([one.graphs[-1].facts, graph.facts])), None)
        if each is None:
            pid = number(graph.facts, "pid")
            each = Series(None if pid is None else int(pid))
            series.append(each)
        each.graphs.append(graph)
        each.names.append(name)
    longest = max(len(each.graphs) for each in series)
    if len(series) > 1:
        notes.append(
            f"the snapshots are of {len(series)} processes: growth is judged within each of them"
            if longest > 1
            else "each snapshot is of another process: growth cannot be judged, only what the newest shows"
        )
    if longest == 1:
        notes.append("growth was not judged: it takes three or more snapshots of one process")
    elif longest == 2:
        notes.append("two snapshots cannot tell a leak from a cache that still fills: take three or more")
    return series, notes


def of_process(pid: int, work: Work, tell: Callable[[str], None], rules: Sequence[Path]) -> list[Series]:
    """Drives a process that runs already: a snapshot after the warm-up and after each round."""
    return _driven(lambda: [pid], work, tell, rules)


@contextlib.contextmanager
def of_service(
    command: str,
    ready: str | None,
    ready_limit_s: float,
    work: Work,
    tell: Callable[[str], None],
    rules: Sequence[Path],
) -> Iterator[list[Series]]:
    """Starts a service and drives it; it is stopped, with all its processes, when the block is left."""
    from leakscope.target.service import started

    tell("starting the service")
    with started(command, ready, ready_limit_s) as service:
        try:
            yield _driven(service.readable, work, tell, rules)
        except TargetGoneError:
            service.require_running("while it was measured")
            raise


def again(series: Sequence[Series], rules: Sequence[Path]) -> None:
    """A fresh snapshot in place of the last of each live process."""
    for each in series:
        if each.pid is not None:
            each.graphs[-1] = _capture(each.pid, rules)
            each.names[-1] += " again"


def more(series: Sequence[Series], rounds: int, work: Work, tell: Callable[[str], None], rules: Sequence[Path]) -> None:
    """``rounds`` further rounds, and a snapshot of each live process after each."""
    pids = [each.pid for each in series if each.pid is not None]
    for number in range(work.rounds + 1, work.rounds + rounds + 1):
        tell(f"round {number} of {work.rounds + rounds}")
        _step(work, str(number), lambda: pids)
        time.sleep(work.settle_s)
        for each in series:
            if each.pid is not None:
                each.graphs.append(_capture(each.pid, rules))
                each.names.append(f"PID {each.pid} round {number}")


def _driven(
    pids: Callable[[], list[int]], work: Work, tell: Callable[[str], None], rules: Sequence[Path]
) -> list[Series]:
    for number in range(work.warmup):
        tell(f"warm-up {number + 1} of {work.warmup}")
        _step(work, f"warm-up {number + 1}", pids)
    series: dict[int, Series] = {}
    for number in range(work.rounds + 1):
        if number:
            tell(f"round {number} of {work.rounds}")
            _step(work, str(number), pids)
        time.sleep(work.settle_s)
        for pid in pids():
            each = series.setdefault(pid, Series(pid, live=True))
            each.graphs.append(_capture(pid, rules))
            each.names.append(f"PID {pid} round {number}" if number else f"PID {pid} before round 1")
    whole = [each for each in series.values() if len(each.graphs) == work.rounds + 1]
    if not whole:
        raise AttachError(
            "the service replaced all its processes between the rounds, so that growth cannot be followed",
            "Switch off worker restarts for the gate (gunicorn --max-requests 0, no reloader).",
        )
    return whole


def _step(work: Work, name: str, pids: Callable[[], list[int]]) -> None:
    from leakscope.target.service import run_step

    if work.step is not None:
        environment = {"LEAKSCOPE_ROUND": name, "LEAKSCOPE_PID": str(pids()[0])}
        run_step(work.step, environment, work.step_limit_s)


def _capture(pid: int, rules: Sequence[Path]) -> HeapGraph:
    """Waits for another tracer to finish."""
    for attempt in range(_ATTEMPTS):
        try:
            return capture_graph(pid, rules=rules)
        except (TargetGoneError, NoRightsError, UnsupportedTargetError, DumpError):
            raise
        except AttachError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_ATTEMPT_PAUSE_S)
    raise AssertionError("unreachable")


def require_one_way(files: Sequence[Path], pid: int | None, run: str | None, step: str | None) -> None:
    """UsageError unless exactly one way in is chosen, with what it needs."""
    ways = [name for name, given in (("FILE...", files), ("--pid", pid), ("--run", run)) if given]
    if len(ways) != 1:
        raise UsageError(
            "name what to judge: snapshot files, --pid or --run"
            if not ways
            else f"{' and '.join(ways)} exclude each other",
            "leakscope gate --help shows an example of each.",
        )
    if files and step:
        raise UsageError("--step drives a live service; files are as they were taken", "Leave --step out.")
    if not files and not step:
        raise UsageError(
            f"{ways[0]} needs a --step: the command that does one round of work",
            "For example --step 'python -m tests.load --requests 100'.",
        )


def progress_line(text: str) -> None:
    """Where the gate is, on standard error: CI logs are read afterwards."""
    sys.stderr.write(f"leakscope: {text}\n")
