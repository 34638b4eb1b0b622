"""Joins what the kernel says of a process with its heap: whose sockets are these, and is the memory Python's?"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.owners import owners_of
from leakscope.analysis.select import named, with_subclasses
from leakscope.findings.evidence import Expected, ProcessEvidence, SocketHolders
from leakscope.graph.heap import HeapGraph, Int32s
from leakscope.graph.kinds import Node
from leakscope.graph.values import ValueSource

SOCKET = "_socket.socket"
MOST_SOCKETS = 1 << 17
"""How many are told apart in a snapshot; Linux itself allows a process 2**20 descriptors at most."""
MOST_ROWS = 50


def join_sockets(graph: HeapGraph, values: ValueSource, states: dict[int, str]) -> dict[str, Any]:
    """``{"states": [text], "node": [...], "state": [...]}``: the socket objects whose descriptors have ``states``.

    JSON values, for ``graph.facts``; ``state`` is parallel to ``node`` and indexes ``states``.
    """
    words = sorted(set(states.values()))
    nodes = np.flatnonzero(with_subclasses(graph, named(graph, SOCKET))[graph.type]).astype(np.int32)
    found = values.c_numbers(nodes, "fd").number
    descriptor = np.where(np.isfinite(found), found, -1).astype(np.int64)
    known = np.array(sorted(states), dtype=np.int64)
    code = np.array([words.index(states[number]) for number in known.tolist()], dtype=np.int64)
    open_ = np.isin(descriptor, known).nonzero()[0][:MOST_SOCKETS]
    return {
        "states": words,
        "node": nodes[open_].tolist(),
        "state": code[np.searchsorted(known, descriptor[open_])].tolist(),
    }


def process_evidence(graph: HeapGraph, index: HeapIndex | None = None) -> ProcessEvidence | None:
    """What ``graph.facts["process"]`` says, None if nothing; with an ``index``, whose the sockets are too.

    The facts may come from a foreign file: what has another type than it should is unknown.
    """
    told = graph.facts.get("process")
    if not isinstance(told, dict):
        return None
    garbage = graph.flags & Node.GARBAGE != 0
    live_bytes, garbage_bytes = int(graph.own_size[~garbage].sum()), int(graph.own_size[garbage].sum())
    own = _count(told.get("anonymous_bytes"))
    evidence = ProcessEvidence(
        live_heap_bytes=live_bytes,
        garbage_heap_bytes=garbage_bytes,
        other_bytes=None if own is None else max(0, own - live_bytes - garbage_bytes),
        rss_bytes=_count(told.get("rss_bytes")),
        pss_bytes=_count(told.get("pss_bytes")),
        uss_bytes=_count(told.get("uss_bytes")),
        anonymous_bytes=_count(told.get("anonymous_bytes")),
        swap_bytes=_count(told.get("swap_bytes")),
        memory_limit_bytes=_count(told.get("memory_limit_bytes")),
        memory_used_bytes=_count(told.get("memory_used_bytes")),
        threads=_count(told.get("threads")),
        descriptors=_counts(told.get("descriptors")),
        descriptors_limit=_count(told.get("descriptors_limit")),
        sockets=_counts(told.get("sockets")),
    )
    return evidence if index is None else dataclasses.replace(evidence, held=_held(index, told.get("socket_objects")))


def expected_gone(graph: HeapGraph) -> tuple[Expected, ...]:
    """What ``expect_gone`` waits for in vain and otherwise, as ``sessions.expected`` counted it; most due first."""
    told = graph.facts.get("expected")
    rows = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    return tuple(_expected(row) for row in rows[:MOST_ROWS])


def _expected(row: dict[str, Any]) -> Expected:
    reason, overdue = row.get("reason"), row.get("overdue_s")
    return Expected(
        reason=reason if isinstance(reason, str) else None,
        class_=str(row.get("class")),
        waiting=_count(row.get("waiting")) or 0,
        due=_count(row.get("due")) or 0,
        overdue_s=float(overdue) if isinstance(overdue, int | float) and not isinstance(overdue, bool) else None,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None


def _counts(value: Any) -> dict[str, int] | None:
    if not isinstance(value, dict):
        return None
    known = {str(name): _count(number) for name, number in list(value.items())[:MOST_ROWS]}
    return {name: number for name, number in known.items() if number is not None}


def _held(index: HeapIndex, told: Any) -> tuple[SocketHolders, ...]:
    """By state and class of the owners."""
    words, nodes, state = _sockets(index.graph, told)
    if not len(nodes):
        return ()
    owner = owners_of(index, nodes)
    kind = index.graph.type[owner]
    pairs, group = np.unique(np.stack([state, kind]), axis=1, return_inverse=True)
    rows = []
    for at, (word, row) in enumerate(pairs.T.tolist()):
        mine = group.reshape(-1) == at
        holders = len(np.unique(owner[mine]))
        rows.append(SocketHolders(words[word], index.graph.types.name[row], int(np.count_nonzero(mine)), holders))
    return tuple(sorted(rows, key=lambda row: (-row.sockets, row.state, row.class_))[:MOST_ROWS])


def _sockets(graph: HeapGraph, told: Any) -> tuple[list[str], Int32s, Int32s]:
    """What ``join_sockets`` wrote, as far as it fits the heap: texts of states; nodes and their states."""
    none = np.empty(0, dtype=np.int32)
    if not isinstance(told, dict) or not all(isinstance(told.get(name), list) for name in ("states", "node", "state")):
        return [], none, none
    words = [str(word) for word in told["states"]]
    pairs = [
        (node, state)
        for node, state in zip(told["node"][:MOST_SOCKETS], told["state"], strict=False)
        if (_count(node) is not None and node < graph.objects) and (_count(state) is not None and state < len(words))
    ]
    nodes, first = np.unique(np.array([node for node, _ in pairs], dtype=np.int32), return_index=True)
    return words, nodes, np.array([state for _, state in pairs], dtype=np.int32)[first]
