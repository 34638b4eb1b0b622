"""Large containers without a bound: what one snapshot cannot tell from a cache that is full."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.chains import cluster_chains, cluster_of
from leakscope.analysis.containers import VALUES, bounded, length
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Rank, class_ranks, healthy_mask
from leakscope.analysis.ownership import Ways
from leakscope.analysis.paths import find_paths
from leakscope.analysis.sessions import session_nodes
from leakscope.analysis.suspect_kinds import holder_of
from leakscope.findings.model import Cluster
from leakscope.findings.suspects import Candidate
from leakscope.graph.heap import Int32s
from leakscope.graph.names import class_name

LEAST = 100
"""Elements that make a container worth a second look."""
LEAST_MORE = 20
_MORE = 1.5
_MOST = 10
_REASON = "a large container without a bound: one snapshot cannot tell a leak from a full cache, take another"


def find_candidates(index: HeapIndex, ways: Ways) -> list[Candidate]:
    """Containers of sessions and of the user's own objects, the largest first."""
    graph = index.graph
    nodes = ways.reached[ways.edge[ways.reached] >= 0]
    nodes = nodes[np.isin(graph.kind[ways.edge[nodes]], VALUES)]
    fit = np.zeros(graph.objects, dtype=np.bool_)
    fit[session_nodes(graph)] = True
    fit |= (class_ranks(graph) == Rank.OWN)[graph.type]
    nodes = nodes[(fit & ~healthy_mask(graph))[nodes]]
    count = np.bincount(ways.parent[nodes], minlength=graph.objects)
    large = np.flatnonzero(count >= LEAST).astype(np.int32)
    large = large[np.argsort(-count[large], kind="stable")]
    kept = [node for node in large.tolist() if not bounded(graph, ways, np.array([node], dtype=np.int32))][:_MOST]
    samples = [_commonest(index, ways, nodes, container) for container in kept]
    holders = _holders(index, np.array(samples, dtype=np.int32))
    return [
        Candidate(
            class_=class_name(graph, sample),
            count=length(graph, container),
            holder=holders[sample],
            reason=_REASON,
        )
        for container, sample in zip(kept, samples, strict=True)
    ]


def more_than_before(before: HeapIndex, after: HeapIndex) -> list[Candidate]:
    """Sessions of which the later process has many more, held in the same way: growth, or just another load."""
    earlier = {(each.fingerprint, each.class_): each.count for each in _held_sessions(before)}
    found = []
    for each in _held_sessions(after):
        count = earlier.get((each.fingerprint, each.class_), 0)
        if each.count - count >= LEAST_MORE and each.count > _MORE * count:
            reason = f"{count:,} in the first process, {each.count:,} in the last: another load, or a leak"
            found.append(Candidate(each.class_, each.count, holder_of(each), reason))
    return found


def _held_sessions(index: HeapIndex) -> list[Cluster]:
    return cluster_chains(index, session_nodes(index.graph), limit=_MOST)


def _commonest(index: HeapIndex, ways: Ways, nodes: Int32s, container: int) -> int:
    """One element of the class that most elements are of."""
    elements = nodes[ways.parent[nodes] == container]
    types, first, count = np.unique(index.graph.type[elements], return_index=True, return_counts=True)
    return int(elements[first[np.argmax(count)]]) if len(types) else container


def _holders(index: HeapIndex, nodes: Int32s) -> dict[int, str]:
    """The holder of each node."""
    if not len(nodes):
        return {}
    paths = find_paths(index, nodes)
    return {
        int(paths.node[entry]): holder_of(cluster_of(index.graph, paths, paths.asked[at : at + 1], 0))
        for at, entry in enumerate(paths.asked.tolist())
    }
