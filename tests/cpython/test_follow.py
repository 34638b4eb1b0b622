"""Steps over references: the kernel's answers are those of a few lines of plain Python."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakscope.graph.kinds import Ref
from leakscope.graph.names import NAMED
from leakscope.kernels.edges import Edges
from leakscope.kernels.fields import follow, follow_index, follow_key, follow_kind, keys_of

NODES = 12
Rows = list[list[tuple[int, int, int]]]
"""By node: ``(kind, label, target)`` of its references."""

REFERENCE = st.tuples(st.sampled_from([Ref.ATTR, Ref.GLOBAL, Ref.KEY, Ref.INDEX, Ref.DICT, Ref.WEAK]),
                      st.integers(-1, 4), st.integers(0, NODES - 1))  # fmt: skip
ROW = st.lists(REFERENCE, max_size=5) | st.lists(REFERENCE, min_size=33, max_size=36)
"""Long rows too: those are remembered."""
HEAPS = st.lists(ROW, min_size=NODES, max_size=NODES)
ASKED = st.lists(st.integers(-1, NODES - 1), max_size=20)


def edges_of(rows: Rows) -> tuple[Edges, np.ndarray[tuple[int], np.dtype[np.int32]]]:
    """The columns of ``rows``."""
    flat = [reference for row in rows for reference in row]
    kind, label, target = (np.array([reference[i] for reference in flat]) for i in range(3))
    first = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    edges = Edges(first, target.astype(np.int32), kind.astype(np.uint8), ())
    return edges, label.astype(np.int32)


def first_target(row: list[tuple[int, int, int]], kinds: tuple[Ref, ...], labels: set[int]) -> int:
    return next((target for kind, label, target in row if kind in kinds and label in labels), -1)


@given(HEAPS, ASKED, st.integers(0, 4))
def test_a_name_is_found_in_the_node_then_in_its_dicts(rows: Rows, asked: list[int], name: int) -> None:
    """And no deeper: the dict of a dict is not its owner's."""

    def expected(node: int) -> int:
        places = [rows[node], *(rows[target] for kind, _, target in rows[node] if kind == Ref.DICT)]
        return next((found for row in places if (found := first_target(row, NAMED, {name})) >= 0), -1)

    edges, label = edges_of(rows)
    found = follow(edges, label, np.array(asked, np.int32), name, NAMED)
    assert found.tolist() == [expected(node) if node >= 0 else -1 for node in asked]


@given(HEAPS, ASKED, st.sets(st.integers(0, 4)))
def test_keys_and_what_is_under_them(rows: Rows, asked: list[int], keys: set[int]) -> None:
    """The first entry whose key is among those that match."""
    edges, label = edges_of(rows)
    nodes = np.array(asked, np.int32)
    is_key = np.isin(np.arange(NODES), list(keys)).astype(np.uint8)
    found = follow_key(edges, label, nodes, is_key)
    assert found.tolist() == [first_target(rows[node], (Ref.KEY,), keys) if node >= 0 else -1 for node in asked]
    there = {label for node in asked if node >= 0 for kind, label, _ in rows[node] if kind == Ref.KEY and label >= 0}
    assert keys_of(edges, label, nodes).tolist() == sorted(there)


@given(HEAPS, ASKED, st.integers(0, 4))
def test_positions_and_weak_references(rows: Rows, asked: list[int], position: int) -> None:
    """By label, or by kind alone where the kind has none."""
    edges, label = edges_of(rows)
    nodes = np.array(asked, np.int32)
    for kind, wanted, found in (
        (Ref.INDEX, position, follow_index(edges, label, nodes, position)),
        (Ref.WEAK, -1, follow_kind(edges, label, nodes, Ref.WEAK)),
    ):
        assert found.tolist() == [first_target(rows[node], (kind,), {wanted}) if node >= 0 else -1 for node in asked]


def test_what_does_not_fit_the_heap_is_refused() -> None:
    """Nodes that do not exist, columns of another length or type."""
    edges, label = edges_of([[(Ref.ATTR, 0, 0)]] * NODES)
    nodes, mask = np.zeros(1, np.int32), np.zeros(NODES, np.uint8)
    for wrong in (nodes - 2, nodes + NODES):
        with pytest.raises(ValueError, match="does not exist"):
            follow(edges, label, wrong, 0, NAMED)
    for short in (label[:-1], label.astype(np.int64)):
        with pytest.raises(ValueError, match="label"):
            follow(edges, short, nodes, 0, NAMED)
    for wrong_mask in (mask[:-1], mask.astype(bool)):
        with pytest.raises(ValueError, match="mask"):
            follow_key(edges, label, nodes, wrong_mask)
