"""Cores that lie: each ends in one of leakscope's own errors, in little time and memory."""

from __future__ import annotations

import dataclasses
import os
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leakscope.errors import InputError, LeakscopeError, UnsupportedTargetError
from leakscope.kernels._columns import STORE
from leakscope.target import budget, core_copy
from leakscope.target.core import read_core
from leakscope.target.core_clocks import clocks_of
from leakscope.target.core_copy import Part, gather
from leakscope.target.core_file import CoreFile
from leakscope.target.core_magic import is_core
from leakscope.target.core_notes import read_notes

from .cores import (
    AUXV,
    FILE,
    HEAP,
    PAGE,
    PROGRAM,
    PRPSINFO,
    PRSTATUS,
    STACK,
    WRITE,
    Core,
    Segment,
    file_note,
    plain,
    process_note,
    thread_note,
)


def refused(path: Path, core: Core | bytes, kind: type[LeakscopeError] = InputError) -> str:
    """The message for it, which is one line and comes with help."""
    path.write_bytes(core if isinstance(core, bytes) else core.build())
    with pytest.raises(kind) as raised:
        read_core(path)
    assert "\n" not in raised.value.message
    assert raised.value.help
    return raised.value.message


def test_the_plain_core_is_whole_and_no_python(tmp_path: Path) -> None:
    """So that what the other tests change is what is refused."""
    path = tmp_path / "core"
    assert "/nowhere/prog (build id unknown) is not here" in refused(path, plain())
    core = CoreFile(path)
    notes = read_notes(core)
    assert (notes.pid, notes.threads[0].tid, notes.threads[0].stack_pointer) == (77, 77, STACK + 100)
    assert [(each.start, each.path) for each in notes.files] == [(PROGRAM, "/nowhere/prog")]
    assert (core.read(HEAP + 2 * PAGE - 1, 2), core.read(HEAP + 4 * PAGE - 1, 2)) == (b"\0\2", None)
    buffer, pages = gather(core, [Part(HEAP, 4 * PAGE, int(core.segments["offset"][1]))], lambda fraction: None)
    assert pages.tolist() == [HEAP, HEAP + 2 * PAGE, HEAP + 3 * PAGE]
    assert buffer.tobytes() == b"".join(bytes([number]) * PAGE for number in (1, 2, 3))


def test_a_program_that_is_here_and_no_python(tmp_path: Path) -> None:
    program = Path("/bin/true").resolve()
    core = plain(bytes(program))
    core.segments[0].data = program.read_bytes()[:PAGE]
    message = refused(tmp_path / "core", core, UnsupportedTargetError)
    assert f"a core of {program.name}, is not supported: it ran no CPython" in message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"machine": 183}, "aarch64"),
        ({"machine": 4711}, "machine 4711"),
        ({"bits": 32}, "another processor"),
        ({"little_endian": False}, "big-endian"),
    ],
)
def test_other_processors_are_refused_by_name(tmp_path: Path, change: dict[str, int], told: str) -> None:
    assert told in refused(tmp_path / "core", dataclasses.replace(plain(), **change), UnsupportedTargetError)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": 2}, "not a core"),
        ({"entry_bytes": 32}, "32 bytes each"),
        ({"count": 0}, "0 segments"),
        ({"count": 60_000}, "cut off"),
        ({"count": 0xFFFF}, "cut off"),
        ({"count": 0xFFFFFFFF}, "4294967295 segments"),
        ({"count": 200_000, "sections": False}, "cut off"),
        ({"notes": []}, "NT_FILE"),
        ({"segments": []}, "none of the memory"),
    ],
)
def test_headers_that_lie(tmp_path: Path, change: dict[str, object], told: str) -> None:
    assert told in refused(tmp_path / "core", dataclasses.replace(plain(), **change))


@pytest.mark.parametrize(
    ("segment", "told"),
    [
        (Segment(HEAP + PAGE, b"x" * PAGE), "overlap in memory"),
        (Segment(HEAP - PAGE, b"x" * PAGE, memory=2 * PAGE), "overlap in memory"),
        (Segment(HEAP - 100 * PAGE, file_bytes=4 * PAGE, offset=2 * PAGE), "same bytes"),
        (Segment(HEAP + 5 * PAGE + 8, b"x" * PAGE), "whole pages"),
        (Segment((1 << 47) - PAGE, b"x" * PAGE, memory=2 * PAGE), "beyond the address space"),
        (Segment(HEAP * 2, b"x" * PAGE, memory=(1 << 64) - PAGE), "beyond the address space"),
        (Segment(HEAP * 2, b"x" * 2 * PAGE, memory=PAGE), "longer in the file"),
        (Segment(HEAP * 2, offset=(1 << 64) - PAGE, file_bytes=PAGE), "longer in the file"),
        (Segment(HEAP * 2, offset=64 * PAGE, file_bytes=1 << 40), "cut off: 1048"),
    ],
)
def test_segments_that_lie(tmp_path: Path, segment: Segment, told: str) -> None:
    core = plain()
    core.segments.append(segment)
    assert told in refused(tmp_path / "core", core)


