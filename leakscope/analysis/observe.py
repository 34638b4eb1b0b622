"""What the gate judges: every number that one of its rules can have a limit for, with its holder.

Growth comes from the snapshots of equal rounds, everything else from the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise

import numpy as np

from leakscope.analysis.chains import cluster_of
from leakscope.analysis.definitions import definition_of
from leakscope.analysis.digest import container_lengths
from leakscope.analysis.evidence import process_evidence
from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import Paths, find_paths
from leakscope.analysis.session_facts import Bools, SessionFacts, session_facts
from leakscope.analysis.sessions import session_nodes
from leakscope.analysis.suspect_kinds import holder_of, place_of
from leakscope.analysis.suspects import find_suspects
from leakscope.analysis.timers import TIMER, waiting_timers
from leakscope.analysis.wrong_sessions import is_kept, only
from leakscope.findings.gate import Observation, Round
from leakscope.findings.model import Cluster
from leakscope.findings.suspects import Suspect
from leakscope.graph.facts import number
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Fact
from leakscope.sessions.load import RuleSet

_ALL = 1_000
"""More leaks than any report can be read for."""
_SLOW = 8
_SHORT = 8
"""Fewer objects for each step, over fewer steps: labels of metrics and compiled templates come in like that as well."""


def observe(
    graphs: Sequence[HeapGraph],
    rules: RuleSet | None = None,
    retained: Iterable[str] = (),
    containers: Iterable[tuple[str, int]] = (),
    ended: bool = False,
) -> tuple[list[Observation], list[str]]:
    """Observations on ``graphs``, the oldest first, at least one; and notes on growth that proves nothing.

    ``ended``: each round ends what it begins, so that sessions within their time to live are no excuse.
    ``retained`` are globs over classes whose retained bytes are asked for, ``containers`` globs over holders
    with the number of entries up to which a container is of no interest.
    """
    index, series = HeapIndex(graphs[-1]), Series(tuple(graphs))
    seen: list[Observation] = []
    notes: list[str] = []
    if len(graphs) > 1:
        report = find_suspects(graphs, rules, limit=_ALL, least=1, ended=ended)
        for each in report.suspects:
            if each.growth_per_step is not None and not _only_cancelled(each, series):
                seen.append(_growth(each, series))
        seen += _process(graphs)
        notes += [
            f"not judged: {each.count:,} {each.class_} held by {each.holder}: {each.reason}"
            for each in report.candidates
        ]
    seen += _sessions(index, series)
    seen += _retained(index, list(retained))
    seen += _containers(index, list(containers))
    return seen, notes


def rounds_of(graphs: Sequence[HeapGraph], names: Sequence[str]) -> tuple[Round, ...]:
    """The facts of each snapshot."""
    return tuple(_round(graph, name) for graph, name in zip(graphs, names, strict=True))


def _round(graph: HeapGraph, name: str) -> Round:
    pid = number(graph.facts, "pid")
    descriptors, threads = _kernel_counts(graph)
    return Round(
        name=name,
        pid=None if pid is None else int(pid),
        captured_at=number(graph.facts, "captured_at"),
        objects=graph.objects,
        sessions=len(session_nodes(graph)),
        pause_ms=number(graph.facts, "pause_ms"),
        descriptors=descriptors,
        threads=threads,
    )


def _kernel_counts(graph: HeapGraph) -> tuple[int | None, int | None]:
    """Open descriptors and threads of the process; None where the capture did not ask."""
    evidence = process_evidence(graph)
    if evidence is None:
        return None, None
    descriptors = evidence.descriptors
    return None if descriptors is None else sum(descriptors.values()), evidence.threads


def _growth(suspect: Suspect, series: Series) -> Observation:
    found = round(suspect.growth_per_step or 0.0, 2)
    file, line = (suspect.file, suspect.line) if suspect.file else definition_of(series.last, suspect.root)
    return Observation(
        rule="growth",
        found=found,
        unit="objects",
        class_=suspect.class_,
        fingerprint=suspect.fingerprint,
        chain=suspect.chain,
        holder=suspect.holder,
        evidence=suspect.evidence,
        remedy=suspect.remedy,
        file=file,
        line=line,
        doubtful=_doubtful(found, series.steps),
    )


def _only_cancelled(suspect: Suspect, series: Series) -> bool:
    """Whether they are timers of which no more wait than did at the beginning."""
    return suspect.class_ == TIMER and waiting_timers(series.last) <= waiting_timers(series.graphs[0])


def _doubtful(per_step: float, steps: int) -> bool:
    return per_step < _SLOW and steps < _SHORT


def _process(graphs: Sequence[HeapGraph]) -> list[Observation]:
    """Descriptors and threads: the smallest growth of any round, so that one busy moment is none."""
    seen = []
    descriptors, threads = zip(*map(_kernel_counts, graphs), strict=True)
    for rule, told in (("descriptors", descriptors), ("threads", threads)):
        counts = [count for count in told if count is not None]
        if len(counts) == len(told):
            least = min(after - before for before, after in pairwise(counts))
            shown = " > ".join(map(str, counts))
            found, doubtful = float(max(0, least)), _doubtful(least, len(graphs) - 1)
            seen.append(Observation(rule, found, rule, evidence=(f"{rule} by round: {shown}",), doubtful=doubtful))
    return seen


def _sessions(index: HeapIndex, series: Series) -> list[Observation]:
    """By class: how many live; by class and way of being held: closed, overdue, the oldest, the most idle."""
    graph = index.graph
    nodes = session_nodes(graph)
    names, inverse = np.unique(np.array(graph.types.name)[graph.type[nodes]], return_inverse=True)
    counts = np.bincount(inverse, minlength=len(names)).tolist()
    seen = [
        Observation("sessions", count, "sessions", class_=name)
        for name, count in zip(names.tolist(), counts, strict=True)
    ]
    facts = session_facts(graph, nodes)
    facts = only(facts, facts.facts & Fact.HEALTHY == 0)
    for rule, wrong in _WRONG.items():
        lasting = _lasting(series, facts, wrong)
        seen += _groups(index, rule, only(facts, lasting))
        facts = only(facts, ~lasting)
    seen += _groups(index, "overdue", only(facts, _lasting(series, facts, _overdue)))
    seen += _groups(index, "age", only(facts, ~np.isnan(facts.age)))
    seen += _groups(index, "idle", only(facts, ~np.isnan(facts.idle)))
    return seen


def _has(fact: Fact) -> Callable[[SessionFacts], Bools]:
    return lambda facts: facts.facts & fact != 0


_WRONG: dict[str, Callable[[SessionFacts], Bools]] = {
    "closed-retained": _has(Fact.CLOSED),
    "expected-gone": _has(Fact.EXPECTED_GONE),
    "closing-hung": lambda facts: facts.hung,
    "holder-dead": _has(Fact.HOLDER_DEAD),
    "unregistered": _has(Fact.UNREGISTERED),
}
"""What is wrong with a session by what it says itself; it counts for the first of these rules that it breaks."""


def _overdue(facts: SessionFacts) -> Bools:
    overdue: Bools = facts.left < 0
    return overdue


def _lasting(series: Series, facts: SessionFacts, wrong: Callable[[SessionFacts], Bools]) -> Bools:
    """Which are ``wrong`` and were so one snapshot earlier, if there is one: on its way out is no leak."""
    now = wrong(facts)
    if not series.steps:
        return now
    before = series.graphs[-2]
    there = series.earlier(facts.node, series.steps - 1)
    between = (number(series.last.facts, "captured_at") or 0.0) - (number(before.facts, "captured_at") or 0.0)
    older = (there >= 0) & ~(facts.age < between)  # of unknown age: the same address and class must do
    then = session_facts(before, np.unique(there[older]))
    return now & older & np.isin(there, then.node[wrong(then)])


def _groups(index: HeapIndex, rule: str, facts: SessionFacts) -> list[Observation]:
    """By way of being held; parts of another such session are none, nor is what a running function has in hand."""
    if not len(facts.node):
        return []
    paths = find_paths(index, facts.node)
    row = np.searchsorted(facts.node, paths.node[paths.asked])
    exact = facts.facts[row] & Fact.GUESSED == 0
    keys = np.stack([paths.signature[paths.asked], exact.astype(np.uint64)])
    _, group = np.unique(keys, axis=1, return_inverse=True)
    group = group.reshape(-1)
    return [
        _group(index, rule, only(facts, _rows(len(facts.node), row[group == at])), paths, paths.asked[group == at])
        for at in range(int(group.max()) + 1)
        if is_kept(index, paths, int(paths.asked[np.argmax(group == at)]))
    ]


def _rows(length: int, rows: Int32s) -> Bools:
    mask = np.zeros(length, dtype=np.bool_)
    mask[rows] = True
    return mask


def _group(index: HeapIndex, rule: str, facts: SessionFacts, paths: Paths, entries: Int32s) -> Observation:
    cluster = cluster_of(index.graph, paths, entries, 0)
    file, line = _place(index.graph, cluster)
    count = len(facts.node)
    if rule == "age":
        found, unit = float(facts.age.max()), "s"
    elif rule == "idle":
        found, unit = float(facts.idle.max()), "s"
    else:
        found, unit = float(count), "sessions"
    return Observation(
        rule=rule,
        found=round(found, 3),
        unit=unit,
        class_=cluster.class_,
        fingerprint=cluster.fingerprint,
        chain=cluster.text,
        holder=holder_of(cluster),
        evidence=(f"{count:,} of them are held in this way",),
        file=file,
        line=line,
        exact=not bool(facts.facts[0] & Fact.GUESSED),
    )


def _place(graph: HeapGraph, cluster: Cluster) -> tuple[str | None, int | None]:
    file, line = place_of(cluster)
    return (file, line) if file else definition_of(graph, cluster.root)


def _retained(index: HeapIndex, globs: list[str]) -> list[Observation]:
    """Exact for each class; classes of one name are one."""
    if not globs:
        return []
    graph = index.graph
    names = sorted({name for name in graph.types.name if any(fnmatchcase(name, glob) for glob in globs)})
    members = [
        np.flatnonzero(np.array([each == name for each in graph.types.name])[graph.type] & (index.live != 0))
        for name in names
    ]
    sizes = index.retained_of_sets([nodes.astype(np.int32) for nodes in members])
    return [Observation("retained", float(size), "bytes", class_=name) for name, size in zip(names, sizes, strict=True)]


def _containers(index: HeapIndex, wanted: list[tuple[str, int]]) -> list[Observation]:
    if not wanted:
        return []
    nodes, length = container_lengths(index.graph)
    large = length > min(limit for _, limit in wanted)
    nodes, length = nodes[large], length[large]
    if not len(nodes):
        return []
    paths = find_paths(index, nodes)
    seen = []
    for entry in paths.asked.tolist():
        cluster = cluster_of(index.graph, paths, np.array([entry], dtype=np.int32), 0)
        holder = cluster.text.removesuffix(f" -> {cluster.class_}")
        entries = int(length[np.searchsorted(nodes, paths.node[entry])])
        if any(fnmatchcase(holder, glob) for glob, _ in wanted):
            file, line = _place(index.graph, cluster)
            seen.append(
                Observation(
                    "container", float(entries), "entries", cluster.class_, cluster.fingerprint, cluster.text, holder,
                    file=file, line=line,
                )
            )  # fmt: skip
    return seen
