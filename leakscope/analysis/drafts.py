"""Suspects in the making: what each kind of evidence found, put into words, and joined where it is about one leak."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from leakscope.findings.suspects import Suspect
from leakscope.graph.facts import language
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


def find_drafts(
    series: Series, index: HeapIndex, ways: Ways, least: int, part_of: Callable[[Int32s], Sequence[str]]
) -> list[Draft]:
    """Growth and exact evidence, together where they are about the same objects.

    ``part_of``: globs of the classes to which sessions (nodes, all of one kind) belong by their rule.
    """
    drafts: list[Draft] = []
    for wrong in find_wrong_sessions(index, series):
        drafts = _joined(drafts, _of_sessions(index, ways, wrong))
    for standing in find_standing(index, ways):
        drafts = _joined(drafts, _of_standing(index, ways, standing))
    cycles = find_cycles(index, series, least)
    if cycles is not None:
        drafts.append(_of_cycles(index, ways, cycles))
    groups = find_growth(series, index, ways, least) if series.steps else []
    leaks = fold_parts(index, groups, lambda growth: part_of(growth.nodes))
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
    place = _Place(index, ways, found.paths, found.entries, found.nodes)
    suspect = _suspect(place, index.retained_of_set(found.nodes), evidence.session_lines(found.facts))
    return Draft(suspect, found.stands_alone, None, Rank.SESSION, found.nodes)


def _of_standing(index: HeapIndex, ways: Ways, found: Standing) -> Draft:
    paths = find_paths(index, found.nodes)
    place = _Place(index, ways, paths, _held_alike(paths, found.nodes), found.nodes)
    suspect = _suspect(place, index.retained_of_set(found.nodes), [found.line])
    return Draft(suspect, True, None, found.rank, found.nodes)


def _of_cycles(index: HeapIndex, ways: Ways, found: Cycles) -> Draft:
    paths = find_paths(index, found.nodes)
    suspect = _suspect(_Place(index, ways, paths, paths.asked, found.nodes), found.bytes, evidence.cycle_lines(found))
    growth = sum(found.per_step) / len(found.per_step) if found.per_step else None
    return Draft(replace(suspect, growth_per_step=growth), True, None, found.rank, found.nodes)


def _of_growth(index: HeapIndex, ways: Ways, leak: Leak) -> Draft:
    growth = leak.growth
    paths = find_paths(index, _alike(index, ways, growth))
    entries = _held_alike(paths, growth.nodes)
    nodes = np.sort(paths.node[entries])
    lines = [*evidence.growth_lines(growth), *_other_holders(index, leak)]
    suspect = _suspect(_Place(index, ways, paths, entries, nodes), index.retained_of_set(nodes), lines, growth)
    return Draft(suspect, False, growth, growth.rank, nodes)


def _alike(index: HeapIndex, ways: Ways, growth: Growth) -> Int32s:
    """What may be held as ``growth`` is: all of its class; of parts, which are everywhere, those next to them."""
    graph = index.graph
    alike = np.flatnonzero((graph.type == graph.type[growth.nodes[0]]) & (index.live != 0)).astype(np.int32)
    if growth.rank < Rank.PART:
        return alike
    return np.union1d(growth.nodes, alike[np.isin(ways.parent[alike], np.unique(ways.parent[growth.nodes]))])


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


def _leading_out(paths: Paths, entry: int, containers: Int32s, steps: int) -> int | None:
    """Which of a chain's ``steps`` leads out of one of ``containers``; None if none is seen to."""
    after = 0
    while entry >= paths.holders:
        if len(containers) and np.isin(paths.node[entry], containers):
            return steps - after if 0 < after <= steps else None
        after += int(paths.depth[entry] > paths.depth[paths.up[entry]])
        entry = int(paths.up[entry])
    return None


@dataclass(frozen=True)
class _Place:
    """Objects of one class with the way to them."""

    index: HeapIndex
    ways: Ways
    paths: Paths
    entries: Int32s
    """In ``paths``; the first one's chain is shown."""
    nodes: Int32s
    """The same objects, ascending."""


def _suspect(place: _Place, retained: int, lines: list[str], growth: Growth | None = None) -> Suspect:
    """A suspect that is not ranked yet; who holds them is the last line of evidence."""
    graph, containers = place.index.graph, containers_of(place.index, place.ways, place.nodes, growth)
    cluster = cluster_of(graph, place.paths, place.entries, retained)
    at = _leading_out(place.paths, int(place.entries[0]), containers, len(cluster.steps))
    holder = holder_of(cluster, at)
    remedy = remedy_for(kind_of(cluster, at), holder, cluster.class_, language(graph.facts))
    file, line = place_of(cluster)
    unbounded = graph.bounds is not None and not bounded(graph, place.ways, containers)
    entries = int(lengths_of(graph, containers).sum())
    size = evidence.Size(container_type(cluster, at), len(containers), entries, unbounded)
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


def containers_of(index: HeapIndex, ways: Ways, nodes: Int32s, growth: Growth | None) -> Int32s:
    """Which containers the live ones of a leak are in, themselves or what carries them; those that grew, if any did."""
    if growth is not None and growth.contents is not None:
        return growth.contents.containers
    container, _ = innermost_container(index.graph, ways, nodes[index.live[nodes] != 0])
    return np.unique(container[container >= 0])
