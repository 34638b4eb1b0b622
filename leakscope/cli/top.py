"""``leakscope top``."""

from __future__ import annotations

from leakscope.cli import profiles
from leakscope.cli.options import (
    JsonOption,
    LimitOption,
    NoColorOption,
    PauseOption,
    SourceArgument,
)
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import open_graph


def top(
    source: SourceArgument,
    limit: LimitOption = 30,
    pause: PauseOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """List the classes that keep most memory alive.

    "own" is the size of the objects themselves, "retained" what would be freed
    if all objects of the class were.

    \b
    Examples:
      leakscope top 4242
      leakscope top before.leakscope --limit 100
    """
    if profiles.is_profile(source):
        profiles.answer("top", [source], limit, json, no_color)
        return

    from leakscope.analysis.index import HeapIndex
    from leakscope.analysis.top import top_classes
    from leakscope.render import documents, text

    rows = top_classes(HeapIndex(open_graph(source, pause)), limit)
    if json:
        emit_json(documents.top(source, rows))
    else:
        emit(text.top(rows, screen(no_color)))
