"""Evidence in sentences: each is true of the heap that was read, and has its numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.analysis.cycles import Cycles
from leakscope.analysis.growth import Growth
from leakscope.analysis.session_facts import SessionFacts
from leakscope.graph.kinds import Fact


def growth_lines(growth: Growth) -> list[str]:
    """How a group grew."""
    steps = len(growth.per_step)
    numbers = ", ".join(f"{n:,}" for n in growth.per_step)
    lines = [f"grew by {numbers} in {steps} steps" if steps > 1 else f"{numbers} new ones since the first snapshot"]
    if growth.steady:
        lines[0] += ": nearly the same each time, as if each piece of work left some behind"
    found = growth.contents
    if found is not None and any(found.born):
        lines.append(
            f"{sum(found.stayed):,} of {sum(found.born):,} that were put there before the last step are still there"
        )
    if steps == 1:
        lines.append("two snapshots cannot tell a leak from a cache that is still filling: take a third")
    return lines


@dataclass(frozen=True)
class Size:
    """Of the containers that hold the objects."""

    type: str | None
    """Their class; None where there is no container."""
    containers: int
    entries: int
    unbounded: bool
    """Limits were looked for, and there is none."""


def holder_line(holder: str, size: Size) -> str:
    """Who holds them, and how large that is."""
    if not size.containers or size.type is None:
        return f"held by {holder}"
    said = [size.type, f"{size.entries:,} entries"]
    if size.containers > 1:
        said[1] += f" in {size.containers:,} of the kind"
    return f"held by {holder} ({', '.join([*said, *(['no bound found'] if size.unbounded else [])])})"


def session_lines(facts: SessionFacts) -> list[str]:
    """What rules found wrong with sessions that should not be there any more."""
    total = len(facts.node)
    checks = (
        (facts.facts & Fact.EXPECTED_GONE != 0, "should be gone: the service itself said so by expect_gone"),
        (facts.facts & Fact.CLOSED != 0, "closed, and still held"),
        (facts.hung, "closing for longer than a minute"),
        (facts.left < 0, "overdue by their own time to live"),
        (facts.facts & Fact.HOLDER_DEAD != 0, "kept by a holder whose heartbeat has stopped"),
        (facts.facts & Fact.UNREGISTERED != 0, "no longer in the registry that should have them"),
    )
    lines = []
    for mask, says in checks:
        if mask.any():
            lines.append(f"{np.count_nonzero(mask):,} of {total:,} are {says}{_since(facts, mask)}")
    return lines


def _since(facts: SessionFacts, mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
    """``, last used 30 min ago at the latest``, if it is known."""
    idle = facts.idle[mask]
    idle = idle[~np.isnan(idle)]
    return f", last used {spoken(float(idle.max()))} ago and less" if len(idle) else ""


def cycle_lines(found: Cycles) -> list[str]:
    """What lies about uncollected."""
    lines = [f"{found.objects:,} objects that nothing reaches are still there, {len(found.nodes):,} of this class"]
    if found.per_step:
        numbers = ", ".join(f"{n:,}" for n in found.per_step)
        lines.append(f"grew by {numbers} in {len(found.per_step)} steps")
    if found.collector_off:
        lines.append("the collector is switched off: gc.disable()")
    return lines


def spoken(seconds: float) -> str:
    """``45 s``, ``30 min``, ``5 h``, ``3 days``."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86400:.0f} days"
