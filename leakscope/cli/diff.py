"""``leakscope diff``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leakscope.cli import profiles
from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.options import JsonOption, LimitOption, NoColorOption, PauseOption
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import is_pid, open_graph
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.cli.options import Pause
    from leakscope.findings.diff import Diff


def diff(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE SOURCE...", help="Two or more snapshots; the last may be a PID, for how it is now."
        ),
    ],
    limit: LimitOption = 20,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Show what changed between snapshots.

    Sessions that came, went and stayed, who holds them, which containers grew,
    and the classes behind it. Snapshots of one process are compared object by object, those of different
    processes, pods or releases by class and fingerprint.

    \b
    Examples:
      leakscope diff before.leakscope after.leakscope
      leakscope diff 1.leakscope 2.leakscope 3.leakscope    growth step by step
      leakscope diff before.leakscope 4242                  since then
    """
    if profiles.all_profiles(sources) and len(sources) > 1:
        profiles.answer("diff", sources, limit, json, no_color)
        return

    from leakscope.render import diff_text, documents

    found = compare(sources, limit, pause)
    if json:
        emit_json(documents.diff(sources, found))
    else:
        emit(diff_text.diff(found, screen(no_color)))


def compare(sources: list[str], limit: int = 20, pause: Pause | None = None) -> Diff:
    """The difference; holds one whole heap in memory at a time."""
    from leakscope.analysis.diff import find_diff
    from leakscope.analysis.digest import digest
    from leakscope.analysis.index import HeapIndex
    from leakscope.graph.facts import same_places

    sources, captures = _in_order(sources)
    named = not same_places(captures)
    digests = []
    index = None
    for source in sources:
        index = None  # lets go of the one before
        index = HeapIndex(open_graph(source, pause if is_pid(source) else None))
        digests.append(digest(index, source, named))
    assert index is not None
    return find_diff(digests, index, limit)


def _in_order(sources: list[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Files by the time of their capture, then the PID; and by source the facts of its capture."""
    from leakscope.cli.dumps import facts_of
    from leakscope.graph.facts import moment

    if len(sources) < 2:
        raise UsageError(
            "a difference needs two snapshots", "leakscope diff BEFORE AFTER; leakscope suspects asks one alone."
        )
    files = [source for source in sources if not is_pid(source)]
    pids = [source for source in sources if is_pid(source)]
    if len(pids) > 1:
        raise UsageError("only one of the sources can be a PID", "Take snapshots of the others first.")
    facts = {source: facts_of(source) for source in files}
    ordered = sorted(files, key=lambda source: moment(facts[source]))
    if ordered != files:
        sys.stderr.write("leakscope: the snapshots are put in the order of their capture\n")
    return [*ordered, *pids], [*(facts[file] for file in ordered), *(_facts_of(int(pid)) for pid in pids)]


def _facts_of(pid: int) -> dict[str, Any]:
    from leakscope.target.proc import access, read_stat, started_at

    with access(pid):
        return {"pid": pid, "started_at": started_at(read_stat(pid))}
