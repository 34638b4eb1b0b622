"""``HeapGraph.names`` in the making: every text once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from leakscope.graph.heap import Int32s

_LONGEST = 200


class Names:
    """Texts and their numbers."""

    def __init__(self) -> None:
        self.list: list[str] = []
        self._number: dict[str, int] = {}

    def add(self, text: str) -> int:
        """The number of a text, cut to ``_LONGEST`` characters."""
        text = text[:_LONGEST]
        number = self._number.setdefault(text, len(self.list))
        if number == len(self.list):
            self.list.append(text)
        return number

    def add_all(self, texts: Iterable[str]) -> Int32s:
        """The numbers of several."""
        return np.array([self.add(text) for text in texts], dtype=np.int32)

    def append_all(self, texts: Iterable[str]) -> Int32s:
        """New numbers, one each, for many texts that nobody looks up by themselves."""
        first = len(self.list)
        self.list.extend(texts)
        return np.arange(first, len(self.list), dtype=np.int32)
