"""Masked keys are the BLAKE2b that ``hashlib`` computes."""

from __future__ import annotations

import ctypes
import hashlib
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.cpython.layouts import layout_for
from leakscope.graph.values import shown_mask, shown_masks
from leakscope.kernels.layout import Layout
from leakscope.kernels.masks import mask_texts
from leakscope.kernels.memory import Memory

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
AT = 64


def mask(text: str) -> int:
    """The kernel's answer for this interpreter's own object."""
    size = -(-(AT + sys.getsizeof(text)) // 4096) * 4096
    buffer = np.zeros(size, np.uint8)
    raw = np.frombuffer(ctypes.string_at(id(text), sys.getsizeof(text)), np.uint8)
    buffer[AT : AT + len(raw)] = raw
    pages = (1 << 32) + np.arange(size // 4096, dtype=np.uint64) * np.uint64(4096)
    layout = Layout(layout_for(VERSION), sys.version_info.minor)
    return int(mask_texts(Memory(buffer, pages), layout, np.array([AT]))[0])


def expected(text: str) -> int:
    return int(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest(), 16)


@given(st.text(st.characters(), max_size=600))
def test_any_text(text: str) -> None:
    """Of one, two or four bytes a character, lone surrogates among them."""
    assert mask(text) == expected(text)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 129, 255, 256, 257, 1000])
def test_lengths_around_the_block(length: int) -> None:
    """A block is compressed only once it is known not to be the last."""
    assert mask("k" * length) == expected("k" * length)


def test_a_text_too_long_has_no_mask() -> None:
    """Nobody's key."""
    assert mask("k" * 70_000) == (1 << 64) - 1


@given(st.lists(st.integers(0, (1 << 48) - 1)))
def test_many_are_shown_as_one_is(masks: list[int]) -> None:
    assert shown_masks(np.array(masks, np.uint64)) == [shown_mask(each) for each in masks]


def test_more_than_fit_at_once_are_shown() -> None:
    masks = np.arange(1 << 17, dtype=np.uint64) << np.uint64(31)
    assert shown_masks(masks)[-1] == shown_mask(int(masks[-1]))
    assert len(shown_masks(masks)) == len(masks)
