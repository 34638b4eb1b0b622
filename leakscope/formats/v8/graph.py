"""V8's tables as a ``HeapGraph``: nodes by id, roots by the words that V8 has for them, modules by their script."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from leakscope.formats.order import ascending
from leakscope.formats.v8.edges import Mapped, map_edges
from leakscope.formats.v8.identity import identity_facts
from leakscope.formats.v8.members import Malformed, Meta
from leakscope.formats.v8.names import Interned
from leakscope.formats.v8.roots import held_by_synthetic, roots_of
from leakscope.formats.v8.scripts import Scripts, frames_of, modules_of
from leakscope.formats.v8.tables import Raw, distinct
from leakscope.formats.v8.types import types_of
from leakscope.formats.v8.values import V8Values, Words, words_of
from leakscope.graph.heap import Addresses, HeapGraph, Int32s, Labels, Types
from leakscope.graph.kinds import Node, Ref
from leakscope.graph.values import UNKNOWN_MASK, shown_masks
from leakscope.kernels.edges import Edges
from leakscope.kernels.traverse import reach

_STRONG = frozenset(Ref) - {Ref.WEAK}
_ID_BITS = 60
_VERSION = re.compile(r"v\d+\.\d+\.\d+", re.ASCII)
_LONGEST_VERSION = 40
NO_NODES = np.empty(0, dtype=np.int32)
_ALIKE = 7
"""How many may have one id besides the first."""


def build(raw: Raw, meta: Meta) -> tuple[HeapGraph, V8Values]:
    """The graph of what is no synthetic node, and the source of its values."""
    synthetic = np.zeros(len(raw.node_type), dtype=np.bool_)
    if "synthetic" in meta.node_types:
        synthetic = raw.node_type == meta.node_types.index("synthetic")
    order, ids = _by_id(raw, synthetic)
    number = np.full(len(synthetic), -1, dtype=np.int32)
    number[order] = np.arange(len(order), dtype=np.int32)
    names = Interned(raw.texts)
    raw_edges = raw.take_edges()
    held = list(held_by_synthetic(raw, raw_edges, meta, synthetic))
    edges = map_edges(raw, raw_edges, meta, number, order, names)
    del raw_edges  # as large as all that follows
    node_name = raw.node_name[order]
    scripts = Scripts(edges, node_name, names)
    words = words_of(raw, scripts, node_name)
    types, type_row = types_of(raw.texts, node_name, scripts, names)
    modules = modules_of(scripts, _of_type("system / NativeContext", types, type_row))
    roots = roots_of(raw, held, number, modules, edges, names)
    walk = Edges(edges.first, edges.target, edges.kind, _STRONG)
    garbage = reach(walk, np.unique(roots.node)) == 0
    graph = HeapGraph(
        address=ids,
        type=type_row,
        own_size=raw.node_size[order],
        flags=np.where(garbage, int(Node.GARBAGE), 0).astype(np.uint8),
        first_ref=edges.first,
        target=edges.target,
        kind=edges.kind,
        label=edges.label,
        types=types,
        labels=_labels(words, edges, names),
        frames=frames_of(scripts, raw, number, node_name, names),
        roots=roots,
        names=names.list,
        facts={**_facts(scripts, words, _of_type("process", types, type_row)), **identity_facts(raw, meta, order, ids)},
    )
    return graph, V8Values(graph, words, edges.all_of("number"))


def _of_type(name: str, types: Types, type_row: Int32s) -> Int32s:
    return np.flatnonzero(type_row == types.name.index(name)).astype(np.int32) if name in types.name else NO_NODES


def _facts(scripts: Scripts, words: Words, process: Int32s) -> dict[str, object]:
    """What a snapshot says of itself: no time and no PID, but of which runtime it is.

    ``process``: what may be the object of that name, which Node has and browsers have not.
    """
    said = {words.text(node, _LONGEST_VERSION) or "" for node in scripts.step(process, "version").tolist() if node >= 0}
    versions = sorted(text.removeprefix("v") for text in said if _VERSION.match(text))
    known = {"runtime": "node" if versions else "chrome", "version": versions[0] if versions else None}
    return {**known, "pid": None, "captured_at": None, "strategy": "dump", "warnings": []}


def _by_id(raw: Raw, synthetic: npt.NDArray[np.bool_]) -> tuple[Int32s, Addresses]:
    """All other nodes in the order of their ids, and the ids, which stay the same as long as the process lives.

    Even ones are hashes of addresses outside of V8's heap: the second of two that are equal is told apart.
    """
    others = np.flatnonzero(~synthetic)
    ids = raw.node_id[others].view(np.uint64)
    for again in range(1, _ALIKE + 2):
        by_id, ordered = ascending(ids)
        twice = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
        if not len(twice):
            break
        if (ordered[twice] & 1).any() or again > _ALIKE:
            raise Malformed(f"two nodes have the id {int(ordered[twice[0]])}")
        ids[by_id[twice]] += np.uint64(again << _ID_BITS)
    return others[by_id].astype(np.int32), ordered


def _labels(words: Words, edges: Mapped, names: Interned) -> Labels:
    """Texts that are keys of maps, masked."""
    keys, _ = distinct(edges.label[edges.kind == Ref.KEY], len(words.name))
    masks = words.masks(keys.astype(np.int32))
    known = masks != UNKNOWN_MASK
    return Labels(keys[known].astype(np.int32), names.add_all(shown_masks(masks[known])))
