"""What the gate measured, what it holds against it, and its verdict. Ages are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass

RULES = {
    "growth": "Objects that every round of equal work leaves behind",
    "sessions": "More live sessions of a kind than allowed",
    "age": "Sessions older than allowed",
    "idle": "Sessions unused for longer than allowed",
    "overdue": "Sessions whose own time is over",
    "closed-retained": "Sessions that are closed and still held",
    "expected-gone": "Sessions that the service expected to be gone",
    "closing-hung": "Sessions that have been closing for over a minute",
    "holder-dead": "Sessions kept for a holder that shows no sign of life",
    "unregistered": "Sessions that live although their registry has forgotten them",
    "retained": "Classes that keep more memory alive than allowed",
    "container": "Containers with more entries than allowed",
    "descriptors": "Open file descriptors that grow from round to round",
    "threads": "Threads that grow from round to round",
}
"""What each rule of the gate finds; the keys are those of the policy, of reports and of baselines."""


@dataclass(frozen=True)
class Observation:
    """One thing that a rule looked at, whether or not it is too much: what analyses hand to the gate."""

    rule: str
    found: float
    """Growth: objects per round. Otherwise a count, bytes, or seconds."""
    unit: str
    """``objects``, ``sessions``, ``bytes``, ``s``, ``entries``, ``descriptors`` or ``threads``."""
    class_: str | None = None
    fingerprint: str | None = None
    chain: str | None = None
    """The chain on one line, root first."""
    holder: str | None = None
    evidence: tuple[str, ...] = ()
    """True sentences with numbers: why, and how sure."""
    remedy: str | None = None
    file: str | None = None
    """Of the holder's definition, or of the frame that holds; as the target's own code says it."""
    line: int | None = None
    exact: bool = True
    """False where only a class's name makes it a session."""
    doubtful: bool = False
    """So slow, and over so few rounds, that it may be the end of something that fills: more rounds tell."""


@dataclass(frozen=True)
class Violation:
    """An observation beyond its limit."""

    rule: str
    class_: str | None
    fingerprint: str | None
    chain: str | None
    limit: float
    found: float
    unit: str
    message: str
    """One sentence."""
    holder: str | None = None
    evidence: tuple[str, ...] = ()
    remedy: str | None = None
    file: str | None = None
    line: int | None = None
    reason: str | None = None
    """Why the baseline tolerates it, or did until it expired."""
    expired: str | None = None
    """The day on which the baseline's leave ended."""


@dataclass(frozen=True)
class KnownLeak:
    """One entry of a baseline."""

    rule: str
    fingerprint: str | None
    class_: str | None
    chain: str | None
    allowed: float
    reason: str
    expires: str | None = None
    """``YYYY-MM-DD``: the last day on which it passes."""


@dataclass(frozen=True)
class Round:
    """One snapshot that the gate took or was given."""

    name: str
    pid: int | None
    captured_at: float | None
    objects: int
    sessions: int
    pause_ms: float | None
    descriptors: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Verdict:
    """The gate's answer."""

    passed: bool
    violations: tuple[Violation, ...]
    """What fails: new leaks, known ones beyond what their entry allows, and expired ones."""
    new: tuple[Violation, ...]
    """Those of ``violations`` that no entry of the baseline names."""
    known: tuple[Violation, ...]
    """Beyond the policy's limit, but the baseline allows as much."""
    fixed: tuple[KnownLeak, ...]
    """Entries of the baseline that were not seen: they can go."""
    rounds: tuple[Round, ...] = ()
    notes: tuple[str, ...] = ()
    """What was not judged and why; what was retried."""
