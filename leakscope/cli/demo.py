"""``leakscope demo``."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from leakscope.cli.options import JsonOption, NoColorOption
from leakscope.cli.output import check_writable, emit, emit_json, screen

WARM_UP_S = 0.8


def demo(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Leave the three snapshot files in this folder.", show_default=False),
    ] = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Watch leakscope at work on a small service that leaks.

    Starts a chat service that leaks sessions in five ways, takes three snapshots
    while it serves, runs sessions, suspects, chains, diff and top on them, and
    says what each shows and which line of code is to blame. Takes a few seconds;
    nothing is left running, and no file unless --keep is given.

    \b
    Examples:
      leakscope demo
      leakscope demo --keep .      then try the commands on the files yourself
    """
    from leakscope.cli import tour
    from leakscope.demo import running
    from leakscope.render import documents

    told = []
    with snapshot_folder(keep) as folder, running.service() as service:
        if not json:
            emit(tour.greeting(service.pid))
        with running.clients(service.port):
            time.sleep(WARM_UP_S)
            for step in tour.steps(service, folder, screen(no_color)):
                told.append(step.document)
                if not json:
                    emit(f"\n$ leakscope {step.command}\n{step.text}\n{step.remark}\n")
    if json:
        emit_json(documents.demo(str(service.pid), told))
    else:
        emit(tour.farewell(keep))


@contextmanager
def snapshot_folder(keep: Path | None) -> Iterator[Path]:
    """``keep``, or a folder that is gone afterwards."""
    if keep is not None:
        check_writable(keep / "first.leakscope")
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="leakscope-demo-") as folder:
        yield Path(folder)
