"""Timers of asyncio that were cancelled: they hold nothing, and stay in their loop until their time comes."""

from __future__ import annotations

import numpy as np

from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref

TIMER = "asyncio.events.TimerHandle"


def waiting_timers(graph: HeapGraph) -> int:
    """How many timers were not cancelled: cancelling takes the callback away."""
    if "_callback" not in graph.names:
        return 0
    called = (graph.kind == Ref.ATTR) & (graph.label == graph.names.index("_callback"))
    edges = np.flatnonzero(called)
    sources = np.searchsorted(graph.first_ref, edges, side="right") - 1
    is_timer = np.array([name == TIMER for name in graph.types.name])[graph.type[sources]]
    is_none = np.array([name == "NoneType" for name in graph.types.name])[graph.type[graph.target[edges]]]
    return int(np.count_nonzero(is_timer & ~is_none))
