"""Copies ranges of another process's memory into one packed buffer, with as little work as can be per range.

The buffer is allocated and touched before the target is stopped: copying into memory that the kernel
has yet to find takes many times as long.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leakscope.kernels._columns import STORE, SpillFile
from leakscope.target.image import PAGE_BYTES
from leakscope.target.libc import MAX_RANGES, read_ranges
from leakscope.target.residency import Ranges

PIECE_BYTES = 16 << 20
_POPULATE_WRITE = 23  # MADV_POPULATE_WRITE, Linux 5.14
Bytes = npt.NDArray[np.uint8]


class Room:
    """Page-aligned memory that the kernel has already given; ``bytes`` is all of it.

    With ``folder`` it lies in a file without a name there instead, of which as much is in memory as leakscope's limit
    allows. Raises OSError where the folder has no room.
    """

    def __init__(self, size: int, folder: Path | None = None) -> None:
        self._map: mmap.mmap
        if folder:
            self._map = SpillFile.of(folder, max(size, PAGE_BYTES), reserve=True)
            STORE.watch(self._map)
            self.bytes: Bytes = np.frombuffer(self._map, dtype=np.uint8)
            return
        self._map = mmap.mmap(-1, max(size, PAGE_BYTES), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        with suppress(OSError):
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.bytes = np.frombuffer(self._map, dtype=np.uint8)
        try:
            self._map.madvise(_POPULATE_WRITE)
        except OSError:
            self.bytes[::PAGE_BYTES] = 0

    def checked(self, check: Callable[[], None]) -> Callable[[], None]:
        """For ``copy_ranges``: ``check``, and that a copy in a file does not fill the memory on its way there."""
        if not isinstance(self._map, SpillFile):
            return check

        def check_and_make_way() -> None:
            check()
            STORE.make_way(2 * PIECE_BYTES)

        return check_and_make_way

    def trim(self, used: int) -> Bytes:
        """A view of the first ``used`` bytes; the rest goes back to the kernel, whole pages only."""
        tail = -(-used // PAGE_BYTES) * PAGE_BYTES
        if tail < len(self.bytes):
            self._give_back(tail)
        return self.bytes[:used]

    def release(self) -> None:
        """Gives all of it back: ``bytes`` are zeros from now on."""
        self._give_back(0)

    def _give_back(self, start: int) -> None:
        with suppress(OSError):  # a file system that cannot make holes keeps the file until it is forgotten
            way = mmap.MADV_REMOVE if isinstance(self._map, SpillFile) else mmap.MADV_DONTNEED
            self._map.madvise(way, start, len(self.bytes) - start)


@dataclass(frozen=True)
class Piece:
    """One system call: ``count`` rows of ``ranges`` from ``first``, to go to ``offset`` of the buffer."""

    offset: int
    length: int
    ranges: Ranges
    first: int
    count: int


@dataclass(frozen=True)
class Copied:
    """The packed pages; ``unreadable`` bytes of the ranges were refused by the kernel and left out."""

    buffer: Bytes
    pages: npt.NDArray[np.uint64]
    unreadable: int


def total_bytes(ranges: Ranges) -> int:
    """Sum of the lengths."""
    return int(ranges[:, 1].sum())


def copy_ranges(
    pid: int, ranges: Ranges, into: Bytes, helper: ThreadPoolExecutor, check: Callable[[], None]
) -> list[tuple[int, int]]:
    """Copies ``ranges`` one behind the other, half of it in ``helper``'s thread.

    ``check`` is called between pieces and may raise to end the copy. Returns the spans
    ``(offset, length)`` of the buffer that could not be read. Raises OSError (ESRCH: gone).
    """
    pieces = cut(ranges)
    other_half = helper.submit(_copy_pieces, pid, pieces[1::2], into, check)
    try:
        unreadable = _copy_pieces(pid, pieces[::2], into, check)
    finally:
        # The helper writes to the buffer: nobody leaves before it does.
        others = other_half.result()
    return unreadable + others


def cut(ranges: Ranges) -> list[Piece]:
    """Divides ranges into system calls of at most ``PIECE_BYTES`` and ``MAX_RANGES`` ranges."""
    total = total_bytes(ranges)
    if not total:
        return []
    ends = np.cumsum(ranges[:, 1])
    offsets = ends - ranges[:, 1]
    cuts = np.union1d(offsets, np.arange(0, total, PIECE_BYTES, dtype=np.uint64))
    row = np.searchsorted(offsets, cuts, side="right") - 1
    lengths = np.diff(cuts, append=np.uint64(total))
    parts = np.ascontiguousarray(np.stack((ranges[row, 0] + cuts - offsets[row], lengths), axis=1))
    slots = cuts // np.uint64(PIECE_BYTES)
    edges = np.concatenate(([0], np.flatnonzero(np.diff(slots)) + 1, [len(cuts)])).tolist()
    return [
        Piece(int(cuts[at]), int(lengths[at:stop].sum()), parts, at, stop - at)
        for first, end in pairwise(edges)
        for at in range(first, end, MAX_RANGES)
        for stop in (min(at + MAX_RANGES, end),)
    ]


def _copy_pieces(pid: int, pieces: list[Piece], into: Bytes, check: Callable[[], None]) -> list[tuple[int, int]]:
    unreadable: list[tuple[int, int]] = []
    base = into.ctypes.data
    for piece in pieces:
        check()
        try:
            address = piece.ranges.ctypes.data + piece.first * 16
            got = read_ranges(pid, base + piece.offset, piece.length, address, piece.count)
        except OSError as error:
            if error.errno != errno.EFAULT:
                raise
            got = 0
        if got < piece.length:
            unreadable += _copy_readable(pid, piece, base)
    return unreadable


def _copy_readable(pid: int, piece: Piece, base: int) -> list[tuple[int, int]]:
    """Copies a piece range by range; of a range with a page that cannot be read, what lies before it."""
    unreadable = []
    offset = piece.offset
    address = piece.ranges.ctypes.data + piece.first * 16
    lengths = piece.ranges[piece.first : piece.first + piece.count, 1].tolist()
    for length in lengths:
        try:
            got = read_ranges(pid, base + offset, length, address, 1) & -PAGE_BYTES
        except OSError as error:
            if error.errno != errno.EFAULT:
                raise
            got = 0
        if got < length:
            unreadable.append((offset + got, length - got))
        offset += length
        address += 16
    return unreadable


def pack(ranges: Ranges, room: Room, unreadable: list[tuple[int, int]]) -> Copied:
    """The copied pages with their addresses, without those that could not be read."""
    total = total_bytes(ranges)
    pages = page_addresses(ranges)
    lost = 0
    if unreadable:
        keep = np.ones(len(pages), dtype=bool)
        for offset, length in unreadable:
            keep[offset // PAGE_BYTES : (offset + length) // PAGE_BYTES] = False
            lost += length
        _close_gaps(room.bytes[:total], keep)
        pages = pages[keep]
    return Copied(room.trim(total - lost), pages, lost)


def page_addresses(ranges: Ranges) -> npt.NDArray[np.uint64]:
    """The address of each page of the ranges."""
    counts = ranges[:, 1] // np.uint64(PAGE_BYTES)
    before = np.cumsum(counts) - counts
    skew = ranges[:, 0] - before * np.uint64(PAGE_BYTES)
    ordinal = np.arange(int(counts.sum()), dtype=np.uint64)
    addresses: npt.NDArray[np.uint64] = ordinal * np.uint64(PAGE_BYTES) + np.repeat(skew, counts.astype(np.int64))
    return addresses


def _close_gaps(buffer: Bytes, keep: npt.NDArray[np.bool_]) -> None:
    """Moves the pages to keep to the front, in their order."""
    edges = np.flatnonzero(np.diff(keep.astype(np.int8), prepend=0, append=0)).tolist()
    to = 0
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        size = (end - first) * PAGE_BYTES
        for done in range(0, size, PIECE_BYTES):
            step = min(PIECE_BYTES, size - done)
            at = first * PAGE_BYTES + done
            buffer[to : to + step] = buffer[at : at + step].copy()
            to += step
