"""The names of a graph, each once; texts of the file are decoded when they become names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

from leakscope.formats.v8.tables import Texts, distinct
from leakscope.graph.heap import Int32s

LONGEST = 200
"""Characters of a name."""
_IDENTIFIER = re.compile(r"[A-Za-z_$#<][\w$ <>.:/-]*\Z")
_MANY_DIGITS = re.compile(r"(?:\D*\d){4}")


class Interned:
    """``HeapGraph.names`` in the making."""

    def __init__(self, texts: Texts) -> None:
        self.list: list[str] = []
        self.texts = texts
        self._number: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The number of a name."""
        text = text[:LONGEST]
        if text not in self._number:
            self._number[text] = len(self.list)
            self.list.append(text)
        return self._number[text]

    def add_all(self, texts: Iterable[str]) -> Int32s:
        """The numbers of several."""
        return np.array([self.add(text) for text in texts], dtype=np.int32)

    def find(self, text: str) -> int:
        """The number of a name, -1 if it is none."""
        return self._number.get(text, -1)

    def of_texts(self, numbers: Int32s, masked: bool = False) -> Int32s:
        """By entry: the name of a text of the file. ``masked``: what looks like data is hidden."""
        used, where = distinct(numbers, len(self.texts))
        texts = self.texts.all_of(used.tolist())
        return self.add_all(map(_hidden, texts) if masked else texts)[where].astype(np.int32)


def _hidden(text: str) -> str:
    """A property's name, or its mask if it is more likely an id, an address or a key."""
    if len(text) <= 60 and _IDENTIFIER.match(text) and not _MANY_DIGITS.match(text):
        return text
    return f"#{blake2b(text.encode(), digest_size=6).hexdigest()}"
