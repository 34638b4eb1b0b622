"""Random and fixed heap graphs for the tests of files."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from leakscope.graph.heap import Bounds, Frames, HeapGraph, Labels, Roots, Sessions, Types
from leakscope.graph.kinds import Fact, Origin, Ref, Root
from leakscope.graph.values import UNKNOWN_MASK

_NAMED = (Ref.INTERNAL, Ref.ATTR, Ref.LOCAL, Ref.CELL, Ref.GLOBAL)


def random_graph(seed: int, objects: int, references: int, names: list[str]) -> HeapGraph:
    """A valid graph; ``references`` is only wanted where there are objects."""
    dice = np.random.default_rng(seed)
    references = references if objects else 0
    source = np.sort(dice.integers(0, max(objects, 1), references))
    kind = dice.integers(0, len(Ref), references).astype(np.uint8)
    if not names:
        kind[np.isin(kind, _NAMED)] = Ref.ITEM
    types = 1 + int(dice.integers(0, 9))
    return HeapGraph(
        address=(np.cumsum(dice.integers(1, 99, objects)) * 16 + (1 << 46)).astype(np.uint64),
        type=dice.integers(0, types, objects).astype(np.int32),
        own_size=dice.integers(0, 1 << 40, objects),
        flags=dice.integers(0, 64, objects).astype(np.uint8),
        first_ref=np.searchsorted(source, np.arange(objects + 1)).astype(np.int64),
        target=dice.integers(0, max(objects, 1), references).astype(np.int32),
        kind=kind,
        label=_labels(dice, kind, objects, len(names)),
        types=_types(dice, types, objects),
        names=names,
        labels=_label_table(dice, objects, len(names)),
        frames=_frames(dice, objects, len(names)),
        roots=_roots(dice, objects, len(names)),
        sessions=_sessions(dice, objects, len(names)) if seed % 3 else None,
        bounds=_bounds(dice, objects) if seed % 4 else None,
        facts={"pid": seed, "warnings": ["one", "zwei ü"], "pause_ms": 1.5, "nested": {"a": [None, True]}},
    )


def _labels(dice: np.random.Generator, kind: Any, objects: int, names: int) -> Any:
    labels = np.full(len(kind), -1, np.int64)
    for code, end in [(Ref.KEY, objects), (Ref.INDEX, 1 << 31), (Ref.STACK, 99), (Ref.C_FIELD, 1 << 20)]:
        labels[kind == code] = dice.integers(0, max(end, 1), np.count_nonzero(kind == code))
    is_named = np.isin(kind, _NAMED)
    labels[is_named] = dice.integers(0, max(names, 1), np.count_nonzero(is_named))
    return labels.astype(np.int32)


def _types(dice: np.random.Generator, count: int, objects: int) -> Types:
    return Types(
        name=[f"package.Type{n}" for n in range(count)],
        node=dice.integers(-1, max(objects, 0), count).astype(np.int32) if objects else _ints([-1] * count),
        base=_ints([int(dice.integers(-1, n)) if n else -1 for n in range(count)]),
        origin=dice.integers(0, len(Origin), count).astype(np.uint8),
    )


def _label_table(dice: np.random.Generator, objects: int, names: int) -> Labels:
    nodes = _some(dice, objects if names else 0)
    return Labels(nodes, dice.integers(0, max(names, 1), len(nodes)).astype(np.int32))


def _frames(dice: np.random.Generator, objects: int, names: int) -> Frames:
    nodes = _some(dice, objects if names else 0)
    function, file = dice.integers(0, max(names, 1), (2, len(nodes))).astype(np.int32)
    line = dice.integers(0, 10_000, len(nodes)).astype(np.int32)
    return Frames(nodes, function, file, line, dice.integers(0, len(Origin), len(nodes)).astype(np.uint8))


def _roots(dice: np.random.Generator, objects: int, names: int) -> Roots:
    nodes = _some(dice, objects)
    kind = np.sort(dice.integers(0, len(Root), len(nodes))).astype(np.uint8)
    name = dice.integers(-1, max(names, 0), len(nodes)).astype(np.int32) if names else _ints([-1] * len(nodes))
    return Roots(nodes, kind, name, dice.integers(0, len(Origin), len(nodes)).astype(np.uint8))


def _sessions(dice: np.random.Generator, objects: int, names: int) -> Sessions:
    nodes = _some(dice, objects if names else 0)
    count = len(nodes)
    rule, id_name, created_from, state = (dice.integers(low, max(names, 1), count) for low in (0, -1, -1, -1))
    created, used, expires, ttl = dice.uniform(0, 1e10, (4, count))
    for column in (created, used, expires, ttl):
        column[dice.random(count) < 0.3] = np.nan
    mask = dice.integers(0, 1 << 48, count).astype(np.uint64)
    mask[dice.random(count) < 0.3] = UNKNOWN_MASK
    return Sessions(
        nodes, rule.astype(np.int32), mask, id_name.astype(np.int32), created, created_from.astype(np.int32),
        used, expires, ttl, state.astype(np.int32), dice.integers(0, 2 * max(Fact), count).astype(np.int32),
    )  # fmt: skip


def _bounds(dice: np.random.Generator, objects: int) -> Bounds:
    nodes = _some(dice, objects)
    return Bounds(nodes, dice.integers(0, 1 << 30, len(nodes)))


def _some(dice: np.random.Generator, objects: int) -> Any:
    return np.flatnonzero(dice.random(objects) < 0.3).astype(np.int32)


def _ints(values: list[int]) -> Any:
    return np.array(values, np.int32)


@st.composite
def heap_graphs(draw: st.DrawFn) -> HeapGraph:
    """Graphs of every size from nothing on, with names of every kind of text but lone surrogates."""
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True, max_size=20))
    return random_graph(
        seed=draw(st.integers(0, 2**32 - 1)),
        objects=draw(st.integers(0, 200)),
        references=draw(st.integers(0, 500)),
        names=names,
    )


def assert_equal(one: Any, other: Any, where: str = "graph") -> None:
    """Every column of both, with its type; tables and lists too."""
    if is_dataclass(one):
        for field in fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), where
    else:
        assert one == other, where
