"""``leakscope snapshot``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.options import JsonOption, NoColorOption, Pause, PauseOption, RevealOption, RulesOption
from leakscope.cli.output import check_writable, emit, emit_json, screen
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.findings.model import Snapshot

SourceArgument = Annotated[
    str, typer.Argument(metavar="PID|DUMP", help="The process to read, or another runtime's heap dump to convert.")
]


def snapshot(
    source: SourceArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to; default leakscope-PID-TIME.leakscope in this folder.",
            show_default=False,
        ),
    ] = None,
    pause: PauseOption = None,
    reveal: RevealOption = False,
    rules: RulesOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Copy a running process's heap into a snapshot file, or convert another runtime's dump.

    The target stands still only while its memory is copied, about a tenth of a
    second per GB; nothing is installed or run in it. The file holds no string
    values, and keys of dicts are masked, so that it can be passed on.

    \b
    Examples:
      leakscope snapshot 4242
      leakscope snapshot 4242 -o before.leakscope
      leakscope snapshot 4242 --pause none      never stop the target
      leakscope snapshot dump.hprof -o app.leakscope
    """
    path = output or default_path(source)
    check_writable(path)

    from leakscope.render import documents, text

    facts = take(source, path, pause, reveal, rules)
    if json:
        emit_json(documents.snapshot(source, facts))
    else:
        emit(text.snapshot(facts, screen(no_color)))


def take(
    source: str, path: Path, pause: Pause | None = None, reveal: bool = False, rules: Sequence[Path] | None = None
) -> Snapshot:
    """Capture a PID, or convert a dump, into ``path``; raises ``AttachError``, ``InputError`` or ``UsageError``."""
    from leakscope.analysis.describe import describe
    from leakscope.cli.dumps import is_dump
    from leakscope.cli.source import is_pid, open_graph
    from leakscope.formats.leakscope_file import save

    if not (is_pid(source) and int(source) > 0) and not is_dump(source):
        raise UsageError(f"{source} is no PID and no heap dump", "leakscope ps lists processes with their PIDs.")
    began = time.monotonic()
    graph = open_graph(source, pause, reveal, rules)
    save(graph, path)
    return dataclasses.replace(describe(graph, str(path)), elapsed_s=round(time.monotonic() - began, 3))


def default_path(source: str) -> Path:
    """In the current folder, with the time in UTC so that names sort."""
    return Path(f"leakscope-{Path(source).stem}-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.leakscope")
