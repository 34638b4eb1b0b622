"""From what a user names, a class or an address, to nodes."""

from __future__ import annotations

from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from leakscope.errors import InputError
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Node
from leakscope.graph.names import class_name

Bools = npt.NDArray[np.bool_]


def instances_of(graph: HeapGraph, class_glob: str) -> Int32s:
    """Nodes of the classes that ``class_glob`` names and of their subclasses, garbage included, ascending.

    The glob (``*``, ``?``, ``[...]``) is matched with ``module.QualName`` and with its last part. Class
    objects are instances only of metaclasses that are asked for by name (``type``). InputError if no class matches.
    """
    last = [name.rpartition(".")[2] for name in graph.types.name]
    matched = np.array(
        [
            fnmatchcase(full, class_glob) or fnmatchcase(end, class_glob)
            for full, end in zip(graph.types.name, last, strict=True)
        ],
        dtype=np.bool_,
    )
    if not matched.any():
        near = get_close_matches(class_glob.rpartition(".")[2], sorted(set(last)), n=3)
        raise InputError(
            f"no class in this heap is called {class_glob!r}",
            f"Close to it: {', '.join(near)}."
            if near
            else "leakscope top SOURCE lists classes; '*' matches any part of a name.",
        )
    chosen = with_subclasses(graph, matched)[graph.type]
    if not any(name in (class_glob, class_glob.rpartition(".")[2]) for name in _metaclasses(graph)):
        chosen &= graph.flags & (Node.CLASS | Node.FRAME) == 0
    return np.flatnonzero(chosen).astype(np.int32)


def node_at(graph: HeapGraph, address: int) -> Int32s:
    """The node at ``address``, alone in an array; InputError if no object begins there."""
    row = int(np.searchsorted(graph.address, np.uint64(address & 0xFFFFFFFFFFFFFFFF), side="right")) - 1
    if row >= 0 and int(graph.address[row]) == address:
        return np.array([row], dtype=np.int32)
    help = "Addresses are those of --json output and of 'for one:' lines; they hold for one process and one moment."
    if row >= 0 and int(graph.address[row]) < address < int(graph.address[row]) + int(graph.own_size[row]):
        help = f"It lies inside a {class_name(graph, row)}: try {int(graph.address[row]):#x}."
    raise InputError(f"no object begins at {address:#x}", help)


def with_subclasses(graph: HeapGraph, chosen: Bools) -> Bools:
    """By type: whether it or a class it derives from is ``chosen``."""
    base = graph.types.base
    while True:
        inherited = chosen | ((base >= 0) & chosen[base])
        if np.array_equal(inherited, chosen):
            return inherited
        chosen = inherited


def named(graph: HeapGraph, *names: str) -> Bools:
    """By type: whether its full name is one of ``names``."""
    return np.array([name in names for name in graph.types.name], dtype=np.bool_)


def _metaclasses(graph: HeapGraph) -> list[str]:
    rows = np.flatnonzero(with_subclasses(graph, named(graph, "type"))).tolist()
    return [part for row in rows for part in (graph.types.name[row], graph.types.name[row].rpartition(".")[2])]
