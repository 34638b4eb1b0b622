"""Sessions that are still within their time: a store that was empty a while ago fills up until the first ones expire.

Such growth is what every healthy store shows after a restart, so it proves nothing. Once sessions
are past their time and still held, these are evidence of their own.
"""

from __future__ import annotations

import numpy as np

from leakscope.analysis.session_facts import session_facts
from leakscope.graph.heap import HeapGraph, Int32s

WITHIN_TIME = "none is past its time to live: that may be a store which still fills up"
_KNOWN = 0.9
"""Of the sessions must say when they end; others may be held for ever."""


def within_their_time(graph: HeapGraph, nodes: Int32s) -> bool:
    """Whether ``nodes`` (ascending) are sessions that say when they end, and all of them have time left.

    False if any is flagged: what is closed has no business to wait for its time to be over.
    """
    facts = session_facts(graph, nodes)
    known = ~np.isnan(facts.left)
    return bool(np.mean(known) >= _KNOWN and np.all(facts.left[known] > 0) and not facts.flagged.any())
