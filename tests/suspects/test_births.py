"""A part that took a freed one's place is as old as what holds it; nothing else changes its age."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.ownership import Ways, births


def test_parts_are_as_old_as_their_holders_and_instances_as_their_places() -> None:
    """0 old list -> 1 new session -> 2 list in an old place -> 3 text likewise; 1 -> 4 old session -> 5 its old dict;
    0 -> 6 old text; 7 new text on top of nothing."""
    parent = np.array([-1, 0, 1, 2, 1, 4, 0, -1], dtype=np.int32)
    ways = Ways(parent, np.zeros(8, dtype=np.int64), np.array([0, 7, 1, 6, 2, 4, 3, 5], dtype=np.int32))
    born = np.array([0, 2, 0, 1, 0, 0, 0, 2], dtype=np.uint8)
    parts = np.array([True, False, True, True, False, True, True, True])
    assert births(ways, born, parts).tolist() == [0, 2, 2, 2, 0, 0, 0, 2]
    assert born.tolist() == [0, 2, 0, 1, 0, 0, 0, 2]
