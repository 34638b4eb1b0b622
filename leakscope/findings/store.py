"""What ``store`` answers, and what it is told of a process. Times are seconds, sizes bytes; None is unknown."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from leakscope.findings.model import Cluster


@dataclass(frozen=True)
class Known:
    """What one snapshot knows of sessions: 48-bit BLAKE2b masks, both arrays of ``Q``, ascending, unique."""

    snapshot: str
    captured_at: float | None
    """Epoch seconds."""
    sessions: array[int]
    """Ids of live sessions."""
    keys: array[int]
    """Those ids, and every key of a dict."""


@dataclass(frozen=True)
class TypeRow:
    """The keys of one type."""

    type: str
    count: int
    no_expiry: int
    idle: int | None
    """Idle for longer than asked for; None where nothing was asked, or the server does not tell."""
    unknown: int | None
    """That no process knows; None without snapshots."""
    bytes: int | None
    idle_most_s: float | None


@dataclass(frozen=True)
class KeyItem:
    """One key that is flagged."""

    key: str
    """What the pattern says as it is, the rest masked unless revealed."""
    type: str
    flags: tuple[str, ...]
    """``no-expiry``, ``idle``, ``unknown-to-processes``."""
    ttl_s: int | None
    """None: it never expires."""
    idle_s: int | None
    bytes: int | None


@dataclass(frozen=True)
class KeyReport:
    """What a scan of the store found; an answer by itself where there are no snapshots."""

    keys: int
    """Each counted once."""
    types: tuple[TypeRow, ...]
    flagged: int
    unknown_fresh: int
    """Of those that no process knows: used since the oldest snapshot, so perhaps made after it."""
    vanished: int
    """Gone between SCAN and TTL."""
    items: tuple[KeyItem, ...]
    """At most as many as were asked for: the most flags first, then the longest idle, then the largest."""
    elapsed_s: float
    snapshot_age_s: float | None = None
    """How old the oldest snapshot was when the scan began."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CopyRow:
    """The sessions of one class in one snapshot, compared with the store."""

    snapshot: str
    captured_at: float | None
    class_: str
    count: int
    """Live ones whose id is known."""
    in_store: int
    gone: int
    """Alive in the process, no longer in the store."""


@dataclass(frozen=True)
class StoreReport:
    """The whole answer of ``store``."""

    match: str | None
    database: int
    keys: KeyReport
    copies: tuple[CopyRow, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    """Who holds the copies that are gone from the store."""

    @property
    def gone(self) -> int:
        """Copies without an original."""
        return sum(row.gone for row in self.copies)
