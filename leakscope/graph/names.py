"""What nodes and references are called: ``app.Session``, ``.sessions``, ``['#1a2b3c4d5e6f']``, ``local 'held'``.

Names may come from a foreign heap: whoever shows them escapes them.
"""

from __future__ import annotations

import numpy as np

from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Ref

NAMED = (Ref.INTERNAL, Ref.ATTR, Ref.GLOBAL, Ref.LOCAL, Ref.CELL)
"""Kinds whose label is an index into ``names``."""


def class_name(graph: HeapGraph, node: int) -> str:
    """``module.QualName`` of the node's class."""
    return graph.types.name[int(graph.type[node])]


def frame_row(graph: HeapGraph, node: int) -> int:
    """The node's row in ``graph.frames``, -1 if it runs nothing."""
    return _row(graph.frames.node, node)


def label_text(graph: HeapGraph, node: int) -> str | None:
    """The text of a node that is a dict key or holds a name, None where it is not known."""
    row = _row(graph.labels.node, node)
    return graph.names[graph.labels.name[row]] if row >= 0 else None


def edge_text(graph: HeapGraph, position: int, namespace: bool = False) -> str:
    """How the reference at ``position`` is written behind its holder.

    ``namespace``: the holder is an object's ``__dict__``, whose keys are attributes.
    """
    kind, label = int(graph.kind[position]), int(graph.label[position])
    if kind in NAMED:
        return named_edge_text(kind, graph.names[label] if 0 <= label < len(graph.names) else "?")
    if kind == Ref.KEY:
        return _key_text(graph, label, namespace)
    if kind == Ref.INDEX:
        return f"[{label}]"
    if kind == Ref.STACK:
        return f"stack slot {label}"
    if kind == Ref.C_FIELD:
        return "C field" if label < 0 else f"C field +{label}"
    return PLAIN[Ref(kind)]


PLAIN = {
    Ref.ITEM: "member",
    Ref.DICT_KEY: "key",
    Ref.TYPE: ".__class__",
    Ref.DICT: ".__dict__",
    Ref.WEAK: "weak reference",
}
"""Texts of the kinds without a label."""


def named_edge_text(kind: int, name: str) -> str:
    """How a reference of one of the ``NAMED`` kinds is written."""
    if kind == Ref.LOCAL:
        return f"local '{name}'" if name else "a local"
    if kind == Ref.CELL:
        return f"cell '{name}'"
    return "." + name


def _key_text(graph: HeapGraph, key: int, namespace: bool) -> str:
    if not 0 <= key < graph.objects:
        return "[?]"
    text = label_text(graph, key)
    if text is None:
        return f"[<{class_name(graph, key)}>]"
    if namespace and text.isidentifier():
        return "." + text
    bare = text[:1] not in ("'", '"') and (text.startswith("#") or class_name(graph, key) == "str")
    return f"['{text}']" if bare else f"[{text}]"


def _row(nodes: Int32s, node: int) -> int:
    """Where ``node`` stands in an ascending column, -1 if it does not."""
    row = int(np.searchsorted(nodes, node))
    return row if row < len(nodes) and nodes[row] == node else -1
