"""Who leaks: ranked suspects, each one leak with its holder, its evidence and what to do about it.

From one snapshot only exact evidence makes a suspect. With more of the same process, growth does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from leakscope.analysis.candidates import find_candidates, more_than_before
from leakscope.analysis.drafts import Draft, containers_of, find_drafts
from leakscope.analysis.growth import LEAST_OF_TWO, LEAST_PER_STEP
from leakscope.analysis.identity import Series, same_process
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.naming import Rank
from leakscope.analysis.ownership import Ways, find_ways
from leakscope.analysis.resources import Resources
from leakscope.analysis.young import WITHIN_TIME, within_their_time
from leakscope.errors import InputError
from leakscope.findings.suspects import Candidate, Harmless, Suspect, SuspectReport
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.navigation import rows_of
from leakscope.sessions.load import RuleSet, arranged, built_in
from leakscope.sessions.remedies import harmless_reason
from leakscope.sessions.rules import Rule
from leakscope.sessions.used import rules_in

_MANY_OF_A_CLASS = 5
"""A part that is this many times as numerous as its owner is a leak of its own."""


def find_suspects(
    graphs: Sequence[HeapGraph],
    rules: RuleSet | None = None,
    limit: int = 3,
    least: int = LEAST_PER_STEP,
    ended: bool = False,
) -> SuspectReport:
    """The report on ``graphs``, the oldest first; InputError if there is none.

    The last one is explained; the others show what grew. ``rules`` tell remedies of sessions where the last one
    does not say by which rules it was read.
    With three or more, growth counts from ``least`` objects in each step. ``ended`` says that whatever was begun
    between two of them was ended as well, so that sessions within their time to live are no excuse for growth.
    """
    if not graphs:
        raise InputError("no heap to look at", "Give a PID or a snapshot file.")
    index = HeapIndex(graphs[-1])
    same = len(graphs) > 1 and same_process(graphs)
    series = Series(tuple(graphs) if same else (graphs[-1],))
    ways = find_ways(index)
    known = {**_rules_by_name(rules), **rules_in(graphs[-1].facts)}
    drafts = find_drafts(series, index, ways, least, lambda nodes: _part_of(graphs[-1], nodes, known))
    drafts = _without_parts(graphs[-1], drafts, known)
    verdict = _judged(series, drafts, ended)
    suspects = sorted(verdict.suspects, key=_order)
    candidates = verdict.candidates
    if not same:
        candidates += more_than_before(HeapIndex(graphs[0]), index) if len(graphs) > 1 else find_candidates(index, ways)
    resources = Resources(index)
    shown = tuple(
        replace(_advised(graphs[-1], _with_resources(each, resources, index, ways), known), rank=rank)
        for rank, each in enumerate(suspects[:limit], start=1)
    )
    return SuspectReport(
        suspects=shown,
        candidates=tuple(candidates),
        harmless=tuple(verdict.harmless),
        notes=tuple(_notes(graphs, same)),
        total=len(suspects),
        snapshots=len(graphs),
        same_process=same,
    )


def _rules_by_name(rules: RuleSet | None) -> dict[str, Rule]:
    return {rule.name: rule for rule in (rules or arranged([built_in()])).rules}


def _part_of(graph: HeapGraph, nodes: Int32s, known: dict[str, Rule]) -> tuple[str, ...]:
    rule = _rule_of(graph, nodes, known)
    return rule.part_of if rule is not None else ()


def _rule_of(graph: HeapGraph, nodes: Int32s, known: dict[str, Rule]) -> Rule | None:
    """The rule that claims the objects, all of one kind; None if they are no sessions, or it is not known here."""
    if graph.sessions is None:
        return None
    row = int(rows_of(graph.sessions.node, nodes[:1])[0])
    return known.get(graph.names[int(graph.sessions.rule[row])]) if row >= 0 else None


def _without_parts(graph: HeapGraph, drafts: list[Draft], known: dict[str, Rule]) -> list[Draft]:
    """Leaves out sessions that belong to others, by their rules, where these are suspected themselves."""
    kept = []
    for draft in drafts:
        rule = _rule_of(graph, draft.nodes, known)
        owners = [
            other
            for other in drafts
            if rule is not None
            and other is not draft
            and any(fnmatchcase(other.suspect.class_, glob) for glob in rule.part_of)
            and draft.suspect.count < _MANY_OF_A_CLASS * other.suspect.count
        ]
        if not owners:
            kept.append(draft)
    return kept


def _advised(graph: HeapGraph, draft: Draft, known: dict[str, Rule]) -> Suspect:
    """With what the session's own rule says on how to end one."""
    rule = _rule_of(graph, draft.nodes, known)
    if rule is None:
        return draft.suspect
    remedy = f"{draft.suspect.remedy} {rule.remedy}".strip()
    return replace(draft.suspect, remedy=remedy, link=draft.suspect.link or rule.link or None)


def _with_resources(draft: Draft, resources: Resources, index: HeapIndex, ways: Ways) -> Draft:
    """With what the leak costs beside memory, before the line that says who holds it."""
    lines = resources.lines(containers_of(index, ways, draft.nodes, draft.growth), draft.suspect.count)
    *evidence, held = draft.suspect.evidence
    return replace(draft, suspect=replace(draft.suspect, evidence=(*evidence, *lines, held))) if lines else draft


def _order(draft: Draft) -> tuple[bool, bool, bool, int, str]:
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


@dataclass(frozen=True)
class _Verdict:
    suspects: list[Draft]
    candidates: list[Candidate]
    harmless: list[Harmless]


def _judged(series: Series, drafts: list[Draft], ended: bool) -> _Verdict:
    """Which drafts are suspects, which may become some, and which are known to be harmless."""
    verdict = _Verdict([], [], [])
    for draft in drafts:
        found = draft.suspect
        reason = harmless_reason(found.holder, found.class_) if draft.rank > Rank.OWN else None
        if reason is not None and not draft.exact:
            verdict.harmless.append(Harmless(found.class_, found.count, found.holder, reason))
        elif not draft.exact and not ended and within_their_time(series.last, draft.nodes):
            said = "; ".join([*found.evidence[:-1], WITHIN_TIME])
            verdict.candidates.append(Candidate(found.class_, found.count, found.holder, said))
        elif draft.exact or _speaks_alone(series, draft):
            verdict.suspects.append(draft)
        else:
            said = "; ".join(found.evidence[:-1])
            verdict.candidates.append(Candidate(found.class_, found.count, found.holder, said))
    return verdict


def _speaks_alone(series: Series, draft: Draft) -> bool:
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
