"""Plain values besides texts: booleans and null always, numbers where the snapshot was asked for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.tables import Texts
from leakscope.graph.heap import Floats, HeapGraph, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.navigation import references_of
from leakscope.graph.values import Value

_ODDBALLS = ("system / Oddball", "system / True", "system / False", "system / Null", "system / Undefined")
_WORTH = {
    "true": (Value.BOOL, 1.0), "false": (Value.BOOL, 0.0), "null": (Value.NONE, np.nan),
    "undefined": (Value.NONE, np.nan),
}  # fmt: skip
_NUMBER = re.compile(r"-?(?:\d{1,400}(?:\.\d{1,400})?(?:e[+-]?\d{1,4})?|Infinity)\Z", re.ASCII)
_LONGEST = 500


class Plain:
    """An oddball says what it is by the first of its hidden references, a number by a reference called ``value``."""

    def __init__(self, graph: HeapGraph, texts: Texts, node_name: Int32s, is_number: npt.NDArray[np.bool_]) -> None:
        """By node: ``node_name``, its text in the file, and ``is_number``, whether it is of the type ``number``."""
        self._graph = graph
        self._texts = texts
        self._name = node_name
        self._is_number = is_number
        self._is_odd_type = np.isin(graph.types.name, _ODDBALLS)
        self._value = graph.names.index("value") if "value" in graph.names else -2

    def fill(self, nodes: Int32s, kind: npt.NDArray[np.int64], number: Floats) -> None:
        """Enters what is known of ``nodes`` (-1: none) into ``kind`` and ``number``, which are parallel to them."""
        asked = np.unique(nodes[nodes >= 0])
        odd = asked[self._is_odd_type[self._graph.type[asked]]]
        worth = {node: _WORTH[text] for node, text in self._texts_of(odd, Ref.ITEM, -1) if text in _WORTH}
        for node, text in self._texts_of(asked[self._is_number[asked]], Ref.INTERNAL, self._value):
            if _NUMBER.match(text):
                worth[node] = (Value.FLOAT if set(text) & set(".eI") else Value.INT, float(text))
        if not worth:
            return
        known = np.array(sorted(worth), dtype=np.int32)
        place = np.searchsorted(known, nodes).clip(max=len(known) - 1)
        there = known[place] == nodes
        kind[there] = np.array([worth[node][0] for node in known.tolist()])[place[there]]
        number[there] = np.array([worth[node][1] for node in known.tolist()])[place[there]]

    def _texts_of(self, nodes: Int32s, kind: int, label: int) -> Iterator[tuple[int, str]]:
        """By node: the text behind its first reference of that kind and label, if it is not long."""
        graph = self._graph
        holder, position = references_of(graph, nodes)
        chosen = (graph.kind[position] == kind) & (graph.label[position] == label)
        node, first = np.unique(holder[chosen], return_index=True)
        name = self._name[graph.target[position[chosen]][first]]
        short = self._texts.end[name] - self._texts.begin[name] <= _LONGEST
        return zip(node[short].tolist(), self._texts.all_of(name[short].tolist()), strict=True)
