"""Whose open descriptors are these: files, sockets and epoll objects of the heap, joined with what the kernel says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.owners import owners_of
from leakscope.analysis.select import named, with_subclasses
from leakscope.analysis.told import MOST_ROWS, count, counts
from leakscope.findings.evidence import FileHolders, SocketHolders
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.values import ValueSource

HAVE_DESCRIPTORS = ("_socket.socket", "_io.FileIO", "select.epoll")
NO_SOCKETS = ("files", "pipes", "devices", "kernel")
"""Kinds of descriptors; every other word is the state of a socket."""
MOST_OPEN = 1 << 17
"""How many are told apart in a snapshot; Linux itself allows a process 2**20 descriptors at most."""


def join_descriptors(graph: HeapGraph, values: ValueSource, states: dict[int, str]) -> dict[str, Any]:
    """``{"states": [text], "node": [...], "state": [...], "unowned": {kind: count}}``, JSON values for ``graph.facts``.

    ``states``: by open descriptor the state of its socket, or else its kind. ``state`` is parallel to ``node``, the
    objects that have these descriptors, and indexes ``states``.
    """
    words = sorted(set(states.values()))
    nodes = np.flatnonzero(with_subclasses(graph, named(graph, *HAVE_DESCRIPTORS))[graph.type]).astype(np.int32)
    found = values.c_numbers(nodes, "fd").number
    descriptor = np.where(np.isfinite(found), found, -1).astype(np.int64)
    known = np.array(sorted(states), dtype=np.int64)
    code = np.array([words.index(states[number]) for number in known.tolist()], dtype=np.int64)
    open_ = np.isin(descriptor, known).nonzero()[0][:MOST_OPEN]
    rest = Counter(_kind(states[number]) for number in np.setdiff1d(known, descriptor).tolist())
    return {
        "states": words,
        "node": nodes[open_].tolist(),
        "state": code[np.searchsorted(known, descriptor[open_])].tolist(),
        "unowned": dict(sorted(rest.items())),
    }


@dataclass(frozen=True)
class OpenObjects:
    """Objects with an open descriptor: parallel arrays, ascending by node."""

    words: list[str]
    node: Int32s
    word: Int32s
    """Index in ``words``: the state of a socket, or else the kind of descriptor."""

    @property
    def is_socket(self) -> npt.NDArray[np.bool_]:
        """By object."""
        sockets = np.array([word not in NO_SOCKETS for word in self.words], dtype=np.bool_)
        found: npt.NDArray[np.bool_] = sockets[self.word] if len(self.words) else np.zeros(0, dtype=np.bool_)
        return found


def open_objects(graph: HeapGraph) -> OpenObjects:
    """What ``join_descriptors`` wrote, as far as it fits the heap; it may come from a foreign file."""
    told = _told(graph)
    if not all(isinstance(told.get(name), list) for name in ("states", "node", "state")):
        return OpenObjects([], np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32))
    words = [str(word) for word in told["states"]]
    pairs = [
        (node, state)
        for node, state in zip(told["node"][:MOST_OPEN], told["state"], strict=False)
        if (count(node) is not None and node < graph.objects) and (count(state) is not None and state < len(words))
    ]
    nodes, first = np.unique(np.array([node for node, _ in pairs], dtype=np.int32), return_index=True)
    return OpenObjects(words, nodes, np.array([state for _, state in pairs], dtype=np.int32)[first])


def unowned(graph: HeapGraph) -> dict[str, int] | None:
    """Descriptors by kind that no object has; None where that was not looked for."""
    return counts(_told(graph).get("unowned"))


def socket_holders(index: HeapIndex, opened: OpenObjects) -> tuple[SocketHolders, ...]:
    """By state and class of the owners."""
    return tuple(SocketHolders(*row) for row in _held(index, opened, opened.is_socket))


def file_holders(index: HeapIndex, opened: OpenObjects) -> tuple[FileHolders, ...]:
    """By kind and class of the owners."""
    return tuple(FileHolders(*row) for row in _held(index, opened, ~opened.is_socket))


def _held(index: HeapIndex, opened: OpenObjects, chosen: npt.NDArray[np.bool_]) -> list[tuple[str, str, int, int]]:
    """``(word, class of the owners, descriptors, owners)``, most descriptors first."""
    nodes, word = opened.node[chosen], opened.word[chosen]
    if not len(nodes):
        return []
    owner = owners_of(index, nodes)
    pairs, group = np.unique(np.stack([word, index.graph.type[owner]]), axis=1, return_inverse=True)
    rows = []
    for at, (each, row) in enumerate(pairs.T.tolist()):
        mine = group.reshape(-1) == at
        holders = len(np.unique(owner[mine]))
        rows.append((opened.words[each], index.graph.types.name[row], int(np.count_nonzero(mine)), holders))
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:MOST_ROWS]


def _kind(word: str) -> str:
    return word if word in NO_SOCKETS else "sockets"


def _told(graph: HeapGraph) -> dict[str, Any]:
    process = graph.facts.get("process")
    told = process.get("descriptor_objects") if isinstance(process, dict) else None
    return told if isinstance(told, dict) else {}
