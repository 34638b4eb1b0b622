"""What ``leakscope demo`` shows: each command's answer on the bundled service, and what to see in it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.sessions import session_report
from leakscope.analysis.top import top_classes
from leakscope.cli.chains import find
from leakscope.cli.snapshot import take
from leakscope.demo.leaks import LEAKS, SERVICE, Leak, line_of
from leakscope.demo.running import Service, believed_open
from leakscope.formats.leakscope_file import load
from leakscope.render import documents, session_text, text
from leakscope.target.processes import list_processes

if TYPE_CHECKING:
    from leakscope.findings.model import Cluster
    from leakscope.render.screen import Screen

FIRST, SECOND = "first.leakscope", "second.leakscope"
BETWEEN_S = 1.0
SESSIONS_SHOWN, CHAINS_SHOWN, CLASSES_SHOWN = 5, 8, 10


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
    first = take(service.pid, folder / FIRST)
    yield Step(
        f"snapshot {service.pid} -o {first.path}",
        documents.snapshot(str(service.pid), first),
        text.snapshot(first, screen),
        "The service stood still only for the pause; nothing ran in it. Users go on for a moment ...",
    )
    time.sleep(BETWEEN_S)
    second = take(service.pid, folder / SECOND)
    yield Step(
        f"snapshot {service.pid} -o {second.path}",
        documents.snapshot(str(service.pid), second),
        text.snapshot(second, screen),
        f"{first.sessions} sessions became {second.sessions}, and the service itself believes that "
        f"{believed_open(service.port)} are open. Who keeps the others?",
    )
    yield from _answers(folder / SECOND, screen)


def farewell(keep: Path | None) -> str:
    """How it ended, and where to go from here."""
    files = f"; {FIRST} and {SECOND} are in {keep}" if keep else ", its snapshot files are deleted"
    return f"\nThe service is stopped{files}.\nNow yours: leakscope ps, then leakscope sessions PID\n"


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


def _answers(file: Path, screen: Screen) -> Iterator[Step]:
    source, index = str(file), HeapIndex(load(file))
    report = session_report(index, limit=SESSIONS_SHOWN)
    yield Step(
        f"sessions {file} --limit {SESSIONS_SHOWN}",
        documents.sessions(source, report),
        session_text.sessions(report, screen),
        "Which sessions live, what would be freed with them, and a line for each way in which they are held.",
    )
    clusters = find(index, limit=CHAINS_SHOWN)
    yield Step(
        f"chains {file} --limit {CHAINS_SHOWN}",
        documents.chains(source, clusters),
        text.chains(clusters, screen),
        where_to_look(clusters),
    )
    classes = top_classes(index, CLASSES_SHOWN)
    yield Step(
        f"top {file} --limit {CLASSES_SHOWN}",
        documents.top(source, classes),
        text.top(classes, screen),
        "Any class can be asked for: leakscope chains FILE --class 'module.Name'.",
    )
