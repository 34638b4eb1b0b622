"""``leakscope doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from leakscope.cli.options import JsonOption, NoColorOption
from leakscope.cli.output import emit, emit_json, screen
from leakscope.errors import EXIT_ATTACH, EXIT_CLEAN


def doctor(
    pid: Annotated[
        int | None,
        typer.Argument(metavar="[PID]", help="Also check this process.", min=1, show_default=False),
    ] = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Check whether leakscope can attach, and what to do if not.

    Looks at rights, kernel settings, containers and, with a PID, at that
    process. Stops and changes nothing. Exit code 4 if a check failed.

    \b
    Examples:
      leakscope doctor             may I attach to anything here?
      leakscope doctor 4242        and to this one?
    """
    from leakscope.render import documents, text
    from leakscope.target.doctor import check

    checks = check(pid)
    if json:
        emit_json(documents.doctor(None if pid is None else str(pid), checks))
    else:
        emit(text.doctor(checks, screen(no_color)))
    raise typer.Exit(EXIT_ATTACH if any(row.status == "failed" for row in checks) else EXIT_CLEAN)
