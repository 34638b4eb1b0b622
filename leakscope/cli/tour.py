"""What ``leakscope demo`` shows: each command's answer on the bundled service, and what to see in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import session_report
from leakscope.analysis.suspects import find_suspects
from leakscope.analysis.top import top_classes
from leakscope.cli.chains import find
from leakscope.cli.diff import compare
from leakscope.cli.snapshot import take
from leakscope.demo.leaks import LEAKS, SERVICE, Leak, line_of
from leakscope.demo.running import Service, believed_open
from leakscope.formats.leakscope_file import load
from leakscope.render import diff_text, documents, session_text, suspect_documents, suspect_text, text
from leakscope.target.processes import list_processes

if TYPE_CHECKING:
    from leakscope.findings.model import Cluster
    from leakscope.render.screen import Screen

FILES = ("first.leakscope", "second.leakscope", "third.leakscope")
BETWEEN_S = 1.0
SESSIONS_SHOWN, CHAINS_SHOWN, ROWS_SHOWN = 5, 8, 7


@dataclass(frozen=True)
class Step:
    """One command of the tour."""

    command: str
    document: documents.Document
    text: str
    remark: str


def greeting(pid: int) -> str:
    """What has been started."""
    return (
        f"A small chat service is running now as PID {pid}; users come, use one feature each, and go.\n"
        f"It serves well, and leaks sessions in {len(LEAKS)} ways. Its code: {SERVICE}\n"
    )


def steps(service: Service, folder: Path, screen: Screen) -> Iterator[Step]:
    """Run the tour; the service must be serving."""
    yield _ps(service.pid, screen)
    counts = []
    for number, name in enumerate(FILES):
        if number:
            time.sleep(BETWEEN_S)
        taken = take(service.pid, folder / name)
        counts.append(str(taken.sessions))
        yield Step(
            f"snapshot {service.pid} -o {taken.path}",
            documents.snapshot(str(service.pid), taken),
            text.snapshot(taken, screen),
            _remark_on_snapshot(number, counts, service),
        )
    yield from _answers(folder, screen)


def _remark_on_snapshot(number: int, counts: Sequence[str], service: Service) -> str:
    if number == 0:
        return "The service stood still only for the pause; nothing ran in it. Users go on for a moment ..."
    if number < len(FILES) - 1:
        return "And once more: growth can be told from three snapshots on ..."
    return (
        f"Sessions in memory: {' > '.join(counts)}. The service itself believes that {believed_open(service.port)} "
        "are open. Who keeps the others?"
    )


def farewell(keep: Path | None) -> str:
    """How it ended, and where to go from here."""
    files = f"; {', '.join(FILES)} are in {keep}" if keep else ", its snapshot files are deleted"
    return f"\nThe service is stopped{files}.\nNow yours: leakscope ps, then leakscope suspects PID --watch 30s\n"


def where_to_look(clusters: Sequence[Cluster]) -> str:
    """Each chain above with its story and the line of code that leaks."""
    lines = ["Chain by chain, and the line that is to blame:"]
    for rank, found in enumerate(clusters, start=1):
        for leak in LEAKS:
            if shows(found, leak):
                lines.append(f"  {rank:>2}. {leak.story}\n      {SERVICE.name}:{line_of(leak)}")
    return "\n".join([*lines, "What ChatServer.open holds is no leak: those users are connected."])


def shows(found: Cluster, leak: Leak) -> bool:
    """Whether the chain names the leak's holder."""
    return leak.holder in found.text


def _ps(pid: int, screen: Screen) -> Step:
    rows = [row for row in list_processes() if row.pid == pid]
    remark = "This is the row of the service; ps lists every process that could be read."
    return Step("ps", documents.ps(rows), text.ps(rows, screen), remark)


def _answers(folder: Path, screen: Screen) -> Iterator[Step]:
    files = [folder / name for name in FILES]
    graphs = [load(file) for file in files]
    last, index = str(files[-1]), HeapIndex(graphs[-1])
    report = session_report(index, limit=SESSIONS_SHOWN)
    yield Step(
        f"sessions {last} --limit {SESSIONS_SHOWN}",
        documents.sessions(last, report),
        session_text.sessions(report, screen),
        "How old the sessions are, in what state, and a line for each way in which they are held. Closed, yet there.",
    )
    suspected = find_suspects(graphs, limit=len(LEAKS))
    names = [str(file) for file in files]
    yield Step(
        f"suspects {' '.join(names)} --limit {len(LEAKS)}",
        suspect_documents.suspects(names, suspected),
        suspect_text.suspects(suspected, screen),
        "Who leaks, how one can tell, and what to do. Nothing had to be known of the service for this.",
    )
    clusters = find(index, limit=CHAINS_SHOWN)
    yield Step(
        f"chains {last} --limit {CHAINS_SHOWN}",
        documents.chains(last, clusters),
        text.chains(clusters, screen),
        where_to_look(clusters),
    )
    yield from _figures(names, index, screen)


def _figures(names: Sequence[str], index: HeapIndex, screen: Screen) -> Iterator[Step]:
    ends = [names[0], names[-1]]
    changed = compare(ends, limit=ROWS_SHOWN)
    yield Step(
        f"diff {' '.join(ends)} --limit {ROWS_SHOWN}",
        documents.diff(ends, changed),
        diff_text.diff(changed, screen),
        "What grew between two snapshots, object by object within one process.",
    )
    classes = top_classes(index, ROWS_SHOWN)
    yield Step(
        f"top {names[-1]} --limit {ROWS_SHOWN}",
        documents.top(names[-1], classes),
        text.top(classes, screen),
        "Any class can be asked for: leakscope chains FILE --class 'module.Name'. In CI: leakscope gate --help.",
    )
