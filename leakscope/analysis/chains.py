"""Retaining chains, clustered: objects of one class that are held in the same way are one line of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from leakscope.analysis.holders import describe_holder, holder_text, place_text
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import Paths, find_paths, fingerprint
from leakscope.findings.model import ChainRoot, ChainStep, Cluster
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.names import class_name, edge_text, frame_row

SAMPLES = 5
_LONGEST = 40
"""Steps of a chain that is shown in full; of longer ones repetitions are left out."""


def cluster_chains(index: HeapIndex, nodes: Int32s, limit: int = 20) -> list[Cluster]:
    """The chains of ``nodes`` (int32, repeats allowed), clustered: at most ``limit``, the most retained first.

    Counts and the retained sizes of what is shown are exact. Which clusters are shown when there
    are more is decided by a lower bound of what they retain (``HeapIndex.retained_lower_bounds``).
    """
    return clusters_of(index, find_paths(index, nodes), limit)


def clusters_of(index: HeapIndex, paths: Paths, limit: int) -> list[Cluster]:
    """``cluster_chains`` of ways that are known already."""
    if not len(paths.asked) or limit <= 0:
        return []
    nodes = paths.node[paths.asked]
    group = _groups(index.graph, paths, nodes)
    groups = int(group.max()) + 1
    bounds = index.retained_lower_bounds(nodes, group, groups)
    shown = np.argsort(-bounds, kind="stable")[:limit]
    by_group = np.argsort(group, kind="stable")
    start = np.searchsorted(group[by_group], np.arange(groups + 1))
    entries = [paths.asked[by_group[start[g] : start[g + 1]]] for g in shown.tolist()]
    retained = index.retained_of_sets([paths.node[members] for members in entries])
    clusters = [cluster_of(index.graph, paths, *pair) for pair in zip(entries, retained, strict=True)]
    return sorted(clusters, key=lambda c: (-c.retained_bytes, -c.count, c.text))


def cluster_bounds(index: HeapIndex, paths: Paths) -> dict[tuple[str, str], tuple[int, int]]:
    """By fingerprint and class, all clusters: count and a lower bound of what they retain."""
    if not len(paths.asked):
        return {}
    nodes = paths.node[paths.asked]
    group = _groups(index.graph, paths, nodes)
    counts = np.bincount(group)
    bounds = index.retained_lower_bounds(nodes, group, len(counts))
    _, first = np.unique(group, return_index=True)
    keys = [
        (fingerprint(int(paths.signature[paths.asked[at]])), class_name(index.graph, int(nodes[at])))
        for at in first.tolist()
    ]
    return dict(zip(keys, zip(counts.tolist(), bounds.tolist(), strict=True), strict=True))


def text_of(graph: HeapGraph, paths: Paths, entry: int) -> str:
    """The chain to one of the objects asked about, on one line."""
    return _text(*_root_and_steps(graph, paths, entry))


def _groups(graph: HeapGraph, paths: Paths, nodes: Int32s) -> Int32s:
    """Numbers from 0 that are equal where class name and signature are."""
    number: dict[str, int] = {}
    class_number = np.array([number.setdefault(name, len(number)) for name in graph.types.name], dtype=np.int64)
    _, ways = np.unique(paths.signature[paths.asked], return_inverse=True)
    _, group = np.unique(ways * len(number) + class_number[graph.type[nodes]], return_inverse=True)
    return np.asarray(group, dtype=np.int32)


def cluster_of(graph: HeapGraph, paths: Paths, entries: Int32s, retained: int) -> Cluster:
    """``entries`` of ``paths``, all held in one way, as a finding."""
    sample = int(entries[0])
    root, steps = _root_and_steps(graph, paths, sample)
    return Cluster(
        fingerprint=fingerprint(int(paths.signature[sample])),
        class_=class_name(graph, int(paths.node[sample])),
        count=len(entries),
        retained_bytes=retained,
        root=root,
        steps=tuple(step.shown for step in steps),
        text=_text(root, steps),
        sample_addresses=tuple(int(address) for address in graph.address[paths.node[entries[:SAMPLES]]]),
    )


def _root_and_steps(graph: HeapGraph, paths: Paths, entry: int) -> tuple[ChainRoot, list[_Step]]:
    holder, links = _way(paths, entry)
    root = describe_holder(graph, int(paths.what[holder]), int(paths.row[holder]))
    return root, [_step(graph, paths, *link) for link in links]


def _way(paths: Paths, entry: int) -> tuple[int, list[tuple[int, int]]]:
    """The holder, and from there on ``(entry, left out)``: a step and how many like it were left out behind it."""
    in_full = int(paths.depth[entry]) <= _LONGEST
    links: list[tuple[int, int]] = []
    left_out = 0
    while entry >= paths.holders:
        above = int(paths.up[entry])
        if paths.depth[entry] > paths.depth[above]:
            links.append((entry, left_out))
        entry = above if in_full else int(paths.keeper[above])
        left_out = int(paths.depth[above] - paths.depth[entry])
    return entry, links[::-1]


@dataclass(frozen=True)
class _Step:
    shown: ChainStep
    of_c: bool
    """The reference is a field of a C structure: its holder's class is worth a word."""


def _step(graph: HeapGraph, paths: Paths, entry: int, left_out: int) -> _Step:
    node, position = int(paths.node[entry]), int(paths.edge[entry])
    above = int(paths.edge[paths.via[entry]]) if paths.via[entry] >= 0 else -1
    if above >= 0 and graph.kind[above] == Ref.CELL:
        position = above
    namespace = above >= 0 and graph.kind[above] == Ref.DICT
    edge = edge_text(graph, position, namespace) if position >= 0 else "held"
    if left_out:
        edge += f" (and {left_out} more steps like it)"
    of_c = position >= 0 and graph.kind[position] in (Ref.INTERNAL, Ref.C_FIELD)
    row = frame_row(graph, node)
    if row < 0:
        return _Step(ChainStep(edge, class_name(graph, node)), of_c)
    frames = graph.frames
    function, file = graph.names[int(frames.function[row])], graph.names[int(frames.file[row])]
    line = int(frames.line[row])
    return _Step(ChainStep(edge, class_name(graph, node), function, file or None, line or None), of_c)


def _text(root: ChainRoot, steps: list[_Step]) -> str:
    """Like Python where that says it, with the classes only where it does not: ``app.held[3].peer -> app.Session``."""
    parts = [holder_text(root)]
    for step, after in zip_longest(steps, steps[1:]):
        shown = step.shown
        speaks = shown.edge[0] in ".["
        if speaks or shown.edge != "held":
            parts.append(shown.edge if speaks else f", {shown.edge}")
        if not speaks or after is None or after.of_c or shown.function is not None:
            parts.append(f" -> {shown.type}")
            if shown.function is not None:
                parts.append(f" {shown.function}(){place_text(shown.file, shown.line)}")
    return "".join(parts)
