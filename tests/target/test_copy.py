"""Residency and copying, on memory of this very process, where every byte is known."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.target.copy import PIECE_BYTES, Room, copy_ranges, cut, pack, page_addresses, total_bytes
from leakscope.target.image import PAGE_BYTES
from leakscope.target.libc import MAX_RANGES
from leakscope.target.residency import Ranges, Residency, whole

from .support import Target

PAGES = 3000


class Memory:
    """``PAGES`` pages of this process that hold what ``bytes`` says."""

    def __init__(self) -> None:
        self.map = mmap.mmap(-1, PAGES * PAGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.bytes = np.frombuffer(self.map, dtype=np.uint8)
        self.start = self.bytes.ctypes.data

    def touch(self, pages: list[int]) -> None:
        for page in pages:
            self.bytes[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = 1 + page % 255

    def ranges(self, spans: list[tuple[int, int]]) -> Ranges:
        rows = [(self.start + first * PAGE_BYTES, count * PAGE_BYTES) for first, count in spans]
        return np.array(rows, dtype=np.uint64).reshape(-1, 2)


@pytest.fixture(scope="module")
def memory() -> Memory:
    memory = Memory()
    memory.touch(list(range(PAGES)))
    return memory


@pytest.fixture(scope="module")
def helper() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as helper:
        yield helper


def no_check() -> None:
    """Nobody interrupts."""


@st.composite
def spans(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Ascending spans of pages that do not touch, some tests with more than one system call holds."""
    edges = sorted(draw(st.sets(st.integers(0, PAGES), max_size=40)))
    few = [(first, end - first) for first, end in zip(edges[::2], edges[1::2], strict=False)]
    many = [(page, 1) for page in range(1, PAGES, 2)]
    return draw(st.sampled_from([few, many]))


@given(chosen=spans())
def test_every_range_arrives_in_its_place(
    chosen: list[tuple[int, int]], memory: Memory, helper: ThreadPoolExecutor
) -> None:
    ranges = memory.ranges(chosen)
    room = Room(total_bytes(ranges))
    unreadable = copy_ranges(os.getpid(), ranges, room.bytes, helper, no_check)
    copied = pack(ranges, room, unreadable)

    expected = [page for first, count in chosen for page in range(first, first + count)]
    assert unreadable == [] and copied.unreadable == 0
    assert ((copied.pages - np.uint64(memory.start)) // np.uint64(PAGE_BYTES)).tolist() == expected
    assert copied.buffer.reshape(-1, PAGE_BYTES).min(axis=1).tolist() == [1 + page % 255 for page in expected]
    assert copied.buffer.reshape(-1, PAGE_BYTES).max(axis=1).tolist() == [1 + page % 255 for page in expected]


@given(sizes=st.lists(st.sampled_from([1, 7, 4096, 4097, 9000]), max_size=60), repeat=st.sampled_from([1, 40]))
def test_system_calls_are_bounded_and_cover_all(sizes: list[int], repeat: int) -> None:
    lengths = np.array(sizes * repeat, dtype=np.uint64) * np.uint64(PAGE_BYTES)
    starts = np.cumsum(lengths + np.uint64(PAGE_BYTES)) - lengths
    ranges = np.stack((starts, lengths), axis=1)
    pieces = cut(ranges)

    assert sum(piece.length for piece in pieces) == total_bytes(ranges)
    offset = 0
    parts = []
    for piece in pieces:
        rows = piece.ranges[piece.first : piece.first + piece.count]
        assert piece.offset == offset and piece.length == int(rows[:, 1].sum())
        assert 0 < piece.length <= PIECE_BYTES and 0 < piece.count <= MAX_RANGES
        offset += piece.length
        parts.append(rows)
    if parts:
        assert (page_addresses(np.concatenate(parts)) == page_addresses(ranges)).all()


def test_pages_that_cannot_be_read_are_left_out(helper: ThreadPoolExecutor) -> None:
    memory = Memory()
    memory.touch(list(range(PAGES)))
    libc = ctypes.CDLL(None)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    sealed = [5, 100, 101]
    for page in sealed:
        assert libc.mprotect(memory.start + page * PAGE_BYTES, PAGE_BYTES, 0) == 0
    ranges = memory.ranges([(0, 4), (5, 1), (8, 2), (100, 2), (200, 50)])
    room = Room(total_bytes(ranges))
    copied = pack(ranges, room, copy_ranges(os.getpid(), ranges, room.bytes, helper, no_check))

    expected = [0, 1, 2, 3, 8, 9, *range(200, 250)]
    assert ((copied.pages - np.uint64(memory.start)) // np.uint64(PAGE_BYTES)).tolist() == expected
    assert copied.buffer[::PAGE_BYTES].tolist() == [1 + page % 255 for page in expected]
    assert copied.unreadable == len(sealed) * PAGE_BYTES


def test_process_that_is_gone(helper: ThreadPoolExecutor, memory: Memory, known: Target) -> None:
    known.end()
    with pytest.raises(ProcessLookupError):
        copy_ranges(known.pid, memory.ranges([(0, 10)]), Room(1 << 20).bytes, helper, no_check)


def test_interrupted_copy_ends_between_pieces(helper: ThreadPoolExecutor, memory: Memory) -> None:
    def interrupt() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        copy_ranges(os.getpid(), memory.ranges([(0, 10)]), Room(1 << 20).bytes, helper, interrupt)


@pytest.mark.parametrize("way", ["scan", "scan before guard pages", "words"])
def test_only_touched_pages_are_resident(way: str) -> None:
    memory = Memory()
    touched = [0, 1, 2, 9, 500, 501, PAGES - 1]
    memory.touch(touched)
    assert memory.bytes[40 * PAGE_BYTES] == 0, "reading maps the shared page of zeros, which is nobody's"
    end = memory.start + PAGES * PAGE_BYTES
    with Residency(os.getpid()) as residency:
        if way != "scan":
            residency._skipped = 1 << 5
            residency._can_scan = way != "words"
        ranges = residency.resident([(memory.start, end)])
    pages = ((page_addresses(ranges) - np.uint64(memory.start)) // np.uint64(PAGE_BYTES)).tolist()
    # Page words do not tell the page of zeros apart: it is copied, as zeros.
    assert pages == (sorted([*touched, 40]) if way == "words" else touched)


def test_areas_that_touch_become_one_range(memory: Memory) -> None:
    middle = memory.start + 10 * PAGE_BYTES
    areas = [(memory.start, middle), (middle, middle + PAGE_BYTES), (middle + 2 * PAGE_BYTES, middle + 3 * PAGE_BYTES)]
    with Residency(os.getpid()) as residency:
        resident = residency.resident(areas)
    assert resident.tolist() == whole(areas).tolist()
    assert resident.tolist() == memory.ranges([(0, 11), (12, 1)]).tolist()


def test_no_areas() -> None:
    with Residency(os.getpid()) as residency:
        assert len(residency.resident([])) == 0
    assert len(whole([])) == 0 and cut(whole([])) == []
