"""``leakscope sessions``."""

from __future__ import annotations

from leakscope.cli.options import (
    ClassOption,
    JsonOption,
    LimitOption,
    NoColorOption,
    PauseOption,
    RevealOption,
    SourceArgument,
)
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import open_graph


def sessions(
    source: SourceArgument,
    class_: ClassOption = None,
    limit: LimitOption = 50,
    pause: PauseOption = None,
    reveal: RevealOption = False,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Show the live sessions, what they retain and who holds them.

    A session is an object whose class name speaks of a session, connection,
    client or websocket; --class names yours if it is called otherwise.

    \b
    Examples:
      leakscope sessions 4242                   straight from the process
      leakscope sessions before.leakscope
      leakscope sessions 4242 --class 'shop.Basket'
    """
    from leakscope.analysis.index import HeapIndex
    from leakscope.analysis.sessions import session_report
    from leakscope.render import documents, text

    report = session_report(HeapIndex(open_graph(source, pause, reveal)), class_glob=class_, limit=limit)
    if json:
        emit_json(documents.sessions(source, report))
    else:
        emit(text.sessions(report, screen(no_color)))
