"""Masks of keys, what a pattern begins with, and the set of keys that came already."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.store.masks import Seen, literal_prefix, mask_of, position_in, rest_of, shown


@pytest.mark.parametrize(
    ("pattern", "begins"),
    [
        (None, b""),
        (b"session:*", b"session:"),
        (b"*", b""),
        (b"a?b", b"a"),
        (b"a[bc]*", b"a"),
        (rb"a\*b:*", b"a*b:"),
        (b"whole", b"whole"),
    ],
)
def test_what_a_pattern_begins_with(pattern: bytes | None, begins: bytes) -> None:
    assert literal_prefix(pattern) == begins


def test_the_part_that_tells_keys_apart() -> None:
    assert rest_of(b"session:a:b", b"session:") == b"a:b"
    assert rest_of(b"app:session:a", b"") == b"a"
    assert rest_of(b"bare", b"") == b"bare"


@given(st.binary(max_size=40), st.binary(max_size=8))
def test_only_the_users_own_words_are_shown(rest: bytes, prefix: bytes) -> None:
    told = shown(prefix + rest, prefix, reveal=False)
    assert told == prefix.decode("utf-8", "backslashreplace") + (f"#{mask_of(rest):012x}" if rest else "")


@given(st.lists(st.binary(max_size=3), max_size=300))
def test_a_key_is_new_once(names: list[bytes]) -> None:
    seen = Seen()
    assert [name for name in names if seen.add(name)] == list(dict.fromkeys(names))


def test_the_set_grows() -> None:
    seen = Seen()
    names = [b"%d" % number for number in range(50_000)]
    assert all(seen.add(name) for name in names)
    assert not any(seen.add(name) for name in names)


@given(st.sets(st.integers(0, 2**48 - 1)), st.integers(0, 2**48 - 1))
def test_positions(masks: set[int], other: int) -> None:
    ascending = array("Q", sorted(masks))
    assert [position_in(ascending, mask) for mask in ascending] == list(range(len(masks)))
    assert (position_in(ascending, other) >= 0) == (other in masks)