FILES = (PROGRAM, PROGRAM + 2 * PAGE, 0, b"/x")


@pytest.mark.parametrize(
    ("note", "told"),
    [
        ((b"CORE", PRSTATUS, b"short"), "about a thread is too short"),
        ((b"CORE", PRPSINFO, b"short"), "about the process is too short"),
        ((b"CORE", FILE, b"short"), "contradicts itself"),
        ((b"CORE", FILE, file_note([FILES], count=2)), "contradicts itself"),
        ((b"CORE", FILE, file_note([FILES], count=1 << 60)), "contradicts itself"),
        ((b"CORE", FILE, file_note([FILES], unit=3)), "contradicts itself"),
        ((b"CORE", FILE, file_note([(PROGRAM, PROGRAM, 0, b"/x")])), "impossible address"),
        ((b"CORE", FILE, file_note([(8, PAGE, 0, b"/x")])), "impossible address"),
        ((b"CORE", FILE, file_note([(1 << 50, 1 << 51, 0, b"/x")])), "impossible address"),
        ((b"CORE", FILE, file_note([(PROGRAM, PROGRAM + PAGE, 1 << 60, b"/x")])), "impossible address"),
        ((b"CORE", FILE, file_note([FILES, FILES])), "mapped files overlap"),
        ((b"CORE", PRSTATUS, bytes(336), 1 << 31), "longer than the room"),
    ],
)
def test_notes_that_lie(tmp_path: Path, note: tuple[bytes, int, bytes], told: str) -> None:
    core = plain()
    core.notes.append(note)
    assert told in refused(tmp_path / "core", core)


def test_notes_that_say_strange_things_are_no_trouble(tmp_path: Path) -> None:
    core = plain()
    core.notes += [
        (b"CORE", AUXV, b"odd"),
        (b"CORE", PRSTATUS, thread_note(2**32 - 1, 2**64 - 1)),
        (b"CORE", PRPSINFO, process_note(2**32 - 1)),
        (b"EVIL", FILE, b"not ours"),
        (b"CORE", FILE, file_note([(PROGRAM, PROGRAM + PAGE, 0, b"/dev/stdin\n\x1b[2J\xff")])),
    ]
    assert r"/dev/stdin\n\x1b[2J\xff (" in refused(tmp_path / "core", core)


@pytest.mark.parametrize("path", [b"/dev/zero", b"/proc/self/mem", b"../../../etc/passwd", b"", b"/" + b"a" * 5000])
def test_files_that_a_core_names_are_opened_with_care(tmp_path: Path, path: bytes) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for named in (path, bytes(pipe)):
        refused(tmp_path / "core", plain(named), InputError)


def test_more_segments_than_the_header_can_count(tmp_path: Path) -> None:
    """PN_XNUM: an address space of 70,000 mappings."""
    core = plain()
    core.segments += [Segment(HEAP * 2 + 2 * number * PAGE, memory=PAGE, flags=WRITE) for number in range(70_000)]
    path = tmp_path / "core"
    began = time.monotonic()
    refused(path, core)
    assert time.monotonic() - began < 30
    assert len(CoreFile(path).segments) == 70_003


@pytest.mark.parametrize("part", [0, 3, 63, 64, 200, 700, PAGE, 2 * PAGE, 4 * PAGE, 6 * PAGE + 17])
def test_a_core_that_ends_too_early(tmp_path: Path, part: int) -> None:
    whole = plain().build()
    assert len(whole) == 7 * PAGE
    message = refused(tmp_path / "core", whole[:part])
    assert ("no ELF core" if part < 64 else "cut off") in message
    if part >= PAGE:
        assert f"{len(whole) - part >> 10} KiB" in message or f"{len(whole) - part} bytes" in message


def test_holes_of_a_sparse_core_cost_nothing(tmp_path: Path) -> None:
    """A terabyte of nothing, as a kernel's core has it for memory that was never touched."""
    core = plain()
    core.segments.append(Segment(1 << 46, offset=1 << 20, file_bytes=1 << 40))
    path = tmp_path / "core"
    path.write_bytes(core.build())
    with path.open("r+b") as file:
        file.seek((1 << 20) + (1 << 39))
        file.write(b"here")
        file.truncate((1 << 40) + (1 << 20))
    with pytest.raises(InputError, match="is not here"):
        read_core(path)
    buffer, pages = gather(CoreFile(path), [Part(1 << 46, 1 << 40, 1 << 20)], lambda fraction: None)
    assert pages.tolist() == [(1 << 46) + (1 << 39)]
    assert buffer[:5].tobytes() == b"here\0"


def test_memory_that_is_spread_as_none_is(tmp_path: Path) -> None:
    """One page in each of 2,000 GiB would need 2 GB of tables for 8 MB of core."""
    path = tmp_path / "core"
    path.write_bytes(plain().build())
    parts = [Part(number << 30, PAGE, data=b"x" * PAGE) for number in range(1, 2000)]
    with pytest.raises(InputError, match="spread over"):
        gather(CoreFile(path), parts, lambda fraction: None)


