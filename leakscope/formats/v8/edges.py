"""V8's edges as references: properties are attributes, variables of contexts cells, entries of maps keys and values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.names import Interned
from leakscope.formats.v8.tables import Raw, distinct
from leakscope.graph.heap import Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.kernels import v8

Bools = npt.NDArray[np.bool_]

CLOSURE = "__closure__"
"""What a function's variables hang on: no step of its own in chains, as in Python."""
_EPHEMERON = b"part of key ("
_WITHIN = 24
_KINDS = {
    "context": Ref.CELL, "element": Ref.INDEX, "property": Ref.ATTR, "internal": Ref.INTERNAL, "hidden": Ref.ITEM,
    "shortcut": Ref.ATTR, "weak": Ref.WEAK,
}  # fmt: skip
_DICTIONARY = 20
"""An object with so many properties that hardly another object has is a dictionary: their names are data."""
_SHARED_BY_FEW = 2


@dataclass(frozen=True)
class Mapped:
    """The references of a graph in the making: columns as in ``HeapGraph``, which the functions here fill in."""

    first: Int64s
    source: Int32s
    target: Int32s
    kind: Int8s
    label: Int32s
    told: Int32s
    """The name of each edge in the file."""
    node_type: Int8s
    """Of each node, as in the file."""
    meta: Meta

    def is_type(self, nodes: Int32s, node_type: str) -> Bools:
        """Which nodes are of a type of V8."""
        types = self.meta.node_types
        found: Bools = self.node_type[nodes] == (types.index(node_type) if node_type in types else 255)
        return found


def map_edges(raw: Raw, meta: Meta, number: Int32s, order: Int32s, names: Interned) -> Mapped:
    """References of the nodes in ``order`` to each other; ``number``: by old node the new, -1 for what is left out."""
    table = np.array([_KINDS.get(name, Ref.INTERNAL) for name in meta.edge_types] or [Ref.INTERNAL], dtype=np.uint8)
    first, target, kind, told = v8.rows(raw.first_edge, order, number, table[raw.edge_type], raw.edge_name, raw.edge_to)
    edges = Mapped(
        first=first,
        source=np.repeat(np.arange(len(order), dtype=np.int32), np.diff(first)),
        target=target,
        kind=kind,
        label=np.full(len(target), -1, dtype=np.int32),
        told=told,
        node_type=raw.node_type[order],
        meta=meta,
    )
    is_index = edges.kind == Ref.INDEX
    edges.label[is_index] = edges.told[is_index]
    is_cell = edges.kind == Ref.CELL
    edges.label[is_cell] = names.of_texts(edges.told[is_cell])
    _name_internals(raw, edges, names)
    _name_properties(edges, names)
    return edges


def _name_internals(raw: Raw, edges: Mapped, names: Interned) -> None:
    """Names, places in tables, and halves of a WeakMap's entries, whose names are unique and never decoded."""
    internal = np.flatnonzero(edges.kind == Ref.INTERNAL)
    used, where = distinct(edges.told[internal], len(raw.texts))
    begin, end = raw.texts.begin[used], raw.texts.end[used]
    half = (v8.with_words(raw.texts.data, begin, end, _EPHEMERON, _WITHIN) != 0)[where]
    place = v8.whole_numbers(raw.texts.data, begin, end)[where]
    plain = internal[~half & (place < 0)]
    edges.label[plain] = names.of_texts(edges.told[plain])
    _fold_contexts(edges, plain, names)
    shape = plain[edges.label[plain] == names.find("map")]
    edges.kind[shape], edges.label[shape] = Ref.TYPE, -1
    edges.kind[internal[place >= 0]] = Ref.ITEM
    _map_entries(edges, plain, internal[place >= 0], place[place >= 0], names)
    # The key keeps the value alive; the table, which has the same name for it, does not.
    weak = edges.is_type(edges.source[internal], "array") & half
    edges.kind[internal[weak]] = Ref.WEAK
    edges.label[internal[half & ~weak]] = names.add("<WeakMap value>")


def _fold_contexts(edges: Mapped, plain: Int64s, names: Interned) -> None:
    """A function's context, and the contexts around it, hold its variables."""
    called = edges.label[plain]
    of_function = (called == names.find("context")) & edges.is_type(edges.source[plain], "closure")
    around = called == names.find("previous")
    edges.label[plain[of_function | around]] = names.add(CLOSURE)


def _map_entries(edges: Mapped, plain: Int64s, entries: Int64s, place: Int32s, names: Interned) -> None:
    """The tables of ``Map`` and ``Set`` are no step of their own, and have entries by key.

    OrderedHashMap has key, value and link in turn, OrderedHashSet key and link (v8/src/objects/ordered-hash-table.h);
    links are numbers and no nodes, so that a value follows its key where its place is one more.
    """
    table = plain[edges.label[plain] == names.find("table")]
    table = table[edges.is_type(edges.target[table], "array")]
    edges.kind[table], edges.label[table] = Ref.DICT, -1
    is_table = np.zeros(len(edges.node_type), dtype=np.bool_)
    is_table[edges.target[table]] = True
    inside = is_table[edges.source[entries]]
    entries, place = entries[inside], place[inside]
    follows = np.zeros(len(entries), dtype=np.bool_)
    follows[1:] = (edges.source[entries[1:]] == edges.source[entries[:-1]]) & (place[1:] == place[:-1] + 1)
    values = entries[follows]
    keys = entries[np.flatnonzero(follows) - 1]
    edges.kind[keys] = Ref.DICT_KEY
    edges.kind[values], edges.label[values] = Ref.KEY, edges.target[keys]


def _name_properties(edges: Mapped, names: Interned) -> None:
    """Attributes; entries of dictionaries by their position, since their names are data."""
    attribute = np.flatnonzero(edges.kind == Ref.ATTR)
    told = edges.told[attribute]
    rare = np.bincount(told, minlength=1)[told] <= _SHARED_BY_FEW
    objects = len(edges.node_type)
    holder = edges.source[attribute]
    few = np.bincount(holder[rare & ~edges.is_type(edges.target[attribute], "closure")], minlength=objects)
    most = np.bincount(holder, minlength=objects)
    dictionary = (few >= _DICTIONARY) & (few * 2 > most)
    data = rare & dictionary[holder]
    edges.kind[attribute[data]] = Ref.INDEX
    edges.label[attribute[data]] = (attribute - edges.first[holder])[data]
    called = names.of_texts(told[~data], masked=True)
    # Every timer is reached by ``_idleNext`` alone: which way round a list is walked says nothing.
    called[called == names.find("_idlePrev")] = names.add("_idleNext")
    edges.label[attribute[~data]] = called
