"""Memory that comes and goes: pages of a frozen process as they are touched, copies and columns in files."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from leakscope.cpython import read_heap
from leakscope.errors import AttachError
from leakscope.kernels import _columns
from leakscope.target.attach import capture, captured
from leakscope.target.copy import Room, copy_ranges, total_bytes
from leakscope.target.maps import read_maps
from leakscope.target.paged import Paged
from leakscope.target.residency import Ranges, Residency

from .support import ANY, Target, running

COLUMNS = ("address", "type", "own_size", "flags", "first_ref", "target", "kind", "label")


@pytest.fixture
def stopped() -> Iterator[Target]:
    with running(ANY, "known.py", "8") as target:
        os.kill(target.pid, signal.SIGSTOP)
        yield target
        if target.process.returncode is None:
            os.kill(target.pid, signal.SIGCONT)


def own_ranges(pid: int) -> Ranges:
    with Residency(pid) as residency:
        return residency.resident([(each.start, each.end) for each in read_maps(pid) if each.is_own_memory])


def copied(pid: int, ranges: Ranges, folder: Path | None = None) -> Room:
    room = Room(total_bytes(ranges), folder)
    with ThreadPoolExecutor(1) as helper:
        assert copy_ranges(pid, ranges, room.bytes, helper, lambda: None) == []
    return room


@contextmanager
def dropping(drop: Callable[[], None]) -> Iterator[None]:
    """Drops all the time for the length of a block."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(0.001):
            drop()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_pages_come_as_they_are_touched_and_may_go_at_any_time(stopped: Target) -> None:
    ranges = own_ranges(stopped.pid)
    truth = copied(stopped.pid, ranges).bytes[: total_bytes(ranges)].view(np.uint64)
    places = np.random.default_rng(6).integers(0, len(truth), (40, 500))
    with Paged(stopped.pid, ranges) as paged, dropping(paged.drop), ThreadPoolExecutor(2) as pool:
        words = paged.bytes.view(np.uint64)
        assert all(pool.map(lambda at: np.array_equal(words[at], truth[at]), places))
        assert np.array_equal(words, truth)
    assert not paged.bytes.any(), "it forgets the process"


def test_a_process_that_goes_away_is_told_and_nothing_hangs(stopped: Target) -> None:
    with pytest.raises(AttachError, match="killed before it was read"):  # noqa: SIM117
        with Paged(stopped.pid, own_ranges(stopped.pid)) as paged:
            stopped.process.kill()
            stopped.process.wait()
            assert not paged.bytes.any()


def test_a_copy_in_a_file_is_the_same(stopped: Target, tmp_path: Path) -> None:
    ranges = own_ranges(stopped.pid)
    truth, room = copied(stopped.pid, ranges), copied(stopped.pid, ranges, tmp_path)
    _columns.STORE.drop(0)
    assert np.array_equal(room.bytes, truth.bytes[: len(room.bytes)])
    assert list(tmp_path.iterdir()) == [], "the file has no name"
    room.release()
    assert not room.bytes.any()


def test_no_room_for_a_copy_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # no space, or too large, as the file system likes
        Room(1 << 50, tmp_path)


def test_a_heap_with_columns_in_files_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(ANY, "known.py") as target:
        image = capture(target.pid)
    truth = read_heap(image)
    monkeypatch.setattr(_columns, "LEAST_SPILLED_BYTES", 1)
    _columns.STORE.keep_below(1, tmp_path)
    try:
        with dropping(lambda: _columns.STORE.drop(0)):
            graph = read_heap(image)
    finally:
        _columns.STORE.stop()
    assert graph.names == truth.names
    for column in COLUMNS:
        assert np.array_equal(getattr(graph, column), getattr(truth, column)), column


def test_a_fork_is_read_in_passes() -> None:
    with running(ANY, "known.py") as target, captured(target.pid, "fork") as image:
        assert image.facts.strategy == "fork"
        graph = read_heap(image)
        at = int(np.searchsorted(graph.address, np.uint64(target.info["mark"])))
    assert graph.address[at] == target.info["mark"] and graph.types.name[graph.type[at]] == "list"
    assert not image.buffer.any(), "the child is gone"
