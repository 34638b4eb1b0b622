"""The stacks of threads: where each ends, and by which id the process itself knows its thread."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from leakscope.target.image import PAGE_BYTES, StoppedThread
from leakscope.target.maps import Mapping, mapping_at
from leakscope.target.proc import pid_inside


def stack_of(mappings: Sequence[Mapping], thread: StoppedThread) -> tuple[int, int]:
    """``[start, end)`` of the memory a thread's stack lies in; (0, 0) where it is not known.

    The kernel makes one mapping of a stack and of what was mapped above it, which may be heap. Of a thread's own
    mapping the C library takes the topmost page for what it knows of the thread, and lets the thread pointer say where.
    """
    mapping = mapping_at(mappings, thread.stack_pointer)
    if mapping is None:
        return 0, 0
    if thread.stack_pointer <= thread.thread_pointer < mapping.end:
        return mapping.start, (thread.thread_pointer & -PAGE_BYTES) + PAGE_BYTES
    return mapping.start, mapping.end


def known_inside(pid: int, threads: Sequence[StoppedThread]) -> tuple[StoppedThread, ...]:
    """``threads`` with the ids that the process has for them, where a PID namespace of its own gives others."""
    try:
        if pid_inside(pid) is None:
            return tuple(threads)
    except OSError:
        return tuple(threads)
    return tuple(dataclasses.replace(thread, inside=_id_inside(pid, thread.tid)) for thread in threads)


def _id_inside(pid: int, tid: int) -> int:
    try:
        return pid_inside(pid, tid) or tid
    except OSError:
        return 0  # it ended since; its id must not name another thread
