"""The facts of one capture, as a finding."""

from __future__ import annotations

import numpy as np

from leakscope.analysis.sessions import session_nodes
from leakscope.findings.model import Snapshot
from leakscope.graph.facts import number
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node


def describe(graph: HeapGraph, path: str | None) -> Snapshot:
    """What is known of a heap at once. ``path`` of its file, if it has one; facts of a wrong type are left out."""
    garbage = graph.flags & Node.GARBAGE != 0
    pid, copied = number(graph.facts, "pid"), number(graph.facts, "copied_bytes")
    warnings = graph.facts.get("warnings")
    return Snapshot(
        path=path,
        pid=None if pid is None else int(pid),
        runtime=_text(graph, "runtime") or "unknown",
        version=_text(graph, "version") or "unknown",
        captured_at=number(graph.facts, "captured_at"),
        objects=graph.objects,
        references=graph.references,
        sessions=len(session_nodes(graph)),
        pause_ms=number(graph.facts, "pause_ms"),
        copied_bytes=None if copied is None else int(copied),
        elapsed_s=number(graph.facts, "elapsed_s"),
        strategy=_text(graph, "strategy"),
        garbage_objects=int(np.count_nonzero(garbage)),
        garbage_bytes=int(graph.own_size[garbage].sum()),
        warnings=tuple(str(line) for line in warnings) if isinstance(warnings, list) else (),
    )


def _text(graph: HeapGraph, name: str) -> str | None:
    value = graph.facts.get(name)
    return value if isinstance(value, str) else None
