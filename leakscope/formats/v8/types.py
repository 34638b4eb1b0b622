"""Types: objects by their constructor and its library (``ws.WebSocket``), all else by what V8 calls it."""

from __future__ import annotations

import numpy as np

from leakscope.formats.v8.edges import Bools
from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.names import LONGEST, Interned
from leakscope.formats.v8.scripts import Scripts, library_of
from leakscope.formats.v8.tables import Texts, distinct
from leakscope.graph.heap import Int32s, Int64s, Types
from leakscope.graph.kinds import Origin

_BY_CONSTRUCTOR = ("object", "native", "hidden")
_FOLDED = {
    "closure": "function", "string": "string", "concatenated string": "string", "sliced string": "string",
    "number": "number",
}  # fmt: skip
"""What types of nodes are called that are named alike whatever they hold; others stand in parentheses."""
_MOST_ABOVE = 4
"""Prototypes above one that are asked for a constructor."""
_FIRST_NAME = 256
"""Keys of types: below are those of V8, from here on the names of constructors."""


def types_of(texts: Texts, node_name: Int32s, scripts: Scripts, names: Interned) -> tuple[Types, Int32s]:
    """The table of types, and each node's row in it. ``node_name``: by node, its text in the file."""
    node_type, meta = scripts.edges.node_type, scripts.edges.meta
    wanted = np.array([name in _BY_CONSTRUCTOR for name in meta.node_types] or [False], dtype=np.bool_)
    named = wanted[node_type] & ~_prototypes(scripts, len(node_name))
    script = _scripts_of_classes(scripts, named)
    libraries, of_script = _libraries(scripts, names)
    keys = node_name.astype(np.int64)
    keys += _FIRST_NAME
    np.copyto(keys, node_type, where=~named)
    pairs, row = _rows(keys, of_script[script], len(texts) + _FIRST_NAME)
    sample = np.full(len(pairs), -1, dtype=np.int32)
    sample[row] = np.arange(len(row), dtype=np.int32)
    there = np.flatnonzero(sample >= 0)
    called = [_called(texts, meta, pairs[at][0], libraries[pairs[at][1]]) for at in there.tolist()]
    row_of = {name: at for at, name in enumerate(dict.fromkeys(called))}
    of_key = np.zeros(len(pairs), dtype=np.int32)
    of_key[there] = [row_of[name] for name in called]
    origin = np.full(len(row_of), int(Origin.INTERPRETER), dtype=np.uint8)
    known = there[script[sample[there]] >= 0]
    origin[of_key[known]] = scripts.origins(script[sample[known]])
    types = Types(
        name=list(row_of),
        node=np.full(len(row_of), -1, dtype=np.int32),
        base=np.full(len(row_of), -1, dtype=np.int32),
        origin=origin,
    )
    return types, of_key[row]


def _libraries(scripts: Scripts, names: Interned) -> tuple[list[str], Int32s]:
    """All libraries, "" first; and by a script's name the place of its library there, at last that of -1."""
    used = [at for at in np.unique(scripts.script).tolist() if at >= 0]
    libraries = ["", *sorted({library_of(names.list[at]) for at in used} - {""})]
    of_script = np.zeros(max(used, default=0) + 2, dtype=np.int32)
    of_script[used] = [libraries.index(library_of(names.list[at])) for at in used]
    return libraries, of_script


def _rows(keys: Int64s, library: Int32s, end: int) -> tuple[list[tuple[int, int]], Int32s]:
    """``(used, row)``: pairs of a key (below ``end``) and a library, and of each node its place there.

    Most objects are of no library, and are counted instead of sorted; so some pairs may be no node's.
    """
    plain, row = distinct(keys, end)
    foreign = np.flatnonzero(library)
    pairs, further = np.unique(keys[foreign] << 31 | library[foreign], return_inverse=True)
    row[foreign] = len(plain) + further
    split = [(pair >> 31, pair & (1 << 31) - 1) for pair in pairs.tolist()]
    return [*((key, 0) for key in plain.tolist()), *split], row


def _scripts_of_classes(scripts: Scripts, named: Bools) -> Int32s:
    """By node: the script that its class is defined in, which is where its prototype's constructor is from; -1 none.

    Express puts prototypes without a constructor before Node's own.
    """
    nodes = np.flatnonzero(named).astype(np.int32)
    prototype = scripts.step(nodes, "__proto__")
    used, where = distinct(prototype[prototype >= 0], len(named))
    above = used.astype(np.int32)
    constructor = scripts.step(above, "constructor")
    for _ in range(_MOST_ABOVE):
        above = np.where((above >= 0) & (constructor < 0), scripts.step(above, "__proto__"), -1)
        constructor = np.where(constructor >= 0, constructor, scripts.step(above, "constructor"))
    script = np.where(constructor >= 0, scripts.script_of_functions(constructor.clip(0)), np.int32(-1))
    found = np.full(len(named), -1, dtype=np.int32)
    found[nodes[prototype >= 0]] = script[where]
    return found


def _prototypes(scripts: Scripts, nodes: int) -> Bools:
    """By node: whether a function's instances inherit from it; V8 names it as if it were an instance of its base."""
    found = np.zeros(nodes, dtype=np.bool_)
    held = scripts.step(scripts.functions, "prototype")
    found[held[held >= 0]] = True
    return found


def _called(texts: Texts, meta: Meta, key: int, library: str) -> str:
    if key < _FIRST_NAME:
        node_type = meta.node_types[key]
        return _FOLDED.get(node_type, f"({node_type})")
    name = texts.text(key - _FIRST_NAME)[:LONGEST] or "(object)"
    return f"{library}.{name}" if library else name
