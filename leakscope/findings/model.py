"""What analyses return and what ``render`` shows; field names are those of the JSON documents.

Sizes are bytes, ages seconds, addresses integers (rendered as ``0x...``). All
text may come from a foreign heap: whoever shows it escapes it.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = "leakscope/1"


@dataclass(frozen=True)
class Snapshot:
    """The facts of one capture."""

    path: str | None
    pid: int | None
    runtime: str
    version: str
    captured_at: float | None
    objects: int
    references: int
    sessions: int | None
    pause_ms: float | None
    copied_bytes: int | None
    elapsed_s: float | None
    strategy: str | None
    garbage_objects: int = 0
    garbage_bytes: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChainRoot:
    """Where a chain begins: the last name in somebody's code, or the interpreter's or C's own hold."""

    kind: str
    """``module``, ``class``, ``frame``, ``thread``, ``c global``, ``c stack``, ``interpreter`` ..."""
    name: str
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class ChainStep:
    """One reference: ``edge`` is how the previous object holds this one, ``type`` is this object's class."""

    edge: str
    """``.sessions``, ``['#1a2b3c4d5e6f']``, ``[3]``, ``local 'session'``, ``cell 'self'`` ..."""
    type: str
    function: str | None = None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Cluster:
    """Objects of one class that are held in the same way."""

    fingerprint: str
    """12 hexadecimal digits."""
    class_: str
    count: int
    retained_bytes: int
    """Exact for the set: what would be freed if all its members were."""
    root: ChainRoot
    steps: tuple[ChainStep, ...]
    text: str
    """The chain on one line, root first."""
    sample_addresses: tuple[int, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class in ``top``."""

    class_: str
    count: int
    own_bytes: int
    retained_bytes: int


@dataclass(frozen=True)
class ProcessRow:
    """One process in ``ps``."""

    pid: int
    runtime: str
    """``cpython``, ``jvm``, ``node``, ``go`` or ``unknown``."""
    version: str | None
    rss_bytes: int
    threads: int
    open_files: int | None
    connections: int | None
    supported: bool
    reason: str | None
    """Why it cannot be attached to; None if it can."""
    command: str
    """The executable's or script's short name; never the whole command line."""
    parent: int = 0
    """PID of the process that it is a child of; 0: none that is to be seen from here."""
    pid_inside: int | None = None
    """The PID that it has for itself, in a PID namespace of its own (a container); None if that is ``pid``."""


@dataclass(frozen=True)
class FamilyMember:
    """One process in ``snapshot --tree``: what was taken of it, or why nothing was."""

    pid: int
    parent: int
    pid_inside: int | None
    command: str
    snapshot: Snapshot | None
    reason: str | None
    """Why no snapshot was taken; None if one was."""
    refused: bool = False
    """True for a Python that is there and could not be read, False for what is no Python or has ended."""


@dataclass(frozen=True)
class Check:
    """One line of ``doctor``."""

    name: str
    status: str
    """``ok``, ``warning`` or ``failed``."""
    detail: str
    remedy: str | None = None
