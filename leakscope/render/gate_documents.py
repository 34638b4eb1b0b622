"""The gate's verdict as JSON."""

from __future__ import annotations

import json

from leakscope.findings.gate import Verdict
from leakscope.render.documents import Document, document, plain_all


def gate(source: str | list[str], verdict: Verdict) -> Document:
    """``verdict``, ``violations``, ``new``, ``known``, ``fixed``, and the ``rounds`` that were measured."""
    return document(
        "gate",
        source,
        verdict="pass" if verdict.passed else "fail",
        violations=plain_all(verdict.violations),
        new=plain_all(verdict.new),
        known=plain_all(verdict.known),
        fixed=plain_all(verdict.fixed),
        rounds=plain_all(verdict.rounds),
        notes=list(verdict.notes),
    )


def report(verdict: Verdict) -> str:
    """The document as a report's text."""
    return json.dumps(gate([row.name for row in verdict.rounds], verdict), indent=2, ensure_ascii=True) + "\n"
