"""Types: objects by their constructor, all else by what V8 calls it; and whose class it is."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.names import LONGEST, Interned
from leakscope.formats.v8.scripts import Scripts
from leakscope.formats.v8.tables import Raw, distinct
from leakscope.graph.heap import Int32s, Types
from leakscope.graph.kinds import Origin

_BY_CONSTRUCTOR = ("object", "native", "hidden")
_FOLDED = {
    "closure": "function", "string": "string", "concatenated string": "string", "sliced string": "string",
    "number": "number",
}  # fmt: skip
"""What types of nodes are called that are named alike whatever they hold; others stand in parentheses."""
_FIRST_NAME = 256
"""Keys of types: below are those of V8, from here on the names of constructors."""


def types_of(raw: Raw, meta: Meta, order: Int32s, scripts: Scripts, names: Interned) -> tuple[Types, Int32s]:
    """The table of types, and each node's row in it."""
    node_type, node_name = raw.node_type[order], raw.node_name[order].astype(np.int64)
    wanted = [at for at, name in enumerate(meta.node_types) if name in _BY_CONSTRUCTOR]
    named = np.isin(node_type, wanted) & ~_prototypes(scripts, len(order))
    keys = np.where(named, node_name + _FIRST_NAME, node_type.astype(np.int64))
    used, row = distinct(keys, len(raw.texts) + _FIRST_NAME)
    sample = np.empty(len(used), dtype=np.int32)
    sample[row[::-1]] = np.arange(len(keys) - 1, -1, -1, dtype=np.int32)
    called = [_called(raw, meta, int(key)) for key in used]
    row_of = {name: at for at, name in enumerate(dict.fromkeys(called))}
    of_key = np.array([row_of[name] for name in called], dtype=np.int32)
    origin = np.full(len(row_of), int(Origin.INTERPRETER), dtype=np.uint8)
    constructed = used >= _FIRST_NAME
    nodes = sample[constructed]
    script = _scripts_of(scripts, nodes)
    origin[of_key[constructed]] = np.where(script >= 0, scripts.origins(script), np.uint8(Origin.INTERPRETER))
    types = Types(
        name=list(row_of),
        node=np.full(len(row_of), -1, dtype=np.int32),
        base=np.full(len(row_of), -1, dtype=np.int32),
        origin=origin,
    )
    return types, of_key[row].astype(np.int32)


def _prototypes(scripts: Scripts, nodes: int) -> npt.NDArray[np.bool_]:
    """By node: whether a function's instances inherit from it; V8 names it as if it were an instance of its base."""
    found = np.zeros(nodes, dtype=np.bool_)
    held = scripts.step(scripts.functions, "prototype")
    found[held[held >= 0]] = True
    return found


def _called(raw: Raw, meta: Meta, key: int) -> str:
    if key < _FIRST_NAME:
        node_type = meta.node_types[key]
        return _FOLDED.get(node_type, f"({node_type})")
    return raw.texts.text(key - _FIRST_NAME)[:LONGEST] or "(object)"


def _scripts_of(scripts: Scripts, nodes: Int32s) -> Int32s:
    """The script that the class of each node is defined in: of its prototype's constructor; -1 built in."""
    prototype = scripts.step(nodes, "__proto__")
    constructor = np.where(prototype >= 0, scripts.step(prototype.clip(0), "constructor"), -1)
    return np.where(constructor >= 0, scripts.script_of_functions(constructor.clip(0)), np.int32(-1)).astype(np.int32)
