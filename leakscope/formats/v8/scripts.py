"""Whose code it is: functions with their scripts and lines, and the contexts that hold a script's own variables."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from leakscope.formats.v8.edges import CLOSURE, Mapped
from leakscope.formats.v8.names import Interned
from leakscope.formats.v8.tables import Raw
from leakscope.graph.heap import Frames, Int8s, Int32s
from leakscope.graph.kinds import Origin, Ref
from leakscope.kernels.edges import Edges
from leakscope.kernels.fields import follow

_SCRIPT_FIELDS = ("script_or_debug_info", "script")
_NAMED = (Ref.INTERNAL, Ref.ATTR)
_PACKAGE = re.compile(r".*[/\\]node_modules[/\\]((?:@[^/\\]+[/\\])?[^/\\]+)", re.DOTALL)
_NODES_OWN = re.compile(r"node:(?:internal/)?(?:deps/)?(?!per_context)(?:_(?P<old>[a-z]+)_|(?P<name>[^/]+))")
"""Node documents ``http.ServerResponse`` as what is in ``node:_http_server``."""


class Scripts:
    """Follows V8's own fields from nodes to the script they are from; -1 is "none" throughout."""

    def __init__(self, edges: Mapped, node_name: Int32s, names: Interned) -> None:
        """``node_name``: by node, its text in the file."""
        self.edges = edges
        self._node_name = node_name
        self._names = names
        self._walk = Edges(edges.first, edges.target, edges.kind, list(Ref))
        self.functions: Int32s = np.flatnonzero(edges.all_of("closure")).astype(np.int32)
        self.script = self._script_of(self.functions)
        """By function: the name of its script, in the graph's names."""

    def step(self, nodes: Int32s, *fields: str) -> Int32s:
        """Where the first of ``fields`` that a node has leads."""
        found = np.full(len(nodes), -1, dtype=np.int32)
        for field in fields:
            name = self._names.find(field)
            if name >= 0:
                there = follow(self._walk, self.edges.label, nodes, name, _NAMED)
                found = np.where(found >= 0, found, there)
        return found

    def _script_of(self, functions: Int32s) -> Int32s:
        script = self.step(self.step(functions, "shared"), *_SCRIPT_FIELDS)
        is_script = (script >= 0) & self.edges.is_type(script.clip(0), "code")
        named = np.full(len(functions), -1, dtype=np.int32)
        named[is_script] = self._names.of_texts(self._node_name[script[is_script]])
        return named

    def script_of_functions(self, functions: Int32s) -> Int32s:
        """By node: the script of a function; -1 for whatever is none."""
        place = np.searchsorted(self.functions, functions).clip(max=max(len(self.functions) - 1, 0))
        if not len(self.functions):
            return np.full(len(functions), -1, dtype=np.int32)
        return np.where(self.functions[place] == functions, self.script[place], np.int32(-1))

    def origins(self, scripts: Int32s) -> Int8s:
        """``Origin`` by script name; -1 is built in."""
        used, where = np.unique(scripts, return_inverse=True)
        names = self._names.list
        found = [_origin(names[script]) if script >= 0 else Origin.STDLIB for script in used.tolist()]
        return np.array(found, dtype=np.uint8)[where]


def _origin(script: str) -> Origin:
    if "/node_modules/" in script or "\\node_modules\\" in script:
        return Origin.THIRD_PARTY
    return Origin.USER if script and not script.startswith(("node:", "extensions::", "v8/")) else Origin.STDLIB


def library_of(script: str) -> str:
    """What its classes are told by: ``ws`` for a package, ``net`` and ``http`` for Node's own; "" for the user's."""
    package = _PACKAGE.search(script)
    if package:
        return package[1].replace("\\", "/")
    own = _NODES_OWN.match(script)
    return own["old"] or own["name"] if own else ""


def frames_of(scripts: Scripts, raw: Raw, number: Int32s, node_name: Int32s, names: Interned) -> Frames:
    """Functions: their names, files, and lines where the file says them."""
    functions = scripts.functions
    line = np.zeros(len(scripts.edges.node_type), dtype=np.int32)
    known = number[raw.located] >= 0
    line[number[raw.located[known]]] = raw.line[known]
    nothing = names.add("")
    anonymous, called = names.add("(anonymous)"), names.of_texts(node_name[functions])
    return Frames(
        node=functions,
        function=np.where(called == nothing, np.int32(anonymous), called).astype(np.int32),
        file=np.where(scripts.script >= 0, scripts.script, np.int32(nothing)).astype(np.int32),
        line=line[functions],
        origin=scripts.origins(scripts.script),
    )


@dataclass(frozen=True)
class Modules:
    """Contexts that hold a script's own variables: parallel arrays."""

    node: Int32s
    name: Int32s
    """The script's."""
    origin: Int8s


def modules_of(scripts: Scripts, native: Int32s) -> Modules:
    """The contexts of functions which only V8's ``native`` context is around; their variables become a module's."""
    context = scripts.step(scripts.functions, CLOSURE)
    around = np.where(context >= 0, scripts.step(context.clip(0), CLOSURE), -1)
    top = (context >= 0) & (scripts.script >= 0) & np.isin(around, native)
    node, first = np.unique(context[top], return_index=True)
    script = scripts.script[top][first]
    edges = scripts.edges
    for each in node.tolist():
        kinds = edges.kind[edges.first[each] : edges.first[each + 1]]
        kinds[kinds == Ref.CELL] = Ref.GLOBAL
    return Modules(node.astype(np.int32), script.astype(np.int32), scripts.origins(script))
