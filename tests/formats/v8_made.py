"""Heap snapshots of V8 for tests, in a few lines, with columns in any order; what is not said is as node 20 writes it.

made = Made()
made.held("tracker", "Tracker", last=made.node("object", "Session"))
path.write_bytes(made.content())
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NODE_FIELDS = ("type", "name", "id", "self_size", "edge_count", "trace_node_id", "detachedness")
NODE_TYPES = (
    "hidden", "array", "string", "object", "code", "closure", "regexp", "number", "native", "synthetic",
    "concatenated string", "sliced string", "symbol", "bigint", "object shape",
)  # fmt: skip
EDGE_FIELDS = ("type", "name_or_index", "to_node")
EDGE_TYPES = ("context", "element", "property", "internal", "hidden", "shortcut", "weak")


@dataclass
class Made:
    """Nodes are numbered as they are made, after the root and the object of globals; ids are odd and grow."""

    nodes: list[dict[str, int]] = field(default_factory=list)
    edges: list[list[tuple[int, int, int]]] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    locations: list[tuple[int, int]] = field(default_factory=list)
    node_types: Sequence[str] = NODE_TYPES
    edge_types: Sequence[str] = EDGE_TYPES
    root: int = 0
    globals: int = 1

    def __post_init__(self) -> None:
        self.node("synthetic", "")
        self.edge(self.root, "shortcut", "global", self.node("object", "global"))

    def text(self, text: str) -> int:
        """Its number in the table of texts."""
        if text not in self.strings:
            self.strings.append(text)
        return self.strings.index(text)

    def node(self, type: str, name: str = "", size: int = 16, id: int | None = None) -> int:
        """Its number."""
        number = len(self.nodes)
        told = {"name": self.text(name), "id": 2 * number + 1 if id is None else id, "self_size": size}
        self.nodes.append({"type": self.node_types.index(type), **told})
        self.edges.append([])
        return number

    def edge(self, source: int, type: str, name: str | int, target: int) -> None:
        """``name`` is a number for ``element`` and ``hidden``."""
        called = name if isinstance(name, int) else self.text(name)
        self.edges[source].append((self.edge_types.index(type), called, target))

    def held(self, name: str, class_: str = "Object", **properties: int) -> int:
        """A global of the program that has these properties."""
        node = self.node("object", class_)
        self.edge(self.globals, "property", name, node)
        for called, target in properties.items():
            self.edge(node, "property", called, target)
        return node

    def map(self, *entries: tuple[int, int]) -> int:
        """A ``Map``: its table has keys and values in turn, from the place that V8 uses."""
        node, table = self.node("object", "Map"), self.node("array", "")
        self.edge(node, "internal", "table", table)
        for number, (key, value) in enumerate(entries):
            self.edge(table, "internal", str(5 + 3 * number), key)
            self.edge(table, "internal", str(6 + 3 * number), value)
        return node

    def function(self, name: str, script: str, line: int) -> tuple[int, int]:
        """``(function, context)``: one of a script's own functions, in whose context its variables are."""
        function, context = self.node("closure", name), self.node("object", "system / Context")
        shared, code = self.node("code", name), self.node("code", script)
        self.edge(function, "internal", "context", context)
        self.edge(function, "internal", "shared", shared)
        self.edge(shared, "internal", "script", code)
        native = self.node("object", "system / NativeContext")
        self.edge(context, "internal", "previous", native)
        self.locations.append((function, line))
        return function, context

    def document(
        self, node_fields: Sequence[str] = NODE_FIELDS, edge_fields: Sequence[str] = EDGE_FIELDS
    ) -> dict[str, Any]:
        """What JSON has to say; columns of other names than V8's are zero."""
        nodes, edges = [], []
        for number, told in enumerate(self.nodes):
            row = {**told, "edge_count": len(self.edges[number])}
            nodes += [row.get(name, 0) for name in node_fields]
            for type, name, target in self.edges[number]:
                column = {"type": type, "name_or_index": name, "to_node": target * len(node_fields)}
                edges += [column.get(each, 0) for each in edge_fields]
        meta = {
            "node_fields": list(node_fields),
            "node_types": [list(self.node_types), *["number"] * (len(node_fields) - 1)],
            "edge_fields": list(edge_fields),
            "edge_types": [list(self.edge_types), "string_or_number", "node"],
            "location_fields": ["object_index", "script_id", "line", "column"],
        }
        located = [number for at, line in self.locations for number in (at * len(node_fields), 1, line - 1, 0)]
        counts = {"node_count": len(self.nodes), "edge_count": sum(map(len, self.edges))}
        return {
            "snapshot": {"meta": meta, **counts}, "nodes": nodes, "edges": edges, "locations": located,
            "strings": self.strings,
        }  # fmt: skip

    def content(self, **columns: Sequence[str]) -> bytes:
        """The file."""
        return json.dumps(self.document(**columns)).encode()