def test_a_core_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "core"
    path.write_bytes(plain().build())
    monkeypatch.setattr(budget, "available_bytes", lambda: 1 << 20)
    with pytest.raises(InputError, match="no room to read this core") as raised:
        gather(CoreFile(path), [Part(HEAP, PAGE, data=b"x" * PAGE)], lambda fraction: None)
    assert "--max-memory" in raised.value.help


def test_a_core_may_be_read_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "core"
    path.write_bytes(plain().build())
    core = CoreFile(path)
    parts = [Part(HEAP, 4 * PAGE, int(core.segments["offset"][1]))]
    expected = gather(core, parts, lambda fraction: None)
    monkeypatch.setattr(core_copy, "plan", lambda *_: budget.Plan(1 << 30, tmp_path, spills_copy=True))
    try:
        spilled = gather(core, parts, lambda fraction: None)
    finally:
        STORE.stop()
    assert [part.tobytes() for part in spilled] == [part.tobytes() for part in expected]


@pytest.mark.parametrize(
    ("magic", "command"),
    [
        (b"\x1f\x8b", "gzip -d"),
        (b"\x28\xb5\x2f\xfd", "zstd -d"),
        (b"\x04\x22\x4d\x18", "lz4 -d"),
        (b"\xfd7zXZ", "xz -d"),
    ],
)
def test_a_compressed_core_is_told_how_to_be_read(tmp_path: Path, magic: bytes, command: str) -> None:
    path = tmp_path / "core.4242.x"
    path.write_bytes(magic + bytes(100))
    with pytest.raises(InputError) as raised:
        is_core(path)
    assert f"{command} {path}" in raised.value.help


@pytest.mark.parametrize("moment", [-(2**40), 2**34, 2**40])
def test_a_file_of_no_day_in_history(tmp_path: Path, moment: int) -> None:
    path = tmp_path / "core"
    core = plain()
    core.notes.append((b"CORE", AUXV, struct.pack("<QQ", 31, STACK + PAGE - 1)))
    core.segments[-1] = Segment(STACK, b"s" * 4000 + b"\0TZ=CET-1CEST,M3.5.0,M10.5.0/3".ljust(95, b"0") + b"\0")
    path.write_bytes(core.build())
    os.utime(path, (moment, moment))
    opened = CoreFile(path)
    started, clocks = clocks_of(opened, read_notes(opened), lives=False)
    assert (started, clocks.monotonic_at) == (None, None)
    with pytest.raises(InputError):
        read_core(path)


def test_what_is_no_core_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "zip").write_bytes(b"PK\3\4")
    assert not any(is_core(path) for path in (tmp_path, tmp_path / "absent", tmp_path / "zip", Path("/dev/zero")))


def lies(seed: int) -> bytes:
    """The plain core with some of its words changed to what readers stumble over."""
    draw = random.Random(seed)
    core = bytearray(plain().build())
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(core) - 8) if draw.random() < 0.1 else draw.randrange(64 + 4 * 56 + 1500)
        value = draw.choice([0, 1, PAGE, PAGE - 1, 1 << 31, 1 << 47, (1 << 64) - 1, HEAP, draw.getrandbits(64)])
        pack: Callable[[int], bytes] = draw.choice(
            [
                lambda number: struct.pack("<Q", number),
                lambda number: struct.pack("<I", number & 0xFFFFFFFF),
                lambda _: b"\xff",
            ]
        )
        told = pack(value)
        core[at : at + len(told)] = told
    return bytes(core[: draw.randrange(len(core)) if draw.random() < 0.1 else len(core)])


def test_no_lie_escapes_as_anything_but_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "core"
    seen = set()
    tracemalloc.start()
    try:
        for seed in range(600):
            path.write_bytes(lies(seed))
            try:
                read_core(path)
            except LeakscopeError as error:
                seen.add(error.message.replace(str(path), "")[:24])
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert len(seen) > 10


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 3), st.booleans()), max_size=12),
)
def test_what_is_gathered_is_what_the_core_holds(tmp_path: Path, content: list[tuple[int, int, bool]]) -> None:
    """Against the bytes put together by hand: pages in their order, zeros left out."""
    taken: set[int] = set()
    segments = []
    for first, count, zero in content:
        here = set(range(first, first + count))
        if not here & taken:
            taken |= here
            body = b"".join(bytes(PAGE) if zero and page % 2 else bytes([page + 1]) * PAGE for page in sorted(here))
            segments.append(Segment(HEAP + first * PAGE, body))
    path = tmp_path / "core"
    path.write_bytes(Core(segments).build())
    core = CoreFile(path)
    assert np.all(np.diff(core.segments["start"].astype(np.int64)) > 0)
    parts = [Part(int(row["start"]), int(row["bytes"]), int(row["offset"])) for row in core.segments]
    buffer, pages = gather(core, parts, lambda fraction: None)
    expected = {
        each.start + at: each.data[at : at + PAGE]
        for each in segments
        for at in range(0, len(each.data), PAGE)
        if any(each.data[at : at + PAGE])
    }
    assert pages.tolist() == sorted(expected)
    assert buffer.tobytes() == b"".join(expected[page] for page in sorted(expected))
