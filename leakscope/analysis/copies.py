"""Sessions of a heap as copies of what a store keeps: their masks for the comparison, and who holds the stale ones."""

from __future__ import annotations

import re
from array import array
from hashlib import blake2b

import numpy as np

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.session_facts import category_of_rows
from leakscope.errors import InputError
from leakscope.findings.model import Cluster
from leakscope.findings.store import CopyRow, Known
from leakscope.graph.facts import number
from leakscope.graph.heap import Addresses, HeapGraph, Int32s, Sessions
from leakscope.graph.kinds import Node
from leakscope.graph.values import UNKNOWN_MASK
from leakscope.sessions.rules import CATEGORIES

_MASKED = re.compile(r"#([0-9a-f]{12})")


def known_of(graph: HeapGraph, snapshot: str) -> Known:
    """What ``graph`` knows of sessions. InputError if it was read without rules."""
    _, sessions = _copies(graph, snapshot)
    names = [graph.names[at] for at in np.unique(graph.labels.name).tolist()]
    keys = np.fromiter(map(_mask_of_name, names), dtype=np.uint64, count=len(names))
    return Known(
        snapshot=snapshot,
        captured_at=number(graph.facts, "captured_at"),
        sessions=_ascending(sessions),
        keys=_ascending(np.concatenate((sessions, keys))),
    )


def compared(graph: HeapGraph, snapshot: str, gone: array[int], limit: int = 20) -> tuple[list[CopyRow], list[Cluster]]:
    """``graph``'s sessions by class, of which those with the masks ``gone`` are not in the store, and who holds these.

    At most ``limit`` ways of being held, the most retained first.
    """
    nodes, ids = _copies(graph, snapshot)
    stale = np.isin(ids, np.frombuffer(gone, dtype=np.uint64))
    captured_at = number(graph.facts, "captured_at")
    types = graph.type[nodes]
    rows = []
    for type_ in np.unique(types).tolist():
        of_type = types == type_
        count, missing = int(np.count_nonzero(of_type)), int(np.count_nonzero(of_type & stale))
        rows.append(CopyRow(snapshot, captured_at, graph.types.name[type_], count, count - missing, missing))
    clusters = cluster_chains(HeapIndex(graph), nodes[stale], limit) if stale.any() else []
    return sorted(rows, key=lambda row: (-row.gone, -row.count, row.class_)), clusters


def _copies(graph: HeapGraph, snapshot: str) -> tuple[Int32s, Addresses]:
    """Live sessions with an id: nodes and masks."""
    known = _sessions(graph, snapshot)
    fit = category_of_rows(graph) == CATEGORIES.index("session")
    fit &= (known.id != UNKNOWN_MASK) & (graph.flags[known.node] & Node.GARBAGE == 0)
    return known.node[fit], known.id[fit]


def _sessions(graph: HeapGraph, snapshot: str) -> Sessions:
    if graph.sessions is None:
        raise InputError(f"{snapshot} was taken without rules for sessions", "Take a new one: leakscope snapshot PID.")
    return graph.sessions


def _mask_of_name(name: str) -> int:
    masked = _MASKED.fullmatch(name)
    if masked:
        return int(masked[1], 16)
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big")


def _ascending(masks: Addresses) -> array[int]:
    return array("Q", np.unique(masks).astype(np.uint64).tobytes())
