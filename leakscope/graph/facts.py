"""Reading ``HeapGraph.facts``, which may come from a foreign file: what has another type than it should is unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SAME_START_S = 0.5
"""Two captures under one PID whose processes began so close to each other are of one process."""


def number(facts: Mapping[str, Any], name: str) -> float | None:
    """A capture fact, if it is a number."""
    value = facts.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def one_process(captures: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the facts of all captures say that they are of one process; False if one does not say."""
    pids = {number(facts, "pid") for facts in captures}
    starts = [start for facts in captures if (start := number(facts, "started_at")) is not None]
    known = None not in pids and len(starts) == len(captures)
    return known and len(pids) == 1 and max(starts) - min(starts) <= SAME_START_S
