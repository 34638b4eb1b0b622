"""Joins what the kernel says of a process with its heap: whose descriptors are these, is the memory Python's?"""

from __future__ import annotations

import dataclasses
from typing import Any

from leakscope.analysis.descriptors import file_holders, open_objects, socket_holders, unowned
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.told import MOST_ROWS, count, counts
from leakscope.findings.evidence import Expected, ProcessEvidence
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node


def process_evidence(graph: HeapGraph, index: HeapIndex | None = None) -> ProcessEvidence | None:
    """What ``graph.facts["process"]`` says, None if nothing; with an ``index``, whose the sockets are too.

    The facts may come from a foreign file: what has another type than it should is unknown.
    """
    told = graph.facts.get("process")
    if not isinstance(told, dict):
        return None
    garbage = graph.flags & Node.GARBAGE != 0
    live_bytes, garbage_bytes = int(graph.own_size[~garbage].sum()), int(graph.own_size[garbage].sum())
    own = count(told.get("anonymous_bytes"))
    evidence = ProcessEvidence(
        live_heap_bytes=live_bytes,
        garbage_heap_bytes=garbage_bytes,
        other_bytes=None if own is None else max(0, own - live_bytes - garbage_bytes),
        rss_bytes=count(told.get("rss_bytes")),
        pss_bytes=count(told.get("pss_bytes")),
        uss_bytes=count(told.get("uss_bytes")),
        anonymous_bytes=count(told.get("anonymous_bytes")),
        swap_bytes=count(told.get("swap_bytes")),
        memory_limit_bytes=count(told.get("memory_limit_bytes")),
        memory_used_bytes=count(told.get("memory_used_bytes")),
        threads=count(told.get("threads")),
        descriptors=counts(told.get("descriptors")),
        descriptors_limit=count(told.get("descriptors_limit")),
        sockets=counts(told.get("sockets")),
    )
    if index is None:
        return evidence
    opened = open_objects(graph)
    return dataclasses.replace(
        evidence, held=socket_holders(index, opened), files_held=file_holders(index, opened), unowned=unowned(graph)
    )


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
        waiting=count(row.get("waiting")) or 0,
        due=count(row.get("due")) or 0,
        overdue_s=float(overdue) if isinstance(overdue, int | float) and not isinstance(overdue, bool) else None,
    )
