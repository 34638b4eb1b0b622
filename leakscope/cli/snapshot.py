"""``leakscope snapshot``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.options import JsonOption, NoColorOption, Pause, PauseOption, PidArgument, RevealOption, RulesOption
from leakscope.cli.output import check_writable, emit, emit_json, screen

if TYPE_CHECKING:
    from leakscope.findings.model import Snapshot


def snapshot(
    pid: PidArgument,
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
    """Copy a running process's heap into a snapshot file.

    The target stands still only while its memory is copied, about a tenth of a
    second per GB; nothing is installed or run in it. The file holds no string
    values, and keys of dicts are masked, so that it can be passed on.

    \b
    Examples:
      leakscope snapshot 4242
      leakscope snapshot 4242 -o before.leakscope
      leakscope snapshot 4242 --pause none      never stop the target
    """
    path = output or default_path(pid)
    check_writable(path)

    from leakscope.render import documents, text

    facts = take(pid, path, pause, reveal, rules)
    if json:
        emit_json(documents.snapshot(str(pid), facts))
    else:
        emit(text.snapshot(facts, screen(no_color)))


def take(
    pid: int, path: Path, pause: Pause | None = None, reveal: bool = False, rules: Sequence[Path] | None = None
) -> Snapshot:
    """Capture ``pid`` into ``path``; raises ``AttachError`` or ``InputError``."""
    from leakscope.analysis.describe import describe
    from leakscope.cli.source import capture_graph
    from leakscope.formats.leakscope_file import save

    began = time.monotonic()
    graph = capture_graph(pid, pause, reveal, rules)
    save(graph, path)
    return dataclasses.replace(describe(graph, str(path)), elapsed_s=round(time.monotonic() - began, 3))


def default_path(pid: int) -> Path:
    """In the current folder, with the time in UTC so that names sort."""
    return Path(f"leakscope-{pid}-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.leakscope")
