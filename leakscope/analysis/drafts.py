"""Suspects in the making: what each kind of evidence found, put into words, and joined where it is about one leak."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from leakscope.analysis import suspect_evidence as evidence
from leakscope.analysis.chains import cluster_of
from leakscope.analysis.containers import bounded, innermost_container, lengths_of
from leakscope.analysis.cycles import Cycles, find_cycles
from leakscope.analysis.growth import Growth, find_growth
from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Rank
from leakscope.analysis.ownership import Ways
from leakscope.analysis.parts import Leak, fold_parts
from leakscope.analysis.paths import Paths, find_paths
from leakscope.analysis.standing import Standing, find_standing
from leakscope.analysis.suspect_kinds import container_type, holder_of, kind_of, place_of
from leakscope.analysis.wrong_sessions import WrongSessions, begins_with_another, find_wrong_sessions
from leakscope.findings.model import Cluster
from leakscope.findings.suspects import Suspect
from leakscope.graph.heap import Int32s
from leakscope.sessions.remedies import remedy_for

_MOST_EXPLAINED = 8
"""Leaks whose holders are looked for; those behind them keep less."""


@dataclass(frozen=True)
class Draft:
    """A suspect before it is ranked."""

    suspect: Suspect
    exact: bool
    """There is evidence besides growth, and it is enough by itself."""
    growth: Growth | None
    rank: Rank
    nodes: Int32s


def find_drafts(series: Series, index: HeapIndex, ways: Ways, least: int) -> list[Draft]:
    """Growth and exact evidence, together where they are about the same objects."""
    drafts: list[Draft] = []
    for wrong in find_wrong_sessions(index, series):
        drafts = _joined(drafts, _of_sessions(index, ways, wrong))
    for standing in find_standing(index, ways):
        drafts = _joined(drafts, _of_standing(index, ways, standing))
    cycles = find_cycles(index, series, least)
    if cycles is not None:
        drafts.append(_of_cycles(index, ways, cycles))
    leaks = fold_parts(index, find_growth(series, index, ways, least)) if series.steps else []
    for leak in leaks[:_MOST_EXPLAINED]:
        drafts = _joined(drafts, _of_growth(index, ways, leak))
    return drafts


def _joined(drafts: list[Draft], draft: Draft) -> list[Draft]:
    """``drafts`` with one more, which takes up the evidence of those about the same objects."""
    same = [each for each in drafts if each.growth is None and _overlap(each.nodes, draft.nodes)]
    if not same:
        return [*drafts, draft]
    lines = tuple(line for each in same for line in each.suspect.evidence[:-1])
    suspect = replace(draft.suspect, evidence=(*lines, *draft.suspect.evidence))
    exact = draft.exact or draft.growth is not None or any(each.exact for each in same)
    others = [each for each in drafts if not any(each is one for one in same)]
    return [*others, replace(draft, suspect=suspect, exact=exact)]


def _overlap(one: Int32s, other: Int32s) -> bool:
    return len(np.intersect1d(one, other)) * 2 >= min(len(one), len(other))


def _of_sessions(index: HeapIndex, ways: Ways, found: WrongSessions) -> Draft:
    cluster = cluster_of(index.graph, found.paths, found.entries, index.retained_of_set(found.nodes))
    lines = evidence.session_lines(found.facts)
    return Draft(
        _suspect(index, ways, cluster, lines, None, found.nodes), found.stands_alone, None, Rank.SESSION, found.nodes
    )


def _of_standing(index: HeapIndex, ways: Ways, found: Standing) -> Draft:
    paths = find_paths(index, found.nodes)
    cluster = cluster_of(index.graph, paths, _held_alike(paths, found.nodes), index.retained_of_set(found.nodes))
    return Draft(_suspect(index, ways, cluster, [found.line], None, found.nodes), True, None, found.rank, found.nodes)


def _of_cycles(index: HeapIndex, ways: Ways, found: Cycles) -> Draft:
    paths = find_paths(index, found.nodes)
    cluster = cluster_of(index.graph, paths, paths.asked, found.bytes)
    suspect = _suspect(index, ways, cluster, evidence.cycle_lines(found), None, found.nodes)
    growth = sum(found.per_step) / len(found.per_step) if found.per_step else None
    return Draft(replace(suspect, growth_per_step=growth), True, None, found.rank, found.nodes)


def _of_growth(index: HeapIndex, ways: Ways, leak: Leak) -> Draft:
    growth, graph = leak.growth, index.graph
    alike = np.flatnonzero((graph.type == graph.type[growth.nodes[0]]) & (index.live != 0)).astype(np.int32)
    paths = find_paths(index, alike)
    entries = _held_alike(paths, growth.nodes)
    nodes = np.sort(paths.node[entries])
    cluster = cluster_of(graph, paths, entries, index.retained_of_set(nodes))
    lines = [*evidence.growth_lines(growth), *_other_holders(index, leak)]
    return Draft(_suspect(index, ways, cluster, lines, growth, nodes), False, growth, growth.rank, nodes)


def _other_holders(index: HeapIndex, leak: Leak) -> list[str]:
    """A line for each part that keeps the same objects by a way of its own."""
    if not leak.holders:
        return []
    samples = np.array([part.heads[0] for part in leak.holders], dtype=np.int32)
    paths = find_paths(index, samples)
    names = {holder_of(cluster_of(index.graph, paths, paths.asked[at : at + 1], 0)) for at in range(len(paths.asked))}
    return [f"also held by {name}" for name in sorted(names)]


def _held_alike(paths: Paths, nodes: Int32s) -> Int32s:
    """Entries that are held as most of ``nodes`` are, older ones too; the commonest way is the first entry's."""
    signature = paths.signature[paths.asked]
    mine = np.isin(paths.node[paths.asked], nodes)
    ways, first, count = np.unique(signature[mine], return_index=True, return_counts=True)
    by_another = np.array([begins_with_another(paths, int(entry)) for entry in paths.asked[mine][first]])
    best = ways[np.lexsort((-count, by_another))[0]]
    of_ways = np.isin(signature, ways)
    entries: Int32s = np.concatenate([paths.asked[signature == best], paths.asked[of_ways & (signature != best)]])
    return entries


