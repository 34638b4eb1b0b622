"""The JSON document of ``suspects``."""

from __future__ import annotations

from leakscope.findings.suspects import SuspectReport
from leakscope.render.documents import Document, document, plain_all


def suspects(sources: list[str], report: SuspectReport, harmless: bool = False) -> Document:
    """``suspects`` by rank, ``candidates``, ``notes``; ``harmless`` only where it was asked for."""
    return document(
        "suspects",
        sources,
        snapshots=report.snapshots,
        same_process=report.same_process,
        suspects=plain_all(report.suspects),
        total=report.total,
        candidates=plain_all(report.candidates),
        **({"harmless": plain_all(report.harmless)} if harmless else {}),
        notes=list(report.notes),
    )
