"""What ``sessions`` answers. Ages and durations are seconds, sizes bytes; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.findings.evidence import Expected, PoolUse, ProcessEvidence
from leakscope.findings.model import Cluster


@dataclass(frozen=True)
class SessionClass:
    """One class of sessions."""

    class_: str
    count: int
    """The live ones; those that only await their collection are ``uncollected``."""
    retained_bytes: int
    closed_retained: int | None = None
    """None where no rule tells closed from open."""
    overdue: int | None = None
    """None where none has a time to live."""
    oldest_s: float | None = None
    median_s: float | None = None
    uncollected: int = 0


@dataclass(frozen=True)
class SessionItem:
    """One session."""

    address: int
    class_: str
    retained_bytes: int
    fingerprint: str | None
    id: str | None = None
    state: str | None = None
    age_s: float | None = None
    age_source: str | None = None
    """The field that says when it was created, or the earlier snapshot in which it was seen already."""
    age_at_least: bool = False
    """It was there when it was first looked at: ``age_s`` is a lower bound."""
    idle_s: float | None = None
    ttl_s: float | None = None
    left_s: float | None = None
    """Until its time is over; negative: overdue for so long."""
    flags: tuple[str, ...] = ()
    rule: str | None = None
    """The rule that claims it; None: ``--class`` named it."""


@dataclass(frozen=True)
class SessionReport:
    """The whole answer of ``sessions``."""

    classes: tuple[SessionClass, ...]
    items: tuple[SessionItem, ...]
    """At most as many as were asked for: those that are flagged first, then the oldest, then the most retained."""
    total: int
    """Live sessions that match what was asked for."""
    clusters: tuple[Cluster, ...] = ()
    flagged: int = 0
    """How many of the matching ones should not be there any more: closed, overdue, hung, holder dead ..."""
    unjudged: int = 0
    """How many were left out because the age or idle time that was asked for is not known of them."""
    others: tuple[tuple[str, int], ...] = ()
    """``(category, count)`` of what is alive but was not asked for: tasks, resources."""
    expected: tuple[Expected, ...] = ()
    """What the service itself expected to be gone, all of it."""
    pools: tuple[PoolUse, ...] = ()
    """The fullest first."""
    process: ProcessEvidence | None = None
    """What the kernel says of the process; None where the capture did not ask."""
