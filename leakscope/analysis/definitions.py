"""Where the code of a module or a class is: so that a report can point at who holds a leak."""

from __future__ import annotations

import numpy as np

from leakscope.findings.model import ChainRoot
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref, Root
from leakscope.graph.navigation import rows_of


def definition_of(graph: HeapGraph, root: ChainRoot) -> tuple[str | None, int | None]:
    """File and line of a chain's ``root`` as its own functions tell them; None where they do not.

    Of a class the line is that of its first method, of a module there is none.
    """
    if root.kind not in ("module", "class"):
        return None, None
    module = _module_of(graph, root.name)
    rows = _functions(graph, module) if module is not None else np.empty(0, dtype=np.int32)
    if not len(rows):
        return None, None
    files, count = np.unique(graph.frames.file[rows], return_counts=True)
    file = int(files[np.argmax(count)])
    inside = root.name.removeprefix(f"{module}.") + "."
    methods = [
        int(graph.frames.line[row])
        for row in rows[graph.frames.file[rows] == file].tolist()
        if root.kind == "class" and graph.names[int(graph.frames.function[row])].startswith(inside)
    ]
    return graph.names[file] or None, min(methods, default=0) or None


def _module_of(graph: HeapGraph, name: str) -> str | None:
    """The longest name of a module that ``name`` begins with."""
    modules = {graph.names[int(row)] for row in graph.roots.name[graph.roots.kind == Root.MODULE] if row >= 0}
    parts = name.split(".")
    return next((found for at in range(len(parts), 0, -1) if (found := ".".join(parts[:at])) in modules), None)


def _functions(graph: HeapGraph, module: str) -> Int32s:
    """Rows of ``graph.frames``: the functions whose globals are those of ``module``."""
    roots = graph.roots
    named = [row >= 0 and graph.names[int(row)] == module for row in roots.name]
    namespaces = [
        int(graph.target[edge])
        for node in roots.node[(roots.kind == Root.MODULE) & named].tolist()
        for edge in range(int(graph.first_ref[node]), int(graph.first_ref[node + 1]))
        if graph.kind[edge] == Ref.DICT
    ]
    edges = np.flatnonzero(np.isin(graph.target, namespaces))
    users = np.unique(np.searchsorted(graph.first_ref, edges, side="right") - 1).astype(np.int32)
    is_function = np.array([name == "function" for name in graph.types.name])[graph.type[users]]
    rows = rows_of(graph.frames.node, users[is_function])
    known: Int32s = rows[rows >= 0]
    return known
