"""Sorting ids together with their places, whether or not both fit into one number."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.formats.order import ascending


@pytest.mark.parametrize("highest", [7, (1 << 60) - 1, (1 << 64) - 1])
@given(data=st.data())
def test_it_is_what_argsort_says(highest: int, data: st.DataObject) -> None:
    ids = np.array(data.draw(st.lists(st.integers(0, highest), max_size=40)), dtype=np.uint64)
    order, ordered = ascending(ids)
    assert order.tolist() == np.argsort(ids, kind="stable").tolist()
    assert ordered.tolist() == sorted(ids.tolist())


@pytest.mark.parametrize("least", [0, (1 << 64) - 16])
@pytest.mark.parametrize("span", [15, (1 << 62) - 1, 1 << 62, (1 << 64) - 1])
def test_at_the_edge_of_what_fits(least: int, span: int) -> None:
    """Three places take two bits: 62 are left for the distance between the ids."""
    high = min(least + span, (1 << 64) - 1)
    ids = np.array([high, least, high], dtype=np.uint64)
    order, ordered = ascending(ids)
    assert (order.tolist(), ordered.tolist()) == ([1, 0, 2], [least, high, high])