def _containers(index: HeapIndex, ways: Ways, nodes: Int32s) -> Int32s:
    """Which containers the live ones of ``nodes`` are in, themselves or what carries them."""
    container, _ = innermost_container(index.graph, ways, nodes[index.live[nodes] != 0])
    return np.unique(container[container >= 0])


def _suspect(
    index: HeapIndex, ways: Ways, cluster: Cluster, lines: list[str], growth: Growth | None, nodes: Int32s
) -> Suspect:
    """``nodes`` as a suspect that is not ranked yet; who holds them is the last line of evidence."""
    holder, kind = holder_of(cluster), kind_of(cluster)
    remedy = remedy_for(kind, holder, cluster.class_)
    file, line = place_of(cluster)
    contents = growth.contents if growth is not None else None
    containers = contents.containers if contents is not None else _containers(index, ways, nodes)
    entries = int(lengths_of(index.graph, containers).sum())
    unbounded = index.graph.bounds is not None and not bounded(index.graph, ways, containers)
    size = evidence.Size(container_type(cluster), len(containers), entries, unbounded)
    lines = [*lines, evidence.holder_line(holder, size)]
    return Suspect(
        rank=0,
        kind=remedy.kind,
        class_=cluster.class_,
        count=cluster.count,
        growth_per_step=sum(growth.per_step) / len(growth.per_step) if growth is not None else None,
        retained_bytes=cluster.retained_bytes,
        fingerprint=cluster.fingerprint,
        holder=holder,
        file=file,
        line=line,
        chain=cluster.text,
        evidence=tuple(lines),
        remedy=remedy.text,
        link=remedy.link,
        root=cluster.root,
        steps=cluster.steps,
        sample_addresses=cluster.sample_addresses,
    )
