"""Why objects of a V8 heap live: the program's globals, its modules' variables, and what only V8 has words for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from leakscope.formats.v8.edges import Bools, Mapped
from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.names import LONGEST, Interned
from leakscope.formats.v8.scripts import Modules
from leakscope.formats.v8.tables import Raw, RawEdges
from leakscope.graph.heap import Int32s, Roots
from leakscope.graph.kinds import Origin, Ref, Root


@dataclass(frozen=True)
class Held:
    """What one synthetic node refers to, by the way to it: ``(GC roots) / (Global handles)``, "" for the first."""

    way: str
    node: Int32s
    """Numbers as in the file."""


def roots_of(raw: Raw, held: list[Held], number: Int32s, modules: Modules, edges: Mapped, names: Interned) -> Roots:
    """All roots. ``number``: by node in the file the one in the graph."""
    for each in held:
        if not each.way:
            _make_global(edges, number[each.node])
    names_of = [
        # What the program itself calls global is its own: the names in it are those of a module.
        names.of_texts(raw.node_name[each.node])
        if not each.way
        else np.full(len(each.node), names.add(each.way), dtype=np.int32)
        for each in held
    ]
    kinds = [Root.NAMED if each.way else Root.MODULE for each in held]
    origins = [Origin.INTERPRETER if each.way else Origin.USER for each in held]
    counts = [len(each.node) for each in held]
    return Roots(
        node=np.concatenate([modules.node, *(number[each.node] for each in held)]),
        kind=np.repeat(np.array([Root.MODULE, *kinds], dtype=np.uint8), [len(modules.node), *counts]),
        name=np.concatenate([modules.name, *names_of]),
        origin=np.concatenate([modules.origin, np.repeat(np.array(origins, dtype=np.uint8), counts)]),
    )


def held_by_synthetic(raw: Raw, edges: RawEdges, meta: Meta, synthetic: Bools) -> Iterator[Held]:
    """What node 0 and the synthetic ones behind it refer to strongly and is not synthetic itself."""
    weak = meta.edge_types.index("weak") if "weak" in meta.edge_types else -1
    way = {0: ""}
    pending = [0] if len(synthetic) and synthetic[0] else []
    while pending:
        holder = pending.pop()
        row = slice(int(raw.first_edge[holder]), int(raw.first_edge[holder + 1]))
        held = np.unique(edges.to[row][edges.type[row] != weak])
        for further in held[synthetic[held]].tolist():
            if further not in way:
                own = raw.texts.text(int(raw.node_name[further])) or "(root)"
                way[further] = (f"{way[holder]} / {own}" if way[holder] else own)[:LONGEST]
                pending.append(further)
        yield Held(way[holder], held[~synthetic[held]])


def _make_global(edges: Mapped, nodes: Int32s) -> None:
    """Properties of a global object are names of the program's own."""
    for node in nodes.tolist():
        kinds = edges.kind[edges.first[node] : edges.first[node + 1]]
        kinds[kinds == Ref.ATTR] = Ref.GLOBAL
