"""What a comparison keeps of one heap, so that only one whole heap is in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from leakscope.analysis.chains import cluster_bounds, clusters_of, text_of
from leakscope.analysis.containers import OF_JAVA
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import find_paths, fingerprint
from leakscope.analysis.session_facts import session_facts
from leakscope.analysis.sessions import session_nodes
from leakscope.analysis.top import top_classes
from leakscope.findings.diff import SnapshotRow
from leakscope.findings.model import ClassRow
from leakscope.graph.facts import number
from leakscope.graph.heap import Addresses, Floats, HeapGraph, Int32s, Int64s
from leakscope.graph.kinds import Node, Ref
from leakscope.graph.values import UNKNOWN_MASK

_TEXTS = 50
"""Chains whose text is kept."""
_LARGEST = 200
"""Containers that are told apart by their chain, where addresses mean nothing."""
_ENTRIES = (Ref.KEY, Ref.INDEX, Ref.ITEM)
_CONTAINERS = frozenset(
    {*OF_JAVA, "dict", "list", "set", "collections.deque", "collections.OrderedDict", "collections.defaultdict"}
)

ClusterKey = tuple[str, str]
"""Fingerprint and class."""


@dataclass(frozen=True)
class SessionRows:
    """Live sessions: parallel arrays, ascending by address."""

    address: Addresses
    class_: list[str]
    """Names, which ``of`` indexes."""
    of: Int32s
    id: Addresses
    created: Floats
    age: Floats


@dataclass(frozen=True)
class ContainerRows:
    """Builtin containers that are no namespaces: parallel arrays, ascending by address."""

    node: Int32s
    address: Addresses
    type_names: list[str]
    type: Int32s
    length: Int64s


@dataclass(frozen=True)
class Digest:
    """One heap, digested."""

    row: SnapshotRow
    facts: Mapping[str, Any]
    classes: dict[str, ClassRow]
    sessions: SessionRows
    clusters: dict[ClusterKey, tuple[int, int]]
    """Count and a lower bound of the retained bytes."""
    texts: dict[ClusterKey, str]
    containers: ContainerRows
    named_containers: dict[ClusterKey, tuple[str, int]]
    """Of the largest: text of the chain and length, by fingerprint and type; of equal ones the longest."""


def digest(index: HeapIndex, name: str, named: bool) -> Digest:
    """``named``: the containers will be compared by their chains, not by their addresses."""
    graph = index.graph
    nodes = session_nodes(graph)
    paths = find_paths(index, nodes)
    containers = _containers(graph)
    return Digest(
        row=SnapshotRow(
            name=name,
            captured_at=number(graph.facts, "captured_at"),
            pid=_int(number(graph.facts, "pid")),
            version=str(graph.facts.get("version") or "unknown"),
            objects=graph.objects,
            own_bytes=int(graph.own_size.sum()),
        ),
        facts=graph.facts,
        classes={row.class_: row for row in top_classes(index, limit=len(graph.types.name))},
        sessions=_sessions(graph, nodes),
        clusters=cluster_bounds(index, paths),
        texts={(c.fingerprint, c.class_): c.text for c in clusters_of(index, paths, _TEXTS)},
        containers=containers,
        named_containers=_named(index, containers) if named else {},
    )


def container_texts(index: HeapIndex, nodes: Int32s) -> dict[int, str]:
    """The chain to each of a few containers, on one line, by node."""
    if not len(nodes):
        return {}
    paths = find_paths(index, nodes)
    return {int(paths.node[entry]): text_of(index.graph, paths, int(entry)) for entry in paths.asked}


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _classes(graph: HeapGraph) -> tuple[list[str], Int32s]:
    """Names of classes, each once, and by type the place of its name there."""
    number_of = {name: row for row, name in enumerate(dict.fromkeys(graph.types.name))}
    return list(number_of), np.array([number_of[name] for name in graph.types.name], dtype=np.int32)


def _sessions(graph: HeapGraph, nodes: Int32s) -> SessionRows:
    known = session_facts(graph, nodes)
    names, class_of_type = _classes(graph)
    told = known.row >= 0
    row = known.row.clip(0)
    none = np.full(len(nodes), UNKNOWN_MASK, dtype=np.uint64)
    rules = graph.sessions if graph.sessions is not None and len(graph.sessions.node) else None
    return SessionRows(
        address=graph.address[nodes],
        class_=names,
        of=class_of_type[graph.type[nodes]],
        id=np.where(told, rules.id[row], none) if rules else none,
        created=np.where(told, rules.created[row], np.nan) if rules else np.full(len(nodes), np.nan),
        age=known.age,
    )


def container_lengths(graph: HeapGraph) -> tuple[Int32s, Int64s]:
    """Live builtin containers with entries, namespaces left out, and how many entries each has; ascending."""
    wanted = np.array([name in _CONTAINERS for name in graph.types.name], dtype=np.bool_)
    is_entry = np.isin(np.arange(256), _ENTRIES)
    counted = np.concatenate([[0], np.cumsum(is_entry[graph.kind], dtype=np.int64)])
    length = np.diff(counted[graph.first_ref])
    node = np.flatnonzero(wanted[graph.type] & (length > 0) & (graph.flags & Node.GARBAGE == 0)).astype(np.int32)
    return node, length[node]


def _containers(graph: HeapGraph) -> ContainerRows:
    names, class_of_type = _classes(graph)
    node, length = container_lengths(graph)
    return ContainerRows(node, graph.address[node], names, class_of_type[graph.type[node]], length)


def _named(index: HeapIndex, containers: ContainerRows) -> dict[ClusterKey, tuple[str, int]]:
    largest = np.argsort(-containers.length, kind="stable")[:_LARGEST]
    nodes = containers.node[largest]
    if not len(nodes):
        return {}
    length = dict(zip(nodes.tolist(), containers.length[largest].tolist(), strict=True))
    paths = find_paths(index, nodes)
    named: dict[ClusterKey, tuple[str, int]] = {}
    for entry in paths.asked.tolist():
        node = int(paths.node[entry])
        key = (fingerprint(int(paths.signature[entry])), index.graph.types.name[int(index.graph.type[node])])
        if key not in named or named[key][1] < length[node]:
            named[key] = (text_of(index.graph, paths, entry), length[node])
    return named
