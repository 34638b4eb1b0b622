"""Sessions that should not be there any more by what they say themselves: exact evidence, one snapshot is enough."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from leakscope.analysis.holders import What
from leakscope.analysis.identity import Series
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import Paths, find_paths
from leakscope.analysis.session_facts import SessionFacts, session_facts
from leakscope.analysis.sessions import session_nodes
from leakscope.graph.heap import Int32s
from leakscope.graph.kinds import Fact, Ref

LEAST = 5
"""Fewer may just be on their way out."""
LEAST_YOUNG = 20
"""The same where nobody knows for how long they have been so."""
_WRONG = Fact.CLOSED | Fact.HOLDER_DEAD | Fact.UNREGISTERED
QUIET_S = 60.0
"""Whoever was last used before that is not on its way out any more."""


@dataclass(frozen=True)
class WrongSessions:
    """Sessions of one class, held in one way."""

    facts: SessionFacts
    paths: Paths
    entries: Int32s
    """In ``paths``."""
    stands_alone: bool
    """It is no matter of time: enough of them were the same long ago, or are quiet, or expected to be gone."""

    @property
    def nodes(self) -> Int32s:
        """The sessions, ascending."""
        return self.facts.node


def find_wrong_sessions(index: HeapIndex, series: Series) -> list[WrongSessions]:
    """Groups of at least ``LEAST``, or of any size where the service itself expected them to be gone.

    ``series``: the snapshots of one process, of which ``index`` has the last. What only another of these sessions
    holds is a part of it. What a running function has in hand is no leak.
    """
    graph = index.graph
    facts = session_facts(graph, session_nodes(graph))
    wrong = facts.flagged & (facts.facts & Fact.HEALTHY == 0)
    if not wrong.any():
        return []
    facts = only(facts, wrong)
    paths = find_paths(index, facts.node)
    signature = paths.signature[paths.asked]
    found = []
    for value in np.unique(signature):
        entries = paths.asked[signature == value]
        mine = only(facts, np.isin(facts.node, paths.node[entries]))
        expected = bool(np.any(mine.facts & Fact.EXPECTED_GONE))
        if (len(entries) >= LEAST or expected) and is_kept(index, paths, int(entries[0])):
            found.append(WrongSessions(mine, paths, entries, expected or _lasts(series, mine)))
    return found


def _lasts(series: Series, facts: SessionFacts) -> bool:
    """Whether enough of these were so two steps ago; with fewer snapshots, whether they look like it.

    What is just overdue counts for nothing: whoever sweeps now and then leaves some of it.
    """
    facts = only(facts, facts.hung | (facts.facts & _WRONG != 0) | (facts.left <= -QUIET_S))
    if series.steps > 1:
        there = series.earlier(facts.node, 0)
        before = session_facts(series.graphs[0], np.unique(there[there >= 0]))
        return int(np.count_nonzero(before.flagged)) >= LEAST
    quiet = np.count_nonzero(np.fmax(facts.idle, -facts.left) >= QUIET_S)
    return bool(quiet >= LEAST) or len(facts.node) >= LEAST_YOUNG


def only(facts: SessionFacts, mask: npt.NDArray[np.bool_]) -> SessionFacts:
    """The sessions in ``mask``."""
    return SessionFacts(**{each.name: getattr(facts, each.name)[mask] for each in fields(SessionFacts)})


def is_kept(index: HeapIndex, paths: Paths, entry: int) -> bool:
    """Whether a holder of its own keeps it: not another such session, and not a variable of a running function."""
    edge = int(paths.edge[entry])
    above = int(paths.up[entry])
    if above < paths.holders and edge >= 0 and index.graph.kind[edge] in (Ref.LOCAL, Ref.STACK):
        return False
    return not begins_with_another(paths, entry)


def begins_with_another(paths: Paths, entry: int) -> bool:
    """Whether the way begins with another of the objects that were asked about."""
    while entry >= paths.holders:
        entry = int(paths.keeper[entry] if paths.keeper[entry] != entry else paths.up[entry])
    return int(paths.what[entry]) == What.SESSION
