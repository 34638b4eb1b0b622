"""Which pages of a process hold anything: read from ``/proc/PID/pagemap``, without touching the pages.

Reading an untouched page from outside would make the kernel give the target one.
"""

from __future__ import annotations

import errno
import fcntl
import struct
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from leakscope.target.image import PAGE_BYTES

Ranges = npt.NDArray[np.uint64]
"""Shape (n, 2): start address and length in bytes of each range, ascending: an array of iovecs."""

_PAGEMAP_SCAN = 0xC0606610  # Linux 6.7
_PRESENT_OR_SWAPPED = 1 << 3 | 1 << 4
_ZERO_PAGE = 1 << 5
_GUARD = 1 << 8  # Linux 6.15; EINVAL before
_SCAN_REGIONS = 8192
_WORD_PRESENT_OR_SWAPPED = np.uint64(3 << 62)
_WORD_GUARD = np.uint64(1 << 58)
_WORDS_AT_ONCE = 1 << 20


class Residency:
    """An open pagemap of one process. Opening raises OSError as other files of ``/proc/PID``.

    >>> with Residency(pid) as residency:
    ...     ranges = residency.resident([(start, end), ...])
    """

    def __init__(self, pid: int) -> None:
        self._file = Path(f"/proc/{pid}/pagemap").open("rb", buffering=0)  # noqa: SIM115
        self._found = np.zeros((_SCAN_REGIONS, 3), dtype=np.uint64)
        self._skipped = _ZERO_PAGE | _GUARD
        self._can_scan = True

    def __enter__(self) -> Residency:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def resident(self, areas: list[tuple[int, int]]) -> Ranges:
        """The parts of ascending areas ``[start, end)`` that are in memory or swapped out."""
        parts = [self._resident(start, end) for start, end in areas]
        return _join(np.concatenate(parts)) if parts else np.zeros((0, 2), dtype=np.uint64)

    def _resident(self, start: int, end: int) -> Ranges:
        while self._can_scan:
            try:
                return self._scan(start, end)
            except OSError as error:
                # Ask the kernel for less until it understands.
                if self._skipped & _GUARD and error.errno == errno.EINVAL:
                    self._skipped = _ZERO_PAGE
                elif error.errno in (errno.EINVAL, errno.ENOTTY):
                    self._can_scan = False
                else:
                    raise
        return self._words(start, end)

    def _scan(self, start: int, end: int) -> Ranges:
        parts = []
        while start < end:
            request = bytearray(
                struct.pack(
                    "=12Q",
                    *(96, 0, start, end, 0, self._found.ctypes.data, _SCAN_REGIONS, 0),
                    *(self._skipped, self._skipped, _PRESENT_OR_SWAPPED, _ZERO_PAGE),
                )
            )
            count = fcntl.ioctl(self._file, _PAGEMAP_SCAN, request)
            parts.append(self._found[:count, :2].copy())
            start = struct.unpack_from("=Q", request, 32)[0]
        ranges = np.concatenate(parts)
        ranges[:, 1] -= ranges[:, 0]
        return ranges

    def _words(self, start: int, end: int) -> Ranges:
        parts = []
        for first in range(start // PAGE_BYTES, end // PAGE_BYTES, _WORDS_AT_ONCE):
            count = min(_WORDS_AT_ONCE, end // PAGE_BYTES - first)
            self._file.seek(first * 8)
            words = np.frombuffer(self._file.read(count * 8), dtype=np.uint64)
            there = ((words & _WORD_PRESENT_OR_SWAPPED) != 0) & ((words & _WORD_GUARD) == 0)
            edges = np.flatnonzero(np.diff(there.astype(np.int8), prepend=0, append=0)).astype(np.uint64)
            ranges = edges.reshape(-1, 2)
            ranges[:, 1] -= ranges[:, 0]
            ranges[:, 0] += np.uint64(first)
            parts.append(ranges * np.uint64(PAGE_BYTES))
        return np.concatenate(parts)


def whole(areas: list[tuple[int, int]]) -> Ranges:
    """All of the areas, for a kernel that does not tell which pages are there."""
    ranges = np.array(areas, dtype=np.uint64).reshape(-1, 2)
    ranges[:, 1] -= ranges[:, 0]
    return _join(ranges)


def united(parts: list[Ranges]) -> Ranges:
    """All of several ranges that do not overlap, ascending."""
    ranges = np.concatenate(parts)
    return _join(ranges[np.argsort(ranges[:, 0])])


def _join(ranges: Ranges) -> Ranges:
    """Makes one range of ranges that touch."""
    if len(ranges) < 2:
        return ranges
    starts, ends = ranges[:, 0], ranges[:, 0] + ranges[:, 1]
    apart = starts[1:] != ends[:-1]
    first = np.concatenate(([True], apart))
    last = np.concatenate((apart, [True]))
    return np.stack((starts[first], ends[last] - starts[first]), axis=1)
