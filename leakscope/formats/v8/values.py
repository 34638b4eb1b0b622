"""What objects of a V8 heap are worth: texts. Numbers, booleans and dates are not in a snapshot."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from leakscope.formats.v8.members import Meta
from leakscope.formats.v8.tables import Raw
from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Ref
from leakscope.graph.values import UNKNOWN_MASK, Value, Values

_ROPES = ("concatenated string",)
_DEEPEST = 64
_LONGEST = 1 << 16


class V8Values:
    """A ``ValueSource``. V8 cuts texts after 1,024 characters; longer ones are worth what is left of them."""

    def __init__(self, graph: HeapGraph, raw: Raw, order: Int32s, meta: Meta) -> None:
        self._graph = graph
        self._texts = raw.texts
        self._name = raw.node_name[order]
        types = raw.node_type[order]
        self._is_text = np.isin(types, [at for at, name in enumerate(meta.node_types) if name == "string"])
        self._is_rope = np.isin(types, [at for at, name in enumerate(meta.node_types) if name in _ROPES])

    def values(self, nodes: Int32s) -> Values:
        """TEXT or OBJECT; the number of a text is its length in the file's bytes, 1 for one in pieces."""
        there = nodes >= 0
        node = nodes.clip(0)
        text, rope = there & self._is_text[node], there & self._is_rope[node]
        kind = np.where(there, int(Value.OBJECT), int(Value.MISSING))
        kind[text | rope] = Value.TEXT
        number = np.full(len(nodes), np.nan)
        name = self._name[node[text]]
        number[text] = self._texts.end[name] - self._texts.begin[name]
        number[rope] = 1
        return Values(kind.astype(np.uint8), number)

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        """MISSING: nothing of the kind is in a snapshot."""
        return Values(np.full(len(nodes), int(Value.MISSING), dtype=np.uint8), np.full(len(nodes), np.nan))

    def masks(self, nodes: Int32s) -> Addresses:
        """By node; ``UNKNOWN_MASK`` for what is no text."""
        found = np.full(len(nodes), UNKNOWN_MASK, dtype=np.uint64)
        text = (nodes >= 0) & self._is_text[nodes.clip(0)]
        found[text] = self._texts.masks(self._name[nodes[text]])
        rope = np.flatnonzero((nodes >= 0) & self._is_rope[nodes.clip(0)])
        for at in rope.tolist():
            content = self.text(int(nodes[at]), _LONGEST)
            if content is not None:
                found[at] = int.from_bytes(blake2b(content.encode(), digest_size=6).digest(), "big")
        return found

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        """By node: each text stands in the file once, so that only different ones are decoded."""
        found = np.full(len(nodes), -1, dtype=np.int32)
        text = (nodes >= 0) & self._is_text[nodes.clip(0)]
        used, where = np.unique(self._name[nodes[text]], return_inverse=True)
        lengths = self._texts.end[used] - self._texts.begin[used]
        number = {each: at for at, each in enumerate(wanted)}
        longest = max((6 * len(each) for each in wanted), default=0)  # \uXXXX for each character
        which = np.full(len(used), -1, dtype=np.int32)
        for at in np.flatnonzero(lengths <= longest).tolist():
            which[at] = number.get(self._texts.text(int(used[at])), -1)
        found[text] = which[where]
        return found

    def short_texts(self, nodes: Int32s, longest: int) -> Int8s:
        """Rows of Latin-1 characters, as ``ValueSource`` says."""
        rows = np.zeros((len(nodes), longest), dtype=np.uint8)
        text = np.flatnonzero((nodes >= 0) & self._is_text[nodes.clip(0)])
        used, where = np.unique(self._name[nodes[text]], return_inverse=True)
        known = np.zeros((len(used), longest), dtype=np.uint8)
        for at, number in enumerate(used.tolist()):
            if int(self._texts.end[number] - self._texts.begin[number]) <= 6 * longest:
                content = self._texts.text(number).encode("latin-1", "replace")
                if len(content) <= longest:
                    known[at, : len(content)] = np.frombuffer(content, dtype=np.uint8)
        rows[text] = known[where]
        return rows

    def text(self, node: int, limit: int = 200) -> str | None:
        """The first characters of a text, put together where it is in pieces."""
        parts: list[str] = []
        pending = [(node, 0)]
        length = 0
        while pending and length < limit:
            at, depth = pending.pop()
            if at < 0 or depth > _DEEPEST:
                return None
            if self._is_rope[at]:
                pending += [(piece, depth + 1) for piece in reversed(self._pieces(at))]
            elif self._is_text[at]:
                parts.append(self._texts.text(int(self._name[at])))
                length += len(parts[-1])
            else:
                return None
        return "".join(parts)[:limit]

    def _pieces(self, rope: int) -> list[int]:
        graph = self._graph
        row = slice(int(graph.first_ref[rope]), int(graph.first_ref[rope + 1]))
        by_name = {
            graph.names[label]: target
            for kind, label, target in zip(
                graph.kind[row].tolist(), graph.label[row].tolist(), graph.target[row].tolist(), strict=True
            )
            if kind == Ref.INTERNAL and 0 <= label < len(graph.names)
        }
        return [by_name[name] for name in ("first", "second") if name in by_name]
