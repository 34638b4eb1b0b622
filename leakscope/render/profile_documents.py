"""The JSON documents of profiles: ``sites`` where heaps have classes, whatever the command."""

from __future__ import annotations

from leakscope.findings.profiles import ProfileReport
from leakscope.render.documents import Document, document, plain_all


def profile(command: str, source: str | list[str], report: ProfileReport) -> Document:
    """``sites`` as far as they were asked for; ``suspects`` with ``suspects`` alone."""
    more = {"suspects": plain_all(report.suspects)} if command == "suspects" else {}
    return document(
        command,
        source,
        profile={
            "measure": report.measure,
            "sampled_bytes": report.sampled_bytes,
            "captured_at": list(report.captured_at),
            "counts": list(report.counts),
            "bytes": list(report.bytes),
        },
        sites=plain_all(report.sites),
        total=report.total,
        notes=list(report.notes),
        **more,
    )
