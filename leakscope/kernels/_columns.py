"""Where arrays live that grow with the heap: in ordinary memory, or in files without a name. Not compiled.

A spilled column is mapped from an unlinked file. While leakscope keeps within its limit nothing differs; near it a
watching thread gives the pages of all such mappings back, and they return from the kernel's cache, or the disk, when
they are next touched. Columns hold addresses, sizes and numbers; what the heap says stands in none of them.
"""

from __future__ import annotations

import mmap
import os
import resource
import tempfile
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

LEAST_SPILLED_BYTES = 1 << 20
_PAGE_BYTES = resource.getpagesize()
_LOOK_S = 0.01
_MOST_PATIENCE_S = 0.04
_NEAR = 0.85
_LEAST_GAIN = 16
_SLICE = 1 << 20
_HURRY = -10


class Dropped(Protocol):
    """What can give its memory back and have it again: a mapping of a file, or of another process's pages."""

    is_dear: bool
    """Whether to have it again takes long."""

    def drop(self) -> None:
        """Gives the pages back; may be called at any time, from any thread."""


class SpillFile(mmap.mmap):
    """Bytes of a file without a name, zeros at first; a buffer that arrays can lie in."""

    is_dear = False

    @classmethod
    def of(cls, folder: Path, size: int, reserve: bool = False) -> SpillFile:
        """``size`` bytes in ``folder``; raises OSError if it cannot have them.

        ``reserve`` takes the room on the disk now, so that it cannot be missing later.
        """
        with tempfile.TemporaryFile(dir=folder) as file:
            if reserve:
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            return cls(file.fileno(), size)

    def drop(self) -> None:
        """Gives all pages back; what was written stays in the file."""
        with suppress(ValueError):  # closed meanwhile
            self.madvise(mmap.MADV_DONTNEED)


class Store:
    """The process's one place for columns: ordinary memory until ``keep_below`` names a folder."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._near = 0
        self._dropped: weakref.WeakSet[Dropped] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._watcher: _Watcher | None = None
        self._trim: Callable[[], object] = bool

    def keep_below(self, most_bytes: int, folder: Path | None, trim: Callable[[], object] = bool) -> None:
        """From now on this process takes less memory than that, as far as what can be dropped allows.

        New columns lie in files in ``folder``, or in memory without one. ``trim`` gives back what was freed.
        """
        self.stop()
        self._trim = trim
        self._folder = folder
        self._near = int(most_bytes * _NEAR)
        self._watcher = _Watcher(self.drop, self._near)
        self._watcher.start()

    def stop(self) -> None:
        """Back to ordinary memory, without limit; columns that exist stay where they are."""
        self._folder = None
        if self._watcher:
            self._watcher.stop()
            self._watcher = None

    def watch(self, dropped: Dropped) -> None:
        """Drops this too from now on, as long as somebody else refers to it."""
        with self._lock:
            self._dropped.add(dropped)

    def drop(self, most_bytes: int) -> None:
        """Gives back what can be had again, the cheap first, until this process takes less than ``most_bytes``."""
        with self._lock:
            dropped = list(self._dropped)
        self._trim()
        for is_dear in (False, True):
            for each in dropped:
                if each.is_dear == is_dear:
                    each.drop()
            if resident_bytes() < most_bytes:
                return

    def make_way(self, size: int) -> None:
        """Drops if ``size`` more would be too much; without waiting for the watcher, which may not get a turn."""
        soon = min(size, self._near // 4)  # many columns are made larger than they are filled
        if resident_bytes() + soon > self._near:
            self.drop(self._near - soon)

    def empty(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of ``count``, its content unspecified; what of it is never touched costs nothing."""
        column = self._spilled(count, dtype)
        return np.empty(count, dtype) if column is None else column

    def zeros(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of ``count`` zeros."""
        column = self._spilled(count, dtype)
        return np.zeros(count, dtype) if column is None else column

    def full(self, count: int, value: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """An array of ``count`` times ``value``."""
        column = self.empty(count, dtype)
        column.fill(value)
        return column

    def _spilled(self, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any] | None:
        """Zeros in a file, if there is a folder with room for them and it is worth it."""
        size = count * np.dtype(dtype).itemsize
        if self._folder is None or size < LEAST_SPILLED_BYTES:
            return None
        self.make_way(size)
        try:
            file = SpillFile.of(self._folder, size)
        except OSError:
            return None
        self.watch(file)
        return np.frombuffer(file, dtype, count)


def copied(column: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """A column of its own."""
    copy = STORE.empty(len(column), dtype)
    copy[:] = column
    return copy


def joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """One column of at least one part, in their order."""
    return np.concatenate(parts, out=STORE.empty(sum(map(len, parts)), parts[0].dtype))


def squeezed(column: npt.NDArray[Any], kept: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """What of ``column`` is ``kept``, moved to its front in place."""
    count = 0
    for start in range(0, len(column), _SLICE):
        part = column[start : start + _SLICE][kept[start : start + _SLICE]]
        column[count : count + len(part)] = part
        count += len(part)
    return column[:count]


class _Watcher(threading.Thread):
    """Looks how much memory this process has, and drops what can be dropped when it nears the limit."""

    def __init__(self, drop: Callable[[int], None], near: int) -> None:
        super().__init__(name="leakscope-memory", daemon=True)
        self._drop = drop
        self._near = near
        self._ended = threading.Event()

    def run(self) -> None:
        with suppress(OSError):  # on a busy machine it must get its turn, if it may
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _HURRY)
        patience = _LOOK_S
        while not self._ended.wait(patience):
            before = resident_bytes()
            if before < self._near:
                patience = _LOOK_S
                continue
            self._drop(self._near - self._near // _LEAST_GAIN)
            # Where hardly anything can be dropped, to look again at once would only cost time.
            is_worth_it = before - resident_bytes() > self._near // _LEAST_GAIN
            patience = _LOOK_S if is_worth_it else min(patience * 2, _MOST_PATIENCE_S)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def resident_bytes() -> int:
    """Memory that this process has now."""
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


STORE = Store()
empty, zeros, full = STORE.empty, STORE.zeros, STORE.full
