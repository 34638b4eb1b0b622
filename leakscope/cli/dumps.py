"""Heaps that other runtimes wrote into files: loaded, and asked for their sessions as a live one is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leakscope.cli.output import clear_progress, progress
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph
    from leakscope.sessions.load import RuleSet
    from leakscope.sessions.read import RuleUse


def is_dump(source: str | Path) -> bool:
    """Whether ``source`` is a file that another runtime wrote. InputError for a kind that cannot be read."""
    from leakscope.formats.dumps import recognised

    return recognised(Path(source)) is not None


def open_dump(source: Path, reveal: bool = False, rules: Sequence[Path] | None = None) -> HeapGraph:
    """The heap in ``source`` with its sessions. InputError if it is damaged, or a file of ``rules`` is."""
    from leakscope.cli.source import rules_told

    return dump_sessions(source, rules_told(tuple(rules or ()), Path.cwd()), reveal)[0]


def dump_sessions(source: Path, ruleset: RuleSet, reveal: bool = False) -> tuple[HeapGraph, list[RuleUse]]:
    """As ``open_dump``, with what came of each rule."""
    from leakscope.formats.dumps import load_dump, recognised
    from leakscope.sessions.read import read_sessions
    from leakscope.sessions.used import as_facts

    kind = recognised(source)
    assert kind is not None
    report = progress()
    try:
        graph, values = load_dump(source, kind, report, reveal)
        sessions, uses = read_sessions(graph, values, ruleset, reveal, report)
    finally:
        clear_progress()
    used = as_facts(use.rule for use in uses if use.count)
    return dataclasses.replace(graph, sessions=sessions, facts={**graph.facts, "rules": used}), uses


def facts_of(source: str) -> dict[str, Any]:
    """What a snapshot or dump says of its capture, read without the rest where that can be. InputError if damaged."""
    from leakscope.formats.dumps import dump_facts, load_dump, recognised
    from leakscope.formats.leakscope_file import load_meta
    from leakscope.target.urls import is_url

    if is_url(source):
        raise UsageError("a URL is no snapshot", f"Take one first: leakscope snapshot {source}")
    path = Path(source)
    kind = recognised(path)
    if kind is None:
        return load_meta(path).facts
    known = dump_facts(path, kind)
    return load_dump(path, kind)[0].facts if known is None else known
