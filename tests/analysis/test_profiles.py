"""Places in profiles: who is to answer for a stack, what grows as a leak does, and what the gate makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leakscope.analysis.profiles import LEAST_SAMPLES, observe_profiles, report
from leakscope.errors import InputError
from leakscope.graph.profile import Measure, Place, Profile, Stack

OPEN = Place("main.(*Tracker).Open", "/src/app/main.go", 26)
LIBRARY = Place("github.com/x/cache.(*Cache).Put", "/root/go/pkg/mod/github.com/x/cache@v1.2.0/cache.go", 5)
STANDARD = Place("encoding/json.Unmarshal", "/usr/lib/go/src/encoding/json/decode.go", 9)
RATE = 512 * 1024


def heap(at: float, *used: tuple[Stack, int, int], sampled: int = 1, measure: Measure = Measure.HEAP) -> Profile:
    stacks, counts, sizes = zip(*used, strict=True) if used else ((), (), ())
    return Profile(measure, at, sampled, stacks, counts, sizes)


def growing(counts: Sequence[int], size: int = 100, sampled: int = 1) -> list[Profile]:
    return [heap(float(at), ((OPEN,), count, count * size), sampled=sampled) for at, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("stack", "blamed"),
    [
        ((STANDARD, LIBRARY, OPEN), OPEN),
        ((STANDARD, LIBRARY), LIBRARY),
        ((STANDARD,), STANDARD),
        ((Place("example.com/shop/cart.Add", "", 0), OPEN), Place("example.com/shop/cart.Add", "", 0)),
        ((Place("0x4f00", "", 0), OPEN), OPEN),
    ],
)
def test_the_innermost_function_of_the_users_own_answers(stack: Stack, blamed: Place) -> None:
    (site,) = report([heap(0, (stack, 1, 10))], 5).sites
    assert (site.function, site.file, site.line) == (blamed.function, blamed.file or None, blamed.line or None)


def test_stacks_of_one_place_are_one_and_the_largest_comes_first() -> None:
    other = Place("main.other", "/src/app/main.go", 40)
    told = report([heap(0, ((OPEN, other), 1, 10), ((OPEN,), 2, 20), ((other,), 1, 90))], 1)
    assert (told.sites[0].function, told.total, told.counts, told.bytes) == ("main.other", 2, (4,), (120,))
    (_, site) = report([heap(0, ((OPEN, other), 1, 10), ((OPEN,), 2, 20), ((other,), 1, 90))], 2).sites
    assert (site.counts, site.bytes, site.stacks) == ((3,), (30,), 2)
    assert site.stack == ("main.(*Tracker).Open (main.go:26)",)


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ([10, 50, 90, 130], 1),
        ([10, 50, 90], 1),
        ([10, 50], 0),
        ([10, 50, 50], 0),
        ([10, 90, 110, 114], 0),
        ([130, 90, 50], 0),
        ([1, 2, 3], 0),
    ],
)
def test_what_grows_in_every_step_by_about_the_same_is_suspected(counts: list[int], found: int) -> None:
    assert len(report(growing(counts), 5).suspects) == found


def test_growth_of_few_samples_is_noise_and_said_so() -> None:
    few = report(growing([10, 20, 30], size=RATE // 10, sampled=RATE), 5)
    assert few.suspects == ()
    assert any("noise" in note for note in few.notes)
    (suspect,) = report(growing([10, 20, 30], size=RATE * LEAST_SAMPLES, sampled=RATE), 5).suspects
    assert "one in 524,288 allocated bytes" in suspect.evidence[1]


def test_profiles_are_put_into_the_order_of_their_capture() -> None:
    (suspect,) = report(list(reversed(growing([10, 50, 90]))), 5).suspects
    assert (suspect.growth_per_step, suspect.site.counts) == (40, (10, 50, 90))


def test_a_fingerprint_does_not_depend_on_lines() -> None:
    moved = Place(OPEN.function, OPEN.file, 99)
    one, other = (report([heap(0, ((place,), 1, 1))], 1).sites[0] for place in (OPEN, moved))
    assert one.fingerprint == other.fingerprint != report([heap(0, ((STANDARD,), 1, 1))], 1).sites[0].fingerprint


def test_chains_of_references_are_told_apart_by_all_their_steps() -> None:
    root = Place("main.tracker", "", 0)
    stacks = [(Place(f"{name}. (T)", "", 0), root) for name in ("sessions", "cache")]
    told = report([heap(0, *((stack, 1, 10) for stack in stacks), measure=Measure.REFERENCES)], 5)
    assert sorted(site.stack for site in told.sites) == [
        ("main.tracker", "cache. (T)"), ("main.tracker", "sessions. (T)")
    ]  # fmt: skip


def test_kinds_are_not_mixed() -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        report([heap(0), heap(1, measure=Measure.GOROUTINES)], 5)


def test_the_gate_judges_growth_by_place() -> None:
    (seen,), notes = observe_profiles(growing([10, 50, 90]))
    assert (seen.rule, seen.found, seen.class_, seen.line) == ("growth", 40, OPEN.function, 26)
    assert not any("not judged" in note for note in notes)
    seen_of_two, notes = observe_profiles(growing([10, 50]))
    assert seen_of_two == []
    assert any("not judged" in note for note in notes)
