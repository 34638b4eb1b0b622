"""Which sessions are alive, by class and one by one: how old, in what state, and who holds them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from leakscope.analysis.chains import clusters_of
from leakscope.analysis.evidence import expected_gone, process_evidence
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import Paths, find_paths, fingerprint
from leakscope.analysis.pools import pool_uses
from leakscope.analysis.select import instances_of, named, with_subclasses
from leakscope.analysis.session_facts import Bools, SessionFacts, Witness, category_of_rows, session_facts
from leakscope.findings.sessions import SessionClass, SessionItem, SessionReport
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Fact, Node
from leakscope.graph.names import class_name
from leakscope.graph.values import UNKNOWN_MASK, shown_mask
from leakscope.sessions.names import NOT_INSTANCES, says_session
from leakscope.sessions.rules import CATEGORIES

DEFAULT_CATEGORIES = ("session", "connection", "request")
"""What is shown unasked: every process has threads, tasks and files."""


@dataclass(frozen=True)
class Wanted:
    """Which sessions are asked for; None asks for all."""

    class_glob: str | None = None
    categories: tuple[str, ...] = DEFAULT_CATEGORIES
    """Ignored where ``class_glob`` names the class."""
    older_than: float | None = None
    """Seconds."""
    idle_longer_than: float | None = None
    state: str | None = None
    flagged: bool = False
    """Only those that should not be there any more."""
    id: str | None = None
    """As the service says it, or masked (``#1a2b3c4d5e6f``)."""


def session_nodes(
    graph: HeapGraph, class_glob: str | None = None, categories: Sequence[str] = DEFAULT_CATEGORIES
) -> Int32s:
    """Live sessions, ascending: those that rules claimed when the heap was read, or instances of ``class_glob``.

    A heap that was read without rules has those whose class is named like a session's. Exceptions, classes
    and enum members are none. InputError if no class matches ``class_glob``.
    """
    nodes = _all_nodes(graph, class_glob, categories)
    live: Int32s = nodes[graph.flags[nodes] & Node.GARBAGE == 0]
    return live


def with_id(graph: HeapGraph, id: str) -> Int32s:
    """Sessions whose id is ``id``, or masked so; ascending, of all categories."""
    if graph.sessions is None:
        return np.empty(0, dtype=np.int32)
    masked = re.fullmatch(r"#([0-9a-f]{12})", id)
    text = masked[1] if masked else blake2b(id.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    nodes: Int32s = graph.sessions.node[graph.sessions.id == np.uint64(int(text, 16))]
    return nodes


def session_report(
    index: HeapIndex, wanted: Wanted | None = None, limit: int = 50, earlier: Sequence[Witness] = ()
) -> SessionReport:
    """The sessions that are ``wanted``: by class, by holder and one by one, at most ``limit`` of these.

    Retained sizes of classes and clusters are exact for the set. ``earlier`` are snapshots of the same process,
    for the age of what keeps no time itself. InputError if no class matches ``wanted.class_glob``.
    """
    wanted = wanted or Wanted()
    graph = index.graph
    known = session_facts(graph, _all_nodes(graph, wanted.class_glob, wanted.categories), earlier)
    if graph.sessions is None and wanted.class_glob is None:
        known = replace(known, facts=known.facts | Fact.GUESSED)
    matching, unjudged = _matching(graph, known, wanted)
    known = _only(known, matching)
    report = SessionReport(
        classes=(),
        items=(),
        total=0,
        unjudged=unjudged,
        others=() if wanted.class_glob else _others(graph, wanted.categories),
        expected=expected_gone(graph),
        pools=pool_uses(index),
        process=process_evidence(graph, index),
    )
    if not len(known.node):
        return report
    paths = find_paths(index, known.node)
    return replace(
        report,
        classes=_classes(index, known),
        items=_items(index, paths, known, limit, earlier),
        total=int(np.count_nonzero(~known.uncollected)),
        clusters=tuple(clusters_of(index, paths, limit=20)),
        flagged=int(np.count_nonzero(known.flagged)),
    )


def _all_nodes(graph: HeapGraph, class_glob: str | None, categories: Sequence[str]) -> Int32s:
    if class_glob is not None:
        return _fit(graph, instances_of(graph, class_glob))
    if graph.sessions is not None:
        of_category = np.isin(category_of_rows(graph), [CATEGORIES.index(name) for name in categories])
        nodes: Int32s = graph.sessions.node[of_category]
        return nodes
    says = np.array([says_session(name) for name in graph.types.name], dtype=np.bool_)
    return _fit(graph, np.flatnonzero((with_subclasses(graph, says))[graph.type]).astype(np.int32))


def _fit(graph: HeapGraph, nodes: Int32s) -> Int32s:
    never = with_subclasses(graph, named(graph, *NOT_INSTANCES))
    fit: Int32s = nodes[~(never[graph.type[nodes]] | (graph.flags[nodes] & (Node.CLASS | Node.FRAME) != 0))]
    return fit


def _others(graph: HeapGraph, categories: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """What rules found of other categories, live ones only."""
    if graph.sessions is None:
        return ()
    live = graph.flags[graph.sessions.node] & Node.GARBAGE == 0
    counts = np.bincount(category_of_rows(graph)[live], minlength=len(CATEGORIES)).tolist()
    return tuple((name, n) for name, n in zip(CATEGORIES, counts, strict=True) if n and name not in categories)


def _matching(graph: HeapGraph, known: SessionFacts, wanted: Wanted) -> tuple[Bools, int]:
    """Which sessions match, and how many cannot be judged because what is asked for is not known of them."""
    matching = np.ones(len(known.node), dtype=np.bool_)
    judged = np.ones(len(known.node), dtype=np.bool_)
    for limit, column in ((wanted.older_than, known.age), (wanted.idle_longer_than, known.idle)):
        if limit is not None:
            matching &= column >= limit  # false for NaN
            judged &= ~np.isnan(column)
    if wanted.state is not None:
        matching &= _in_state(graph, known, wanted.state)
    if wanted.id is not None:
        matching &= np.isin(known.node, with_id(graph, wanted.id))
    if wanted.flagged:
        matching &= known.flagged
    return matching, int(np.count_nonzero(~judged))


def _in_state(graph: HeapGraph, known: SessionFacts, state: str) -> Bools:
    if graph.sessions is None:
        return np.zeros(len(known.node), dtype=np.bool_)
    same = [index for index, name in enumerate(graph.names) if name.casefold() == state.casefold()]
    found: Bools = (known.row >= 0) & np.isin(graph.sessions.state[known.row.clip(0)], same)
    return found


def _only(known: SessionFacts, chosen: Bools) -> SessionFacts:
    columns = ("node", "row", "age", "seen_in", "idle", "left", "facts", "hung", "uncollected")
    return replace(known, **{name: getattr(known, name)[chosen] for name in columns})


def _classes(index: HeapIndex, known: SessionFacts) -> tuple[SessionClass, ...]:
    graph = index.graph
    by_name: dict[str, list[int]] = {}
    for row in np.unique(graph.type[known.node]).tolist():
        by_name.setdefault(graph.types.name[row], []).append(row)
    members = [np.flatnonzero(np.isin(graph.type[known.node], rows)) for rows in by_name.values()]
    retained = index.retained_of_sets([known.node[rows[~known.uncollected[rows]]] for rows in members])
    told = _tells_closed(graph, known)
    classes = [
        _class(name, _only(known, np.isin(np.arange(len(known.node)), entries)), size, bool(told[entries].any()))
        for name, entries, size in zip(by_name, members, retained, strict=True)
    ]
    return tuple(sorted(classes, key=lambda row: (-row.retained_bytes, row.class_)))


def _tells_closed(graph: HeapGraph, known: SessionFacts) -> Bools:
    """Of which sessions the state is known, so that none being closed means something."""
    if graph.sessions is None:
        return np.zeros(len(known.node), dtype=np.bool_)
    state = graph.sessions.state[known.row.clip(0)] if len(graph.sessions.node) else known.row
    told: Bools = (known.row >= 0) & (state >= 0)
    return told


def _class(name: str, known: SessionFacts, retained: int, tells_closed: bool) -> SessionClass:
    live = ~known.uncollected
    ages = known.age[live & ~np.isnan(known.age)]
    left = known.left[live & ~np.isnan(known.left)]
    closed = live & (known.facts & Fact.CLOSED != 0)
    return SessionClass(
        class_=name,
        count=int(np.count_nonzero(live)),
        retained_bytes=retained,
        closed_retained=int(np.count_nonzero(closed)) if tells_closed or closed.any() else None,
        overdue=int(np.count_nonzero(left < 0)) if len(left) else None,
        oldest_s=round(float(ages.max()), 3) if len(ages) else None,
        median_s=round(float(np.median(ages)), 3) if len(ages) else None,
        uncollected=int(np.count_nonzero(~live)),
    )


def _items(
    index: HeapIndex, paths: Paths, known: SessionFacts, limit: int, earlier: Sequence[Witness]
) -> tuple[SessionItem, ...]:
    """The flagged first, then the oldest, then those that retain most."""
    retained = index.retained[known.node]
    first = np.lexsort((-retained, -np.nan_to_num(known.age, nan=-1.0), ~known.flagged))[:limit]
    # ``known.node`` is ascending and the paths' nodes are the same in another order.
    entry = paths.asked[np.argsort(paths.node[paths.asked])][first]
    return tuple(
        _item(index, known, which, fingerprint(int(paths.signature[held])), earlier)
        for which, held in zip(first.tolist(), entry.tolist(), strict=True)
    )


def _item(index: HeapIndex, known: SessionFacts, which: int, held: str, earlier: Sequence[Witness]) -> SessionItem:
    graph, node, row, seen_in = index.graph, int(known.node[which]), int(known.row[which]), int(known.seen_in[which])
    item = SessionItem(
        address=int(graph.address[node]),
        class_=class_name(graph, node),
        retained_bytes=int(index.retained[node]),
        fingerprint=held,
        age_s=_seconds(known.age[which]),
        age_source=f"seen in {earlier[seen_in].name}" if seen_in >= 0 else None,
        age_at_least=seen_in >= 0,
        idle_s=_seconds(known.idle[which]),
        left_s=_seconds(known.left[which]),
        flags=known.flags(which),
    )
    rules = graph.sessions
    if rules is None or row < 0:
        return item
    told = _name(graph, rules.created_from[row])
    return replace(
        item,
        id=_name(graph, rules.id_name[row]) or _mask(int(rules.id[row])),
        state=_name(graph, rules.state[row]),
        age_source=item.age_source or (told if item.age_s is not None else None),
        ttl_s=_seconds(rules.ttl[row]),
        rule=_name(graph, rules.rule[row]),
    )


def _mask(mask: int) -> str | None:
    return None if mask == UNKNOWN_MASK else shown_mask(mask)


def _name(graph: HeapGraph, index: np.int32) -> str | None:
    return graph.names[int(index)] if index >= 0 else None


def _seconds(value: np.float64) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)
