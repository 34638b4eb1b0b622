"""``leakscope chains``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leakscope.cli import profiles
from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.options import (
    AddressOption,
    ClassOption,
    ExeOption,
    IdOption,
    JsonOption,
    LibsOption,
    LimitOption,
    NoColorOption,
    PauseOption,
    RevealOption,
    RulesOption,
    SourceArgument,
)
from leakscope.cli.output import emit, emit_json, screen
from leakscope.cli.source import CoreFiles, open_graph
from leakscope.errors import InputError, UsageError

if TYPE_CHECKING:
    from leakscope.analysis.index import HeapIndex
    from leakscope.findings.model import Cluster


def chains(
    source: SourceArgument,
    class_: ClassOption = None,
    at: AddressOption = None,
    id_: IdOption = None,
    limit: LimitOption = 20,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
    rules: RulesOption = None,
    exe: ExeOption = None,
    libs: LibsOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Show who holds objects, as chains from a name in the code.

    Objects that are held in the same way are one cluster with one fingerprint,
    which is the same in every process that runs the same code. Without --class,
    --at or --id: all sessions.

    \b
    Examples:
      leakscope chains 4242
      leakscope chains before.leakscope --class 'myapp.models.*'
      leakscope chains before.leakscope --at 0x7f0a5c3e9d10
    """
    if profiles.is_profile(source):
        profiles.answer("chains", [source], limit, json, no_color)
        return
    if sum(each is not None for each in (class_, at, id_)) > 1:
        raise UsageError("--class, --at and --id exclude each other", "Give one of them.")

    from leakscope.analysis.index import HeapIndex
    from leakscope.render import documents, text

    graph = open_graph(source, pause, reveal, rules, CoreFiles(exe, libs), without=("bounds",))
    clusters = find(HeapIndex(graph), class_, at, id_, limit)
    if json:
        emit_json(documents.chains(source, clusters))
    else:
        emit(text.chains(clusters, screen(no_color)))


def find(
    index: HeapIndex, class_glob: str | None = None, address: int | None = None, id: str | None = None, limit: int = 20
) -> list[Cluster]:
    """Clusters of what was asked for; raises ``InputError`` if the heap has no such class, object or session."""
    from leakscope.analysis.chains import cluster_chains
    from leakscope.analysis.select import instances_of, node_at
    from leakscope.analysis.sessions import session_nodes, with_id

    if address is not None:
        nodes = node_at(index.graph, address)
    elif id is not None:
        nodes = with_id(index.graph, id)
        if not len(nodes):
            raise InputError(
                "no session in this heap has that id",
                "leakscope sessions SOURCE lists masked ids; a rule must say where a session keeps its id.",
            )
    elif class_glob is not None:
        nodes = instances_of(index.graph, class_glob)
    else:
        nodes = session_nodes(index.graph)
    return cluster_chains(index, nodes, limit=limit)
