"""Go profiles: what is read of them, and what damaged and hostile ones come to."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from leakscope.errors import InputError
from leakscope.formats.pprof.load import is_profile, load_profile, profile_of
from leakscope.graph.profile import Measure, Place
from tests.formats.profiles import GOROUTINES, HEAP, REFERENCES, heap, message, number, profile

OPEN = ("main.open", "/src/app/main.go", 26)
SERVE = ("net/http.serve", "/go/src/net/http/server.go", 7)


def test_stacks_with_their_objects_in_use() -> None:
    read = profile_of(heap(([OPEN, SERVE], 3, 300), ([SERVE], 1, 64), period=524288), "h")
    assert (read.measure, read.captured_at, read.sampled_bytes) == (Measure.HEAP, 2000.0, 524288)
    assert read.stacks == ((Place(*OPEN), Place(*SERVE)), (Place(*SERVE),))
    assert (read.counts, read.bytes) == ((3, 1), (300, 64))


def test_samples_of_one_stack_are_one_and_what_is_freed_is_none() -> None:
    read = profile_of(heap(([OPEN], 3, 300), ([OPEN], 2, 50), ([SERVE], 0, 0)), "h")
    assert (read.counts, read.bytes) == ((5,), (350,))


def test_columns_are_found_by_name() -> None:
    types = tuple(reversed(HEAP))
    read = profile_of(profile(types, [([OPEN], (64, 2, 9, 9))]), "h")
    assert (read.counts, read.bytes) == ((2,), (64,))


def test_inlined_functions_are_lines_of_their_own() -> None:
    (stack,) = profile_of(profile(HEAP, [([OPEN, SERVE], (1, 1, 1, 1))], inlined=True), "h").stacks
    assert [place.function for place in stack] == ["main.open", "net/http.serve"]


def test_a_location_without_a_function_is_its_address() -> None:
    data = profile(HEAP, []) + message(4, number(1, 7) + number(3, 0x4F00)) + message(2, number(1, 7) + b"\x10\x01" * 4)
    (stack,) = profile_of(data, "h").stacks
    assert stack == (Place("0x4f00", "", 0),)


def test_goroutines_and_chains_of_references_are_counted_exactly() -> None:
    told = profile_of(profile(GOROUTINES, [([OPEN], (5,))]), "g")
    assert (told.measure, told.counts, told.bytes, told.sampled_bytes) == (Measure.GOROUTINES, (5,), (0,), 1)
    chain = [("sessions. (map)", "", 0), ("main.tracker", "", 0)]
    told = profile_of(profile(REFERENCES, [(chain, (5, 80))], period=None, time=None), "r")
    assert (told.measure, told.counts, told.bytes, told.captured_at) == (Measure.REFERENCES, (5,), (80,), None)


def test_differences_may_be_negative() -> None:
    assert profile_of(heap(([OPEN], -3, -300)), "h").counts == (-3,)


def test_it_may_be_packed_or_not(tmp_path: Path) -> None:
    plain = heap(([OPEN], 3, 300))
    for name, data in (("plain", plain), ("packed", gzip.compress(plain))):
        (tmp_path / name).write_bytes(data)
        assert is_profile(data[:4096])
        assert load_profile(tmp_path / name).counts == (3,)


@pytest.mark.parametrize(
    "data", [b"", b"\n\n\nhello\n", b"PK\x03\x04" + bytes(60), b"\x1f\x8b\x08", gzip.compress(b"{}")]
)
def test_other_files_are_no_profiles(data: bytes) -> None:
    assert not is_profile(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            profile((("samples", "count"), ("cpu", "nanoseconds")), []),
            "a profile of samples, cpu, not of memory in use",
        ),
        (profile((), []), "a profile of nothing"),
        (profile(HEAP, [([OPEN], (1, 2))]), "a sample has 2 values instead of 4"),
        (profile(HEAP, []) + message(2, number(1, 77) + b"\x10\x01" * 4), "location 77, which is not described"),
        (profile(HEAP, []) + message(2, b"\x0a\x05\x01"), "a field of 5 bytes at offset"),
        (profile(HEAP, []) + b"\x0b", "a field of unknown kind 3"),
        (profile(HEAP, []) + b"\xff" * 11, "is too long"),
        (profile(HEAP, []) + number(2, 5), "a number where a message belongs"),
        (heap(([OPEN], 3, 300))[:-1], "cut off"),
        (gzip.compress(heap(([OPEN], 3, 300)))[:-12], "is cut off"),
        (message(1, number(1, 5)), "text 5 of 0 is asked for"),
    ],
)
def test_damage_is_named(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        profile_of(data, "a.pb.gz")
    assert raised.value.help


def test_a_bomb_is_not_unpacked() -> None:
    with pytest.raises(InputError, match="unpacks to more than"):
        profile_of(gzip.compress(bytes(70 << 20)), "bomb.pb.gz")


def test_flipped_bits_end_in_typed_errors() -> None:
    data = heap(([OPEN, SERVE], 3, 300), ([SERVE], 1, 64), ([("main.other", "m.go", 3), OPEN], 2, 20))
    chance = random.Random(7)
    outcomes = set()
    for _ in range(3000):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            profile_of(bytes(damaged[: chance.randint(1, len(damaged))]), "x")
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}
