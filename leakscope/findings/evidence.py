"""What the process itself shows beside its heap. Sizes are bytes; None is unknown."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SocketHolders:
    """Sockets in one state that belong to objects of one class."""

    state: str
    class_: str
    """Of the owners; of the sockets themselves where nothing owns them."""
    sockets: int
    holders: int
    """How many owners they have together."""


@dataclass(frozen=True)
class FileHolders:
    """Open descriptors of one kind, sockets apart, that belong to objects of one class."""

    kind: str
    """``files``, ``pipes``, ``devices``, ``kernel``."""
    class_: str
    """Of the owners; of the file objects themselves where nothing owns them."""
    descriptors: int
    holders: int
    """How many owners they have together."""


@dataclass(frozen=True)
class PoolUse:
    """What one pool of connections has lent out; None is unknown."""

    class_: str
    address: int
    taken: int | None
    idle: int | None
    limit: int | None
    """The most it lends at a time; None for no limit, too."""
    held_by: dict[str, int] = field(default_factory=dict)
    """By class of the owners how much of what it lent they have, as far as that knows its pool; most first."""

    @property
    def exhausted(self) -> bool:
        """Whoever wants another connection waits."""
        return self.taken is not None and self.limit is not None and self.taken >= self.limit > 0


@dataclass(frozen=True)
class ProcessEvidence:
    """Numbers of the kernel from the moment after the capture, and what the heap says to them."""

    live_heap_bytes: int
    """Of all objects that something reaches."""
    garbage_heap_bytes: int
    other_bytes: int | None = None
    """Of the process's own resident memory: what is no Python object, so C's, or freed and not given back."""
    rss_bytes: int | None = None
    pss_bytes: int | None = None
    uss_bytes: int | None = None
    anonymous_bytes: int | None = None
    """The resident part that is not the content of a file: heaps, stacks, data."""
    swap_bytes: int | None = None
    memory_limit_bytes: int | None = None
    """The tightest limit of its control groups."""
    memory_used_bytes: int | None = None
    """By all processes under that limit."""
    threads: int | None = None
    descriptors: dict[str, int] | None = None
    """By kind: ``sockets``, ``pipes``, ``files``, ``devices``, ``kernel`` (epoll, events, timers)."""
    descriptors_limit: int | None = None
    sockets: dict[str, int] | None = None
    """By state: those of TCP (``CLOSE_WAIT``), else ``udp``, ``unix``, ``other``."""
    held: tuple[SocketHolders, ...] = ()
    """Most sockets first; those that only C code knows are in ``sockets`` alone."""
    files_held: tuple[FileHolders, ...] = ()
    """Most descriptors first."""
    unowned: dict[str, int] | None = None
    """Descriptors by kind that no file, socket or epoll object has: those of C code, and bare numbers."""


@dataclass(frozen=True)
class Expected:
    """Objects of one class that ``expect_gone`` was told of for one reason, and that are still there."""

    reason: str | None
    """As it stands in the code; a hash if it was put together at run time; None if there is none."""
    class_: str
    waiting: int
    """All that are still there."""
    due: int
    """Those that should be gone by now."""
    overdue_s: float | None
    """For how long the first of them should be; None where none is due."""
