"""What ``suspects`` answers. Sizes are bytes; None is unknown. Evidence is true sentences with their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.findings.model import ChainRoot, ChainStep


@dataclass(frozen=True)
class Suspect:
    """One leak: what is kept, by whom, how one can tell, and what to do."""

    rank: int
    """From 1; 0 where it is none yet."""
    kind: str
    """``module container``, ``listener list``, ``pending task`` ...: ``sessions/catalogue/remedies.toml`` has all."""
    class_: str
    count: int
    growth_per_step: float | None
    """How many more there were after each step, on the average; None without earlier snapshots of the process."""
    retained_bytes: int
    """Exact for all ``count`` together."""
    fingerprint: str
    """12 hexadecimal digits."""
    holder: str
    """The last thing with a name in somebody's code that keeps them."""
    file: str | None
    """Where that is, if it is known: of a function, a coroutine, a frame."""
    line: int | None
    chain: str
    """From the holder to one of them, on one line."""
    evidence: tuple[str, ...]
    remedy: str
    link: str | None
    root: ChainRoot
    steps: tuple[ChainStep, ...]
    sample_addresses: tuple[int, ...]


@dataclass(frozen=True)
class Candidate:
    """What one snapshot cannot tell from a full cache, and two processes not from a difference in load."""

    class_: str
    count: int
    holder: str
    reason: str


@dataclass(frozen=True)
class Harmless:
    """Growth that is known to end, or to mean nothing."""

    class_: str
    count: int
    holder: str
    reason: str


@dataclass(frozen=True)
class SuspectReport:
    """The whole answer of ``suspects``."""

    suspects: tuple[Suspect, ...]
    """At most as many as were asked for, the most certain first."""
    candidates: tuple[Candidate, ...]
    harmless: tuple[Harmless, ...]
    notes: tuple[str, ...]
    """What was compared, what it cannot tell, and what would tell more."""
    total: int
    """Suspects, those included that are not shown."""
    snapshots: int
    same_process: bool
