"""V8's edges as references: properties are attributes, variables of contexts cells, entries of maps keys and values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.members import Malformed, Meta
from leakscope.formats.v8.names import Interned
from leakscope.formats.v8.tables import Raw, RawEdges
from leakscope.graph.heap import Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.kernels import v8, v8_edges

Bools = npt.NDArray[np.bool_]

CLOSURE = "__closure__"
"""What a function's variables hang on: no step of its own in chains, as in Python."""
WEAK_VALUE = "<WeakMap value>"
_EPHEMERON = b"part of key ("
_WITHIN = 24
_KINDS = {
    "context": Ref.CELL, "element": Ref.INDEX, "property": Ref.ATTR, "internal": Ref.INTERNAL, "hidden": Ref.ITEM,
    "shortcut": Ref.ATTR, "weak": Ref.WEAK,
}  # fmt: skip
_GROUPS = {Ref.INTERNAL: v8_edges.IS_INTERNAL, Ref.CELL: v8_edges.IS_CELL, Ref.ATTR: v8_edges.IS_PROPERTY}
_MEANINGS = {
    "map": v8_edges.SHAPE, "table": v8_edges.TABLE, "context": v8_edges.CONTEXT, "previous": v8_edges.PREVIOUS,
}  # fmt: skip
_NUMBERED = ("element", "hidden")
"""Edges whose name is a number."""


@dataclass(frozen=True)
class Mapped:
    """The references of a graph in the making: columns as in ``HeapGraph``."""

    first: Int64s
    target: Int32s
    kind: Int8s
    label: Int32s
    node_type: Int8s
    """Of each node, as in the file."""
    meta: Meta

    def all_of(self, node_type: str) -> Bools:
        """By node: whether it is of a type of V8."""
        found: Bools = self.node_type == _place(self.meta.node_types, node_type)
        return found

    def is_type(self, nodes: Int32s, node_type: str) -> Bools:
        """Which nodes are of a type of V8."""
        found: Bools = self.node_type[nodes] == _place(self.meta.node_types, node_type)
        return found


@dataclass(frozen=True)
class _Texts:
    """What texts are as names of edges: parallel arrays, by text."""

    meaning: Int8s
    called: Int32s
    """A name; -2 - n for the number n, -1 for what is never shown."""
    properties: Int32s
    """How many it names."""


def map_edges(raw: Raw, edges: RawEdges, meta: Meta, number: Int32s, order: Int32s, names: Interned) -> Mapped:
    """References of the nodes in ``order`` to each other; ``number``: by old node the new, -1 for what is left out."""
    kinds = np.array([_KINDS.get(name, Ref.INTERNAL) for name in meta.edge_types] or [Ref.INTERNAL], dtype=np.uint8)
    texts = _texts(raw, edges, meta, kinds, names)
    codes = (
        _place(meta.node_types, "closure"), _place(meta.node_types, "array"), names.add(CLOSURE), names.add(WEAK_VALUE),
    )  # fmt: skip
    first, target, kind, label, tables = v8_edges.rows(
        raw.first_edge, order, number, (edges.type, edges.name, edges.to), raw.node_type, kinds,
        (texts.meaning, texts.called, texts.properties), codes,
    )  # fmt: skip
    v8_edges.finish(first, target, kind, label, tables, _attribute_names(raw, kind, label, names))
    return Mapped(first, target, kind, label, raw.node_type[order], meta)


def _place(names: tuple[str, ...], name: str) -> int:
    return names.index(name) if name in names else 255


def _texts(raw: Raw, edges: RawEdges, meta: Meta, kinds: Int8s, names: Interned) -> _Texts:
    """Of a WeakMap's entries there are as many names as entries: they are never decoded."""
    groups = np.array([_GROUPS.get(Ref(kind), v8_edges.IS_OTHER) for kind in kinds.tolist()], dtype=np.uint8)
    groups[[at for at, name in enumerate(meta.edge_types) if name in _NUMBERED]] = 0
    used, properties, wrong = v8_edges.survey(edges.type, edges.name, groups, len(raw.texts))
    if wrong != -1:
        raise Malformed(f"an edge's name is number {wrong:,} of {len(raw.texts):,}")
    meaning = np.full(len(raw.texts), v8_edges.PLAIN, dtype=np.uint8)
    called = np.full(len(raw.texts), -1, dtype=np.int32)
    internal = np.flatnonzero(used & v8_edges.IS_INTERNAL)
    begin, end = raw.texts.begin[internal], raw.texts.end[internal]
    half = v8.with_words(raw.texts.data, begin, end, _EPHEMERON, _WITHIN) != 0
    place = v8.whole_numbers(raw.texts.data, begin, end)
    meaning[internal[half]] = v8_edges.HALF
    called[internal[place >= 0]] = -2 - place[place >= 0]
    plain = internal[~half & (place < 0)]
    shown = np.union1d(plain, np.setdiff1d(np.flatnonzero(used & v8_edges.IS_CELL), internal)).astype(np.int32)
    called[shown] = names.of_texts(shown)
    for name, means in _MEANINGS.items():
        meaning[plain[called[plain] == names.find(name)]] = means
    return _Texts(meaning, called, properties)


def _attribute_names(raw: Raw, kind: Int8s, label: Int32s, names: Interned) -> Int32s:
    """By text: its name as that of an attribute."""
    called = np.full(len(raw.texts), -1, dtype=np.int32)
    used = np.flatnonzero(v8_edges.attributes(kind, label, len(raw.texts))).astype(np.int32)
    called[used] = names.of_texts(used, masked=True)
    # Every timer is reached by ``_idleNext`` alone: which way round a list is walked says nothing.
    called[called == names.find("_idlePrev")] = names.add("_idleNext")
    return called
