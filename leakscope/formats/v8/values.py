"""What objects of a V8 heap are worth: texts and plain values. Dates are not in a snapshot, and numbers rarely."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from leakscope.formats.v8.plain import Plain
from leakscope.formats.v8.scripts import Scripts
from leakscope.formats.v8.tables import Raw, Texts
from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s
from leakscope.graph.values import UNKNOWN_MASK, Value, Values
from leakscope.kernels import v8

Bools = npt.NDArray[np.bool_]

_MOST_PIECES = 4096
_LONGEST = 1 << 16


@dataclass(frozen=True)
class Words:
    """Texts by node: whole ones, and ropes, which are two others that V8 has not put together yet."""

    texts: Texts
    name: Int32s
    """By node: its text in the file."""
    is_text: Bools
    first: Int32s
    """By node: the first half of a rope, -1 for whatever is none."""
    second: Int32s

    def masks(self, nodes: Int32s) -> Addresses:
        """48-bit BLAKE2b masks; ``UNKNOWN_MASK`` for what is no text, or one in very many pieces."""
        found = np.full(len(nodes), UNKNOWN_MASK, dtype=np.uint64)
        there = nodes >= 0
        text = there & self.is_text[nodes.clip(0)]
        found[text] = self.texts.masks(self.name[nodes[text]])
        rope = there & (self.first[nodes.clip(0)] >= 0)
        if rope.any():
            found[rope] = v8.mask_ropes(
                self.texts.data, self.texts.begin, self.texts.end, self.name, self.is_text.view(np.uint8),
                self.first, self.second, nodes[rope],
            )  # fmt: skip
        for at in np.flatnonzero(rope & (found == UNKNOWN_MASK)).tolist():
            content = self.text(int(nodes[at]), _LONGEST)
            if content is not None:
                found[at] = mask_of(content)
        return found

    def text(self, node: int, limit: int) -> str | None:
        """The first characters of a text, put together where it is in pieces; None for what is none."""
        parts: list[str] = []
        pending = [node]
        length = 0
        for _ in range(_MOST_PIECES):
            if not pending or length >= limit:
                return "".join(parts)[:limit]
            at = pending.pop()
            if self.first[at] >= 0:
                pending += [int(self.second[at]), int(self.first[at])]
            elif self.is_text[at]:
                parts.append(self.texts.text(int(self.name[at]), 6 * limit))
                length += len(parts[-1])
            else:
                break
        return None


def words_of(raw: Raw, scripts: Scripts, node_name: Int32s) -> Words:
    """``node_name`` by node: its text in the file."""
    ropes = np.flatnonzero(scripts.edges.all_of("concatenated string")).astype(np.int32)
    halves = scripts.step(ropes, "first"), scripts.step(ropes, "second")
    whole = (halves[0] >= 0) & (halves[1] >= 0)
    first, second = (np.full(len(node_name), -1, dtype=np.int32) for _ in range(2))
    first[ropes[whole]], second[ropes[whole]] = halves[0][whole], halves[1][whole]
    return Words(raw.texts, node_name, scripts.edges.all_of("string"), first, second)


def mask_of(text: str) -> int:
    """The mask of one text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")


class V8Values:
    """A ``ValueSource``. V8 cuts texts after 1,024 characters; longer ones are worth what is left of them."""

    def __init__(self, graph: HeapGraph, words: Words, is_number: Bools) -> None:
        """``is_number``: by node, whether V8 calls it one."""
        self._words = words
        self._texts = words.texts
        self._name = words.name
        self._is_text = words.is_text
        self._is_number = is_number
        self._plain = Plain(graph, words.texts, words.name, is_number)

    def values(self, nodes: Int32s) -> Values:
        """The number of a text is its length in the file's bytes, 1 for one in pieces."""
        there = nodes >= 0
        node = nodes.clip(0)
        text, rope = there & self._is_text[node], there & (self._words.first[node] >= 0)
        kind = np.where(there, int(Value.OBJECT), int(Value.MISSING))
        kind[text | rope] = Value.TEXT
        number = np.full(len(nodes), np.nan)
        name = self._name[node[text]]
        number[text] = self._texts.end[name] - self._texts.begin[name]
        number[rope] = 1
        self._plain.fill(nodes, kind, number)
        return Values(kind.astype(np.uint8), number)

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        """MISSING: nothing of the kind is in a snapshot."""
        return Values(np.full(len(nodes), int(Value.MISSING), dtype=np.uint8), np.full(len(nodes), np.nan))

    def masks(self, nodes: Int32s) -> Addresses:
        """By node; ``UNKNOWN_MASK`` for what is neither text nor whole number."""
        found = self._words.masks(nodes)
        number = np.flatnonzero((nodes >= 0) & self._is_number[nodes.clip(0)])
        if len(number):
            worth = self.values(nodes[number])
            whole = worth.kind == Value.INT
            found[number[whole]] = [mask_of(str(int(each))) for each in worth.number[whole].tolist()]
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
        """The first characters of a text."""
        return self._words.text(node, limit) if node >= 0 else None
