"""SOURCE on a command line -> ``HeapGraph``: a PID or another runtime's dump is asked for sessions, a snapshot has them."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.options import Pause
from leakscope.cli.output import clear_progress, progress
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph
    from leakscope.sessions.load import RuleSet
    from leakscope.sessions.read import RuleUse


def open_graph(
    source: str, pause: Pause | None = None, reveal: bool = False, rules: Sequence[Path] | None = None
) -> HeapGraph:
    """The heap behind ``source``; raises ``AttachError``, ``InputError`` or ``UsageError``."""
    from leakscope.cli.dumps import is_dump, open_dump

    if is_pid(source):
        return capture_graph(int(source), pause, reveal, rules)
    if pause is None and is_dump(source):
        return open_dump(Path(source), reveal, rules)
    for option in _live_only(pause, reveal, rules):
        raise UsageError(
            f"{option} goes with a PID; {source} is a file and stays as it was taken",
            f"Take a new one: leakscope snapshot PID {option}",
        )
    from leakscope.cli.profiles import refuse_profile
    from leakscope.formats.leakscope_file import load

    refuse_profile(source)
    return load(Path(source))


def is_pid(source: str) -> bool:
    """Whether SOURCE names a process and not a file."""
    return source.isascii() and source.isdigit()


def capture_graph(
    pid: int, pause: Pause | None = None, reveal: bool = False, rules: Sequence[Path] | None = None
) -> HeapGraph:
    """The heap of a live process with its sessions, and progress on standard error; raises ``AttachError``.

    InputError for a file of ``rules`` that cannot be read. Other mistakes in rules are told on standard error.
    """
    return capture_sessions(pid, rules_told(tuple(rules or ()), Path.cwd()), pause, reveal)[0]


def capture_sessions(
    pid: int, ruleset: RuleSet, pause: Pause | None = None, reveal: bool = False
) -> tuple[HeapGraph, list[RuleUse]]:
    """As ``capture_graph``, with what came of each rule."""
    from leakscope.analysis.descriptors import join_descriptors
    from leakscope.cpython import read_heap
    from leakscope.cpython.bounds import read_bounds
    from leakscope.cpython.field_values import HeapValues
    from leakscope.sessions.read import read_sessions
    from leakscope.sessions.used import as_facts
    from leakscope.target.attach import capture
    from leakscope.target.evidence import read_evidence

    report = progress()
    try:
        image = capture(pid, pause=(pause or Pause.COPY).value, progress=report)
        evidence, states = read_evidence(pid)
        graph = read_heap(image, reveal=reveal, progress=report)
        values = HeapValues(image, graph)
        sessions, uses = read_sessions(graph, values, ruleset, reveal, report)
        bounds = read_bounds(graph, values)
        process = {**evidence, "descriptor_objects": join_descriptors(graph, values, states)}
    finally:
        clear_progress()
    used = as_facts(use.rule for use in uses if use.count)
    facts = {**graph.facts, "rules": used, "process": process}
    return dataclasses.replace(graph, sessions=sessions, bounds=bounds, facts=facts), uses


@functools.cache
def rules_told(files: tuple[Path, ...], folder: Path) -> RuleSet:
    """The rules that hold in ``folder``; what is wrong with them is told on standard error, once."""
    from leakscope.render.escape import escaped
    from leakscope.sessions.load import load_rules

    ruleset = load_rules(files, folder)
    for problem in ruleset.problems:
        where = f"rule {problem.rule} ({problem.source}) skipped" if problem.rule else problem.source
        sys.stderr.write(f"leakscope: {escaped(where)}: {escaped(problem.text)}\n")
    return ruleset


def _live_only(pause: Pause | None, reveal: bool, rules: Sequence[Path] | None) -> list[str]:
    """Those options that make sense only while a heap is read."""
    options = [f"--pause {pause.value}"] if pause is not None else []
    return options + ["--reveal"] * reveal + [f"--rules {path}" for path in rules or ()]
