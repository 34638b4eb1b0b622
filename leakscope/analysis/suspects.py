"""Who leaks: ranked suspects, each one leak with its holder, its evidence and what to do about it.

From one snapshot only exact evidence makes a suspect. With more of the same process, growth does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from leakscope.analysis import suspect_evidence as evidence
from leakscope.analysis.candidates import find_candidates
from leakscope.analysis.chains import cluster_of
from leakscope.analysis.cycles import Cycles, find_cycles
from leakscope.analysis.growth import LEAST_OF_TWO, LEAST_PER_STEP, Growth, find_growth
from leakscope.analysis.identity import Series, same_process
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Rank
from leakscope.analysis.ownership import Ways, find_ways
from leakscope.analysis.parts import Leak, fold_parts
from leakscope.analysis.paths import Paths, find_paths
from leakscope.analysis.suspect_kinds import container_type, holder_of, kind_of, place_of
from leakscope.analysis.wrong_sessions import WrongSessions, begins_with_another, find_wrong_sessions
from leakscope.errors import InputError
from leakscope.findings.model import Cluster
from leakscope.findings.suspects import Candidate, Harmless, Suspect, SuspectReport
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.sessions.load import RuleSet
from leakscope.sessions.remedies import harmless_reason, remedy_for

_MOST_EXPLAINED = 12
"""Leaks whose holders are looked for; those behind them keep less."""


def find_suspects(
    graphs: Sequence[HeapGraph], rules: RuleSet | None = None, limit: int = 3, least: int = LEAST_PER_STEP
) -> SuspectReport:
    """The report on ``graphs``, the oldest first; InputError if there is none.

    The last one is explained; the others show what grew. ``rules`` tell remedies of sessions.
    With three or more, growth counts from ``least`` objects in each step.
    """
    if not graphs:
        raise InputError("no heap to look at", "Give a PID or a snapshot file.")
    index = HeapIndex(graphs[-1])
    same = len(graphs) > 1 and same_process(graphs)
    series = Series(tuple(graphs) if same else (graphs[-1],))
    ways = find_ways(index)
    verdict = _judged(series, _drafts(series, index, ways, least))
    suspects = sorted(verdict.suspects, key=_order)
    candidates = verdict.candidates if same else find_candidates(index, ways)
    shown = tuple(replace(each.suspect, rank=rank) for rank, each in enumerate(suspects[:limit], start=1))
    return SuspectReport(
        suspects=shown,
        candidates=tuple(candidates),
        harmless=tuple(verdict.harmless),
        notes=tuple(_notes(graphs, same)),
        total=len(suspects),
        snapshots=len(graphs),
        same_process=same,
    )


@dataclass(frozen=True)
class _Draft:
    """A suspect before it is ranked."""

    suspect: Suspect
    exact: bool
    growth: Growth | None
    rank: Rank
    nodes: Int32s


def _order(draft: _Draft) -> tuple[bool, bool, bool, int, str]:
    """Both kinds of evidence, then exact evidence or equal steps, then whatever has a name, then bytes."""
    steady = draft.growth is not None and draft.growth.steady
    both = draft.exact and draft.growth is not None
    return (
        not both,
        not (draft.exact or steady),
        draft.rank == Rank.PART,
        -draft.suspect.retained_bytes,
        draft.suspect.fingerprint,
    )


def _drafts(series: Series, index: HeapIndex, ways: Ways, least: int) -> list[_Draft]:
    """Growth and exact evidence, together where they are about the same objects."""
    drafts = [_draft_of_sessions(index, found) for found in find_wrong_sessions(index, series)]
    cycles = find_cycles(index, series, least)
    if cycles is not None:
        drafts.append(_draft_of_cycles(index, cycles))
    leaks = fold_parts(index, find_growth(series, index, ways, least)) if series.steps else []
    for leak in leaks[:_MOST_EXPLAINED]:
        draft = _draft_of_growth(index, leak)
        same = [each for each in drafts if each.growth is None and _overlap(each.nodes, draft.nodes)]
        if same:
            lines = tuple(line for each in same for line in each.suspect.evidence[:-1])
            merged = replace(draft.suspect, evidence=(*lines, *draft.suspect.evidence))
            drafts = [each for each in drafts if each not in same]
            draft = replace(draft, suspect=merged, exact=True)
        drafts.append(draft)
    return drafts


def _draft_of_sessions(index: HeapIndex, found: WrongSessions) -> _Draft:
    cluster = cluster_of(index.graph, found.paths, found.entries, index.retained_of_set(found.nodes))
    lines = evidence.session_lines(found.facts)
    return _Draft(_suspect(cluster, lines, None), found.stands_alone, None, Rank.SESSION, found.nodes)


def _draft_of_cycles(index: HeapIndex, found: Cycles) -> _Draft:
    paths = find_paths(index, found.nodes)
    cluster = cluster_of(index.graph, paths, paths.asked, found.bytes)
    suspect = _suspect(cluster, evidence.cycle_lines(found), None)
    growth = sum(found.per_step) / len(found.per_step) if found.per_step else None
    return _Draft(replace(suspect, growth_per_step=growth), True, None, found.rank, found.nodes)


def _overlap(one: Int32s, other: Int32s) -> bool:
    return len(np.intersect1d(one, other)) * 2 >= min(len(one), len(other))


def _draft_of_growth(index: HeapIndex, leak: Leak) -> _Draft:
    growth, graph = leak.growth, index.graph
    alike = np.flatnonzero((graph.type == graph.type[growth.nodes[0]]) & (index.live != 0)).astype(np.int32)
    paths = find_paths(index, alike)
    entries = _held_alike(paths, growth.nodes)
    nodes = np.sort(paths.node[entries])
    cluster = cluster_of(graph, paths, entries, index.retained_of_set(nodes))
    suspect = _suspect(cluster, evidence.growth_lines(growth), growth)
    return _Draft(suspect, False, growth, growth.rank, nodes)


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


def _suspect(cluster: Cluster, lines: list[str], growth: Growth | None) -> Suspect:
    holder, kind = holder_of(cluster), kind_of(cluster)
    remedy = remedy_for(kind, holder, cluster.class_)
    file, line = place_of(cluster)
    contents = growth.contents if growth is not None else None
    entries = [contents.lengths[-1]] if contents is not None else []
    lines = [*lines, evidence.holder_line(holder, container_type(cluster), entries, bounds_known=bool(entries))]
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


@dataclass(frozen=True)
class _Verdict:
    suspects: list[_Draft]
    candidates: list[Candidate]
    harmless: list[Harmless]


def _judged(series: Series, drafts: list[_Draft]) -> _Verdict:
    """Which drafts are suspects, which may become some, and which are known to be harmless."""
    verdict = _Verdict([], [], [])
    for draft in drafts:
        found = draft.suspect
        reason = harmless_reason(found.holder, found.class_) if draft.rank > Rank.OWN else None
        if reason is not None and not draft.exact:
            verdict.harmless.append(Harmless(found.class_, found.count, found.holder, reason))
        elif draft.exact or _speaks_alone(series, draft):
            verdict.suspects.append(draft)
        else:
            said = "; ".join(found.evidence[:-1])
            verdict.candidates.append(Candidate(found.class_, found.count, found.holder, said))
    return verdict


def _speaks_alone(series: Series, draft: _Draft) -> bool:
    """Whether growth without any other evidence is enough: between two snapshots it must be large and named."""
    growth = draft.growth
    if growth is None or not growth.certain:
        return False
    return series.steps > 1 or (min(growth.per_step) >= LEAST_OF_TWO and draft.suspect.root.kind in ("module", "class"))


def _notes(graphs: Sequence[HeapGraph], same: bool) -> list[str]:
    if len(graphs) == 1:
        return [
            "One snapshot shows what is closed, overdue or expected to be gone and is held all the same; "
            "growth takes two or more of the same process, three to be sure."
        ]
    if not same:
        return ["The snapshots are of different processes: only classes and ways of being held are compared."]
    if len(graphs) == 2:
        return ["Two snapshots cannot tell a leak from a cache that is still filling: a third one can."]
    return []
