"""What profiles say: places in code with what they have in use. No objects, so neither ages nor, mostly, holders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Site:
    """One place: all stacks that the same function of the user's code is to answer for."""

    function: str
    """The innermost of the user's own; a library's where no other is on the stack."""
    file: str | None
    line: int | None
    stack: tuple[str, ...]
    """The commonest one, the innermost first: ``main.open (main.go:12)``. Of references the chain, the root first."""
    stacks: int
    counts: tuple[int, ...]
    """By profile: objects or goroutines."""
    bytes: tuple[int, ...]
    fingerprint: str
    """12 hexadecimal digits, of the function and its stack's functions: line numbers may change."""


@dataclass(frozen=True)
class SiteSuspect:
    """A place that grows as a leak does."""

    rank: int
    kind: str
    """``allocation site``, ``goroutines`` or ``reference chain``."""
    site: Site
    growth_per_step: float
    """Objects or goroutines."""
    evidence: tuple[str, ...]
    remedy: str


@dataclass(frozen=True)
class ProfileReport:
    """All that profiles of one kind answer, the oldest first."""

    measure: str
    """``heap``, ``goroutine`` or ``references``."""
    sampled_bytes: int
    """Counts are estimates from one sample in so many bytes; 1: they are exact."""
    captured_at: tuple[float | None, ...]
    counts: tuple[int, ...]
    """Of all sites, by profile."""
    bytes: tuple[int, ...]
    sites: tuple[Site, ...]
    """At most as many as were asked for, the most in use, or the most growth, first."""
    total: int
    suspects: tuple[SiteSuspect, ...]
    notes: tuple[str, ...]
