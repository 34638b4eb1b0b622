"""``leakscope ps``."""

from __future__ import annotations

from typing import Annotated

import typer

from leakscope.cli.options import JsonOption, NoColorOption
from leakscope.cli.output import emit, emit_json, screen


def ps(
    every: Annotated[bool, typer.Option("--all", help="Processes of unknown runtimes too.")] = False,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """List the processes that leakscope could attach to.

    Shows runtime and version, memory, threads, open files and connections, and
    for those that cannot be read the reason.

    \b
    Examples:
      leakscope ps                 which Python processes are there?
      leakscope ps --json          for a script
    """
    from leakscope.render import documents, text
    from leakscope.target.processes import list_processes

    rows = [row for row in list_processes() if every or row.runtime != "unknown"]
    if json:
        emit_json(documents.ps(rows))
    else:
        emit(text.ps(rows, screen(no_color)))
