"""What a copy of a process's memory looks like to the rooms behind ``target``.

Plain data: no process handle is needed to use it, except that ``read_only`` may
ask a process that still lives for pages it cannot have changed (program text
and constants), and answers ``None`` once it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAGE_BYTES = 4096


@dataclass(frozen=True)
class LoadedModule:
    """An ELF file mapped into the process: the executable or a shared library."""

    path: str
    """As the process sees it (no ``/proc/PID/root`` before it, no `` (deleted)`` behind it)."""
    load_bias: int
    """Add to an ELF virtual address to get an address in the process (0 for a non-PIE executable)."""
    data_ranges: tuple[tuple[int, int], ...]
    """``[start, end)`` of its writable memory: .data, .bss and what lies between, in ascending order."""
    symbols: dict[str, int]
    """Runtime addresses of those of Python's symbols that it defines: ``PyType_Type``, ``_PyRuntime`` ..."""


@dataclass(frozen=True)
class StoppedThread:
    """A kernel thread as it stood when memory was copied."""

    tid: int
    stack_pointer: int
    """0 where it is not known (``--pause none``)."""
    registers: tuple[int, ...]
    """General registers; an object may be held by nothing else while C code runs."""
    thread_pointer: int = 0
    """Where the C library keeps what it knows of the thread (``%fs``); 0 where it is not known."""
    inside: int | None = None
    """The id that the process has for it, in a PID namespace of its own (0 unknown); None if that is ``tid``."""


@dataclass(frozen=True)
class CaptureFacts:
    """How the copy was made; all of it may be shown to anybody."""

    pid: int
    captured_at: float
    """Epoch seconds."""
    strategy: str
    """``copy``, ``fork``, ``none`` or ``core``."""
    pause_ms: float
    """From the first thread stopped to the last let go; 0 for ``none`` and ``core``."""
    copied_bytes: int
    started_at: float | None
    """Epoch seconds at which the process began, to 0.01 s; None where unknown."""
    warnings: tuple[str, ...]
    monotonic_at: float | None = None
    """What the target's own CLOCK_MONOTONIC showed at ``captured_at``, in seconds; None where unknown."""
    boottime_at: float | None = None
    """The same of CLOCK_BOOTTIME."""
    utc_offset_s: float | None = None
    """Seconds east of UTC of local time at ``captured_at``, by the environment it began with; None where unknown."""
    seasons_s: tuple[float, float] | None = None
    """The same of January and of July."""


@dataclass(frozen=True)
class MemoryImage:
    """All private writable memory of a process, as packed pages.

    ``buffer[i * PAGE_BYTES:(i + 1) * PAGE_BYTES]`` is the page that begins at
    ``pages[i]``; pages the process never touched are absent and read as zeros.
    """

    buffer: npt.NDArray[np.uint8]
    """Length ``len(pages) * PAGE_BYTES``, 64-byte aligned."""
    pages: npt.NDArray[np.uint64]
    """Strictly ascending page addresses, multiples of ``PAGE_BYTES``."""
    modules: tuple[LoadedModule, ...]
    """The executable first; ascending by nothing else."""
    threads: tuple[StoppedThread, ...]
    stacks: tuple[tuple[int, int], ...]
    """``[start, end)`` of the mapping with each thread's stack pointer, as in ``threads``; (0, 0) unknown."""
    executable: str
    version: str
    """Of CPython, such as ``3.10.13``."""
    facts: CaptureFacts
    read_only: Callable[[int, int], bytes | None]
    """``read_only(address, length)``: bytes of a mapping that is not in ``buffer`` (.rodata), or None."""
