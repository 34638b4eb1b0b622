"""What a leak costs beside memory: descriptors left open, connections not given back to their pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from leakscope.analysis.descriptors import open_objects
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.owners import one_up, passable, ranks
from leakscope.analysis.pools import lent_objects, use_of
from leakscope.graph.heap import Int32s, Int64s

MOST_UP = 20
"""References from a container's entry down to a descriptor: a client, its pools, its connections, their sockets."""
MOST_PAIRS = 1 << 21
"""Ways up that are followed at once; whatever the heap, it ends."""
LEAST = 2
"""One open file is nobody's leak."""


class Resources:
    """Open descriptors and lent connections of one heap, and what is above each."""

    def __init__(self, index: HeapIndex) -> None:
        self._graph = index.graph
        self._opened = open_objects(index.graph)
        self._lent, self._pool = lent_objects(index.graph)

    def lines(self, containers: Int32s, count: int) -> list[str]:
        """Evidence in sentences: what is kept open by entries of ``containers``, which hold ``count`` leaked objects.

        Only what is below a single entry counts, and only if there is one for every second object at least.
        """
        if not len(containers):
            return []
        kept, least = self._kept(containers), max(LEAST, count / 2)
        opened = kept[kept < len(self._opened.node)]
        lines = [f"the same container keeps {text}" for text in self._open_lines(opened, least)]
        lent = kept[kept >= len(self._opened.node)] - len(self._opened.node)
        return lines + [f"the same container keeps {text}" for text in self._lent_lines(lent, least)]

    def _open_lines(self, opened: Int64s, least: float) -> Iterator[str]:
        is_socket = self._opened.is_socket[opened]
        for word, count in self._counted(opened[~is_socket]):
            if count >= least:
                yield f"{count:,} {word} open"
        if np.count_nonzero(is_socket) >= least:
            states = ", ".join(f"{count:,} {state}" for state, count in self._counted(opened[is_socket]))
            yield f"{np.count_nonzero(is_socket):,} sockets open: {states}"

    def _counted(self, opened: Int64s) -> list[tuple[str, int]]:
        """By word, the most first."""
        words = Counter(self._opened.word[opened].tolist())
        return [(self._opened.words[word], count) for word, count in words.most_common()]

    def _lent_lines(self, lent: Int64s, least: float) -> Iterator[str]:
        for pool, count in Counter(self._pool[lent].tolist()).most_common():
            use = use_of(self._graph, pool)
            if use is not None and use.taken is not None and count >= least:
                of = "" if use.limit is None else f" of {use.limit:,}"
                full = "; it is exhausted" if use.exhausted else ""
                yield (f"{count:,} connections checked out of {use.class_}, which has lent {use.taken:,}{of}{full}")

    def _kept(self, containers: Int32s) -> Int64s:
        """Which of the descriptors and then of the lent are below exactly one entry of ``containers``, ascending."""
        graph = self._graph
        first, last = graph.first_ref[containers], graph.first_ref[containers + 1]
        count = last - first
        position = np.arange(int(count.sum())) + np.repeat(first - np.cumsum(count) + count, count)
        is_entry = np.zeros(graph.objects, dtype=np.bool_)
        is_entry[graph.target[position]] = True
        part, above = self._above
        found, entries = np.unique(part[is_entry[above]], return_counts=True)
        single: Int64s = found[entries == 1]
        return single

    @cached_property
    def _above(self) -> tuple[Int64s, Int64s]:
        """``(part, node)``: each descriptor and each lent connection, with itself and all that leads to it."""
        graph = self._graph
        parts = np.concatenate([self._opened.node, self._lent]).astype(np.int64)
        passes = passable(graph, ranks(graph))
        entry, node = np.arange(len(parts)), parts
        found = np.stack([entry, node])
        for _ in range(MOST_UP):
            if not 0 < len(node) <= MOST_PAIRS:
                break
            entry, node = one_up(graph, entry, node)
            new = ~np.isin(entry * graph.objects + node, found[0] * graph.objects + found[1])
            entry, node = entry[new], node[new]
            found = np.concatenate([found, np.stack([entry, node])], axis=1)
            further = passes[node]
            entry, node = entry[further], node[further]
        return found[0], found[1]
