"""What ``diff`` answers: lists run over the snapshots in the order of their capture. Sizes are bytes, ages seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassChange:
    """One class; classes of one name are one."""

    class_: str
    counts: tuple[int, ...]
    delta: int
    """Last minus first."""
    retained_delta_bytes: int
    """Of lower bounds, as ``top`` shows them."""


@dataclass(frozen=True)
class ClusterChange:
    """Sessions of one class that are held in the same way."""

    fingerprint: str
    class_: str
    counts: tuple[int, ...]
    delta: int
    retained_delta_bytes: int
    text: str | None
    """The chain on one line; None where it is too small to have been kept."""


@dataclass(frozen=True)
class ContainerChange:
    """One dict, list, set or deque and how many entries it had."""

    holder: str
    """The chain to it on one line, root first."""
    type: str
    lengths: tuple[int, ...]
    delta: int
    address: int | None
    """None where the snapshots are of several processes."""


@dataclass(frozen=True)
class SessionsOfClass:
    """How sessions of one class came and went between the first and the last snapshot; None across processes."""

    class_: str
    counts: tuple[int, ...]
    born: int | None
    gone: int | None
    survived: int | None


@dataclass(frozen=True)
class SessionsChange:
    """All sessions."""

    counts: tuple[int, ...]
    born: int | None
    gone: int | None
    survived: int | None
    oldest_survivor_s: float | None
    classes: tuple[SessionsOfClass, ...]


@dataclass(frozen=True)
class Rest:
    """What was folded away."""

    rows: int
    delta: int
    retained_delta_bytes: int


@dataclass(frozen=True)
class SnapshotRow:
    """One of the snapshots compared."""

    name: str
    captured_at: float | None
    pid: int | None
    version: str
    objects: int
    own_bytes: int


@dataclass(frozen=True)
class Diff:
    """The whole answer."""

    snapshots: tuple[SnapshotRow, ...]
    same_process: bool
    classes: tuple[ClassChange, ...]
    """What grew or shrank, the most growth of retained bytes first."""
    other_classes: Rest
    sessions: SessionsChange
    clusters: tuple[ClusterChange, ...]
    other_clusters: Rest
    containers: tuple[ContainerChange, ...]
    notes: tuple[str, ...] = ()
    """What cannot be compared, and why."""
