"""V8's tables as a ``HeapGraph``: nodes by id, roots by the words that V8 has for them, modules by their script."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.edges import Mapped, map_edges
from leakscope.formats.v8.identity import identity_facts
from leakscope.formats.v8.members import Malformed, Meta
from leakscope.formats.v8.names import Interned
from leakscope.formats.v8.scripts import Scripts, frames_of, modules_of
from leakscope.formats.v8.tables import Raw
from leakscope.formats.v8.types import types_of
from leakscope.formats.v8.values import V8Values
from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s, Int64s, Labels, Roots
from leakscope.graph.kinds import Node, Origin, Ref, Root
from leakscope.kernels.edges import Edges
from leakscope.kernels.traverse import reach

_STRONG = frozenset(Ref) - {Ref.WEAK}
_ID_BITS = 60
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
    first, position = _rows(raw.first_edge, order)
    inside = number[raw.edge_to[position]] >= 0
    edges = map_edges(raw, meta, number, order, _kept(first, inside), position[inside], names)
    scripts = Scripts(edges, raw.node_name[order], names)
    types, type_row = types_of(raw, meta, order, scripts, names)
    native = [row for row, name in enumerate(types.name) if name == "system / NativeContext"]
    modules = modules_of(scripts, np.flatnonzero(np.isin(type_row, native)).astype(np.int32))
    roots = _roots(raw, meta, synthetic, number, modules, names)
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
        labels=_labels(raw, order, edges, names),
        frames=frames_of(scripts, raw, number, raw.node_name[order], names),
        roots=roots,
        names=names.list,
        facts={**_facts(scripts, names), **identity_facts(raw, meta, order)},
    )
    return graph, V8Values(graph, raw, order, meta)


def _facts(scripts: Scripts, names: Interned) -> dict[str, object]:
    """What a snapshot says of itself: nothing of the process or the time, but of which runtime it is."""
    node = any(names.list[script].startswith("node:") for script in np.unique(scripts.script) if script >= 0)
    unknown = {"version": None, "pid": None, "captured_at": None}
    return {"runtime": "node" if node else "chrome", **unknown, "strategy": "dump", "warnings": []}


def _by_id(raw: Raw, synthetic: npt.NDArray[np.bool_]) -> tuple[Int32s, Addresses]:
    """All other nodes in the order of their ids, and the ids, which stay the same as long as the process lives.

    Even ones are hashes of addresses outside of V8's heap: the second of two that are equal is told apart.
    """
    others = np.flatnonzero(~synthetic)
    ids = raw.node_id[others].astype(np.uint64)
    by_id = np.argsort(ids, kind="stable")
    for again in range(1, len(ids)):
        twice = np.flatnonzero(ids[by_id][1:] == ids[by_id][:-1]) + 1
        if not len(twice):
            break
        if (ids[by_id[twice]] & 1).any() or again > _ALIKE:
            raise Malformed(f"two nodes have the id {int(ids[by_id[twice[0]]])}")
        ids[by_id[twice]] += np.uint64(again << _ID_BITS)
        by_id = np.argsort(ids, kind="stable")
    return others[by_id].astype(np.int32), ids[by_id]


def _rows(first: Int64s, order: Int32s) -> tuple[Int64s, Int64s]:
    """The rows of a sparse matrix in another order: where each begins, and its entries' old positions."""
    counts = np.diff(first)[order]
    start = np.zeros(len(order) + 1, dtype=np.int64)
    np.cumsum(counts, out=start[1:])
    position = np.arange(int(start[-1]), dtype=np.int64)
    position += np.repeat(first[order] - start[:-1], counts)
    return start, position


def _kept(first: Int64s, mask: npt.NDArray[np.bool_]) -> Int64s:
    """Where rows begin once only the entries of ``mask`` are left."""
    before = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=before[1:])
    return before[first]


def _roots(
    raw: Raw,
    meta: Meta,
    synthetic: npt.NDArray[np.bool_],
    number: Int32s,
    modules: tuple[Int32s, Int32s, Int8s],
    names: Interned,
) -> Roots:
    """What synthetic nodes refer to strongly, by the way to them: ``(GC roots) / (Global handles)``; and modules."""
    weak = meta.edge_types.index("weak") if "weak" in meta.edge_types else -1
    way = {0: ""}
    node: list[int] = []
    name: list[int] = []
    origin: list[int] = []
    seen: set[tuple[int, int]] = set()
    pending = [0] if len(synthetic) and synthetic[0] else []
    while pending:
        holder = pending.pop()
        positions = range(int(raw.first_edge[holder]), int(raw.first_edge[holder + 1]))
        for position in positions:
            target = int(raw.edge_to[position])
            if int(raw.edge_type[position]) == weak:
                continue
            own = raw.texts.text(int(raw.node_name[target])) if holder == 0 or synthetic[target] else ""
            if synthetic[target]:
                if target not in way:
                    way[target] = f"{way[holder]} / {own}" if way[holder] else own
                    pending.append(target)
                continue
            called = names.add(own if holder == 0 else way[holder])
            if (int(number[target]), called) not in seen:
                seen.add((int(number[target]), called))
                node.append(int(number[target]))
                name.append(called)
                # What the program itself calls global is a name in the user's code.
                origin.append(Origin.USER if holder == 0 else Origin.INTERPRETER)
    module_node, module_name, module_origin = modules
    return Roots(
        node=np.concatenate([module_node, np.array(node, dtype=np.int32)]),
        kind=np.repeat(np.array([Root.MODULE, Root.NAMED], np.uint8), [len(module_node), len(node)]),
        name=np.concatenate([module_name, np.array(name, dtype=np.int32)]),
        origin=np.concatenate([module_origin, np.array(origin, dtype=np.uint8)]),
    )


def _labels(raw: Raw, order: Int32s, edges: Mapped, names: Interned) -> Labels:
    """Texts that are keys of maps, masked."""
    keys = np.unique(edges.label[edges.kind == Ref.KEY])
    keys = keys[edges.is_type(keys, "string")]
    masks = raw.texts.masks(raw.node_name[order[keys]])
    return Labels(keys.astype(np.int32), names.add_all([f"#{mask:012x}" for mask in masks.tolist()]))
