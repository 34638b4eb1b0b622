"""``leakscope top``."""

from __future__ import annotations

from leakscope.cli import profiles
from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.options import (
    ExeOption,
    JsonOption,
    LibsOption,
    LimitOption,
    NoColorOption,
    PauseOption,
    SourceArgument,
)
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import CoreFiles, open_graph

_NOT_ASKED = ("references.label", "labels", "frames", "sessions", "bounds")
"""Who keeps how much depends on nothing of that."""


def top(
    source: SourceArgument,
    limit: LimitOption = 30,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    exe: ExeOption = None,
    libs: LibsOption = None,
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

    rows = top_classes(HeapIndex(open_graph(source, pause, files=CoreFiles(exe, libs), without=_NOT_ASKED)), limit)
    if json:
        emit_json(documents.top(source, rows))
    else:
        emit(text.top(rows, screen(no_color)))
