"""The JSON documents: findings as plain JSON values, in the shapes that ``schemas/`` describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from leakscope.findings.diff import Diff
from leakscope.findings.model import (
    SCHEMA,
    Check,
    ClassRow,
    Cluster,
    FamilyMember,
    ProcessRow,
    Snapshot,
)
from leakscope.findings.rules import RuleReport
from leakscope.findings.sessions import SessionReport
from leakscope.findings.store import StoreReport

Document = dict[str, Any]


def ps(rows: Iterable[ProcessRow]) -> Document:
    """``processes``: one object per process."""
    return document("ps", None, processes=plain_all(rows))


def doctor(source: str | None, checks: Iterable[Check]) -> Document:
    """``checks``: one object per check."""
    return document("doctor", source, checks=plain_all(checks))


def snapshot(source: str, facts: Snapshot) -> Document:
    """``snapshot``: the facts of the capture."""
    return document("snapshot", source, snapshot=_plain(facts))


def family(source: str, members: Iterable[FamilyMember]) -> Document:
    """``snapshot --tree``: ``processes``, parents before their children, each with its capture or the reason."""
    return document("snapshot", source, processes=plain_all(members))


def sessions(source: str, report: SessionReport) -> Document:
    """``classes`` and ``clusters`` of all that match, ``items`` up to the limit that was asked for."""
    return document(
        "sessions",
        source,
        total=report.total,
        flagged=report.flagged,
        unjudged=report.unjudged,
        others=dict(report.others),
        classes=plain_all(report.classes),
        items=plain_all(report.items),
        clusters=plain_all(report.clusters),
        expected=plain_all(report.expected),
        pools=plain_all(report.pools),
        process=_plain(report.process),
    )


def chains(source: str, clusters: Iterable[Cluster]) -> Document:
    """``clusters``: one object per way of being held."""
    return document("chains", source, clusters=plain_all(clusters))


def diff(sources: list[str], found: Diff) -> Document:
    """``classes``, ``sessions``, ``clusters``, ``containers``; counts and lengths by snapshot, oldest first."""
    return document("diff", sources, **_plain(found))


def top(source: str, rows: Iterable[ClassRow]) -> Document:
    """``classes``: one object per class."""
    return document("top", source, classes=plain_all(rows))


def rules(source: str | None, report: RuleReport) -> Document:
    """``rules`` in the order in which they are asked, each with its ``use`` if a heap was; ``problems``."""
    return document("rules", source, **_plain(report))


def store(source: str, report: StoreReport) -> Document:
    """``keys``: counts by type and the flagged ones; ``copies`` and ``clusters`` where snapshots were compared."""
    return document("store", source, **_plain(report), gone=report.gone)


def demo(source: str, documents: list[Document]) -> Document:
    """``documents``: those of the commands that the demo ran, in their order."""
    return document("demo", source, documents=documents)


def document(command: str, source: str | list[str] | None, **content: Any) -> Document:
    return {"schema": SCHEMA, "command": command, "source": source, **content}


def plain_all(findings: Iterable[Any]) -> list[Any]:
    return [_plain(finding) for finding in findings]


def _plain(value: Any) -> Any:
    """A finding as JSON: ``class_`` is ``class``; addresses are strings: 64 bits are too many."""
    if dataclasses.is_dataclass(value):
        return {
            field.name.rstrip("_"): _plain_field(field.name, getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, (tuple, list)):
        return plain_all(value)
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _plain_field(name: str, value: Any) -> Any:
    if name == "address":
        return None if value is None else hex(value)
    if name == "sample_addresses":
        return [hex(address) for address in value]
    return _plain(value)
