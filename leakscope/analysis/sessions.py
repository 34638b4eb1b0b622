"""Which sessions are alive, by class and one by one, and who holds them."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.chains import clusters_of
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import Paths, find_paths, fingerprint
from leakscope.analysis.select import instances_of, named, with_subclasses
from leakscope.findings.model import SessionClass, SessionItem, SessionReport
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Node
from leakscope.graph.names import class_name
from leakscope.sessions.names import NOT_INSTANCES, says_session

GUESSED = "guessed"
"""Flag of a session that only its class's name makes one."""


def session_nodes(graph: HeapGraph, class_glob: str | None = None) -> Int32s:
    """Live sessions, ascending: instances of ``class_glob``, or of the classes whose name says so and their subclasses.

    Exceptions, classes and enum members are none. InputError if no class matches ``class_glob``.
    """
    never = with_subclasses(graph, named(graph, *NOT_INSTANCES))
    if class_glob is not None:
        nodes = instances_of(graph, class_glob)
    else:
        says = np.array([says_session(name) for name in graph.types.name], dtype=np.bool_)
        nodes = np.flatnonzero((with_subclasses(graph, says))[graph.type]).astype(np.int32)
    unfit = never[graph.type[nodes]] | (graph.flags[nodes] & (Node.GARBAGE | Node.CLASS | Node.FRAME) != 0)
    fit: Int32s = nodes[~unfit]
    return fit


def session_report(index: HeapIndex, class_glob: str | None = None, limit: int = 50) -> SessionReport:
    """``session_nodes`` by class, by holder and one by one, at most ``limit`` of these; the most retained first.

    Retained sizes of classes and clusters are exact for the set. InputError if no class matches ``class_glob``.
    """
    graph = index.graph
    nodes = session_nodes(graph, class_glob)
    if not len(nodes):
        return SessionReport((), (), 0)
    paths = find_paths(index, nodes)
    flags = (GUESSED,) if class_glob is None else ()
    return SessionReport(
        classes=_classes(index, nodes),
        items=_items(index, paths, nodes, flags, limit),
        total=len(nodes),
        clusters=tuple(clusters_of(index, paths, limit=20)),
    )


def _classes(index: HeapIndex, nodes: Int32s) -> tuple[SessionClass, ...]:
    graph = index.graph
    by_name: dict[str, list[int]] = {}
    for row in np.unique(graph.type[nodes]).tolist():
        by_name.setdefault(graph.types.name[row], []).append(row)
    members = [nodes[np.isin(graph.type[nodes], rows)] for rows in by_name.values()]
    retained = index.retained_of_sets(members)
    classes = [SessionClass(*row) for row in zip(by_name, map(len, members), retained, strict=True)]
    return tuple(sorted(classes, key=lambda row: (-row.retained_bytes, row.class_)))


def _items(
    index: HeapIndex, paths: Paths, nodes: Int32s, flags: tuple[str, ...], limit: int
) -> tuple[SessionItem, ...]:
    graph = index.graph
    first = nodes[np.argsort(-index.retained[nodes], kind="stable")[:limit]]
    # ``nodes`` is ascending and the paths' nodes are the same in another order.
    entry = paths.asked[np.argsort(paths.node[paths.asked])][np.searchsorted(nodes, first)]
    return tuple(
        SessionItem(
            address=int(graph.address[node]),
            class_=class_name(graph, node),
            retained_bytes=int(index.retained[node]),
            fingerprint=fingerprint(int(paths.signature[held])),
            flags=flags,
        )
        for node, held in zip(first.tolist(), entry.tolist(), strict=True)
    )
