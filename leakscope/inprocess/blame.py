"""Who holds what a block or a test left alive: reads the whole heap, once something has grown.

What a variable of the code around was set to in the block is still in use, but what the block added to something
that was there before is not. And what only the test runner keeps (records of logs, reports, the last traceback)
is not the test's doing; the value of a fixture is the user's own.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.findings.model import Cluster
from leakscope.graph.heap import HeapGraph, Int32s, Int64s, Roots
from leakscope.graph.kinds import Origin, Ref, Root
from leakscope.graph.names import class_name as class_name_of
from leakscope.graph.navigation import references_of
from leakscope.inprocess.classes import class_name
from leakscope.inprocess.heap import snapshot
from leakscope.inprocess.watch import Limits, Watch
from leakscope.render import units
from leakscope.render.escape import escaped

_RUNNER = ("_pytest.", "pluggy.", "xdist.", "execnet.", "leakscope.inprocess.")
_FIXTURE = "_pytest.fixtures.FixtureDef"
_RECORDS = frozenset({"warnings.WarningMessage"})
_LAST_ERROR = ("last_value", "last_exc", "last_traceback")
_MOST_CHAINS = 5


def blame(watch: Watch, per_round: Mapping[str, int], limits: Limits, rounds: int) -> str | None:
    """Text of a LeakError, or None if nothing is left to blame.

    ``per_round``: how many each of ``rounds`` left, by class.
    """
    new = watch.new(per_round)
    graph = _holders_only(snapshot(collect=False), watch.before)
    index = HeapIndex(graph)
    nodes = _still_there(graph, new)
    nodes = nodes[index.live[nodes] != 0]
    names = np.array([graph.types.name[row] for row in graph.type[nodes].tolist()], dtype=object)
    leaking = [name for name, more in per_round.items() if np.count_nonzero(names == name) >= more * rounds]
    nodes = nodes[np.isin(names, leaking)]
    if not len(nodes):
        return None
    return "\n".join(_lines(cluster_chains(index, nodes, _MOST_CHAINS), len(nodes), limits, rounds))


def _still_there(graph: HeapGraph, new: Mapping[int, str]) -> Int32s:
    """The nodes of the addresses that still are objects of the same class."""
    wanted = np.array(sorted(new), dtype=np.uint64)
    nodes = np.searchsorted(graph.address, wanted).clip(max=max(0, graph.objects - 1))
    found = nodes[graph.address[nodes] == wanted].astype(np.int32)
    same = [graph.types.name[int(graph.type[node])] == new[int(graph.address[node])] for node in found.tolist()]
    still: Int32s = found[np.array(same, dtype=np.bool_)]
    return still


def _holders_only(graph: HeapGraph, before: Mapping[int, str]) -> HeapGraph:
    """The graph without references that are no reason to blame anybody: they count as weak."""
    kind = graph.kind.copy()
    _, of_runner = references_of(graph, _of_runner(graph))
    kind[of_runner] = Ref.WEAK
    kind[_new_variables(graph, before)] = Ref.WEAK
    return replace(graph, kind=kind, roots=_with_fixtures(graph))


def _of_runner(graph: HeapGraph) -> Int32s:
    """Nodes of the test runner's own objects, and of the last error that it or the shell has shown."""
    names = graph.types.name
    runs = [name in _RECORDS or (name.startswith(_RUNNER) and name != _FIXTURE) for name in names]
    last = [id(getattr(sys, name)) for name in _LAST_ERROR if getattr(sys, name, None) is not None]
    mask = np.array(runs, dtype=np.bool_)[graph.type] | np.isin(graph.address, np.array(last, dtype=np.uint64))
    return np.flatnonzero(mask).astype(np.int32)


def _new_variables(graph: HeapGraph, before: Mapping[int, str]) -> Int64s:
    """Where the code around refers, by its variables, to what was not there before; in a cell counts what is in it."""
    roots = graph.roots
    thread = threading.current_thread().name
    running = [row for row in np.flatnonzero(roots.kind == Root.FRAME) if graph.names[roots.name[row]] == thread]
    _, position = references_of(graph, roots.node[running])
    held = graph.target[position]
    cells = np.flatnonzero(graph.kind[position] == Ref.CELL)
    is_full = graph.first_ref[held[cells] + 1] > graph.first_ref[held[cells]]
    held[cells[is_full]] = graph.target[graph.first_ref[held[cells[is_full]]]]
    address = graph.address[held].tolist()
    new = [before.get(where) != class_name_of(graph, node) for where, node in zip(address, held.tolist(), strict=True)]
    found: Int64s = position[np.array(new, dtype=np.bool_)]
    return found


def _with_fixtures(graph: HeapGraph) -> Roots:
    """The roots, and the definitions of fixtures: the runner holds them, but their values are the user's."""
    rows = [row for row, name in enumerate(graph.types.name) if name == _FIXTURE]
    nodes = np.flatnonzero(np.isin(graph.type, rows)).astype(np.int32)
    if not len(nodes):
        return graph.roots
    called = {id(each): each.argname for each in gc.get_objects() if class_name(type(each)) == _FIXTURE}
    first = len(graph.names)
    graph.names.extend(f"fixture {called.get(address)!r}" for address in graph.address[nodes].tolist())
    roots, more = graph.roots, len(nodes)
    kind = np.concatenate([roots.kind, np.full(more, Root.MODULE, np.uint8)])
    order = np.argsort(kind, kind="stable")
    return Roots(
        np.concatenate([roots.node, nodes])[order],
        kind[order],
        np.concatenate([roots.name, np.arange(first, first + more, dtype=np.int32)])[order],
        np.concatenate([roots.origin, np.full(more, Origin.USER, np.uint8)])[order],
    )


def _lines(clusters: list[Cluster], leaking: int, limits: Limits, rounds: int) -> list[str]:
    stays = "object stays" if leaking == 1 else "objects stay"
    after = f" after {rounds} rounds of the same work" if rounds > 1 else ""
    lines = [f"{leaking} {stays} alive{after}:"]
    for found in clusters:
        lines.append(
            f"  {found.count} x {escaped(found.class_)}, {units.size(found.retained_bytes)} retained,"
            f" fingerprint {found.fingerprint}"
        )
        lines.append(f"    held by {escaped(found.text)}")
    shown = sum(found.count for found in clusters)
    if shown < leaking:
        lines.append(f"  and {leaking - shown} more, held in other ways")
    allowed = f"sessions={limits.sessions}" + (f", growth={limits.growth}" if limits.growth is not None else "")
    return [*lines, f"Allowed of each round: {allowed}."]
