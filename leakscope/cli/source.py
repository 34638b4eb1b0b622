"""SOURCE on a command line -> ``HeapGraph``: what comes without sessions is asked for them, a snapshot has them."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections.abc import Collection, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leakscope.cli.budget import budget, given
from leakscope.cli.options import Pause
from leakscope.cli.output import clear_progress, progress
from leakscope.errors import UnsupportedTargetError, UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph
    from leakscope.sessions.load import RuleSet
    from leakscope.sessions.read import RuleUse
    from leakscope.target.image import MemoryImage


class Kind(Enum):
    """What SOURCE names."""

    PID = "a process"
    DUMP = "a dump of another runtime"
    URL = "an inspector's address"
    CORE = "an ELF core"
    FILE = "a snapshot, or none of these"


class CoreFiles(NamedTuple):
    """Where the program of a core and its libraries are, if not where they were."""

    exe: Path | None = None
    libs: Path | None = None


_WHERE_THEY_WERE = CoreFiles()


def open_graph(
    source: str,
    pause: Pause | None = None,
    reveal: bool = False,
    rules: Sequence[Path] | None = None,
    files: CoreFiles = _WHERE_THEY_WERE,
    without: Collection[str] = (),
) -> HeapGraph:
    """The heap behind ``source``; raises ``AttachError``, ``InputError`` or ``UsageError``.

    ``without``: what of a snapshot file need not be read, see ``load``.
    """
    kind = kind_of(source)
    if kind != Kind.CORE:
        refuse_core_files(source, files)
    if kind != Kind.PID and pause is not None:
        raise UsageError("--pause goes with a PID", f"{source} is a file: nothing of it runs.")
    if kind == Kind.PID:
        return capture_graph(int(source), pause, reveal, rules)
    if kind == Kind.URL:
        return url_graph(source, reveal, rules)
    if kind == Kind.CORE:
        return core_graph(Path(source), reveal, rules, files)
    if kind == Kind.DUMP:
        return _dump_graph(source, reveal, rules)
    for option in _live_only(reveal, rules):
        raise UsageError(
            f"{option} goes with a PID; {source} is a file and stays as it was taken",
            f"Take a new one: leakscope snapshot PID {option}",
        )
    from leakscope.cli.profiles import refuse_profile
    from leakscope.formats.leakscope_file import load

    refuse_profile(source)
    return load(Path(source), without)


def is_pid(source: str) -> bool:
    """Whether SOURCE names a process and not a file."""
    return source.isascii() and source.isdigit()


def kind_of(source: str) -> Kind:
    """InputError, by name, for a kind that is known and cannot be read."""
    from leakscope.cli.dumps import is_dump
    from leakscope.cli.profiles import is_profile
    from leakscope.target.urls import is_url

    if is_pid(source):
        return Kind.PID
    if is_url(source):
        return Kind.URL
    if is_dump(source):
        return Kind.DUMP
    # Asked first, for cores are refused when they are packed, and profiles always are.
    return Kind.CORE if not is_profile(source) and is_core(source) else Kind.FILE


def is_core(source: str) -> bool:
    """Whether SOURCE is an ELF file, as cores are; InputError if it is a compressed one."""
    from leakscope.target.core_magic import is_core

    return is_core(Path(source))


def url_graph(url: str, reveal: bool = False, rules: Sequence[Path] | None = None) -> HeapGraph:
    """The heap of the Node behind an inspector's address, with its sessions; raises ``AttachError``, ``UsageError``."""
    from leakscope.cli.foreign import inspector_sessions

    return inspector_sessions(url, rules_told(tuple(rules or ()), Path.cwd()), reveal)[0]


def _dump_graph(source: str, reveal: bool, rules: Sequence[Path] | None) -> HeapGraph:
    from leakscope.cli.dumps import open_dump

    for option in given():
        raise UsageError(
            f"{option} goes with a PID or a core", f"{source} is mapped, and read as far as there is room."
        )
    return open_dump(Path(source), reveal, rules)


def refuse_core_files(source: str, files: CoreFiles) -> None:
    """UsageError if ``files`` are given for what is no core."""
    if files != _WHERE_THEY_WERE:
        option = "--libs" if files.exe is None else "--exe"
        raise UsageError(f"{option} goes with a core file; {source} is none", "leakscope sessions core.4242 --exe PATH")


def core_graph(
    path: Path,
    reveal: bool = False,
    rules: Sequence[Path] | None = None,
    files: CoreFiles = _WHERE_THEY_WERE,
) -> HeapGraph:
    """The heap in an ELF core with its sessions; raises ``InputError`` or ``UnsupportedTargetError``."""
    return core_sessions(path, rules_told(tuple(rules or ()), Path.cwd()), reveal, files)[0]


def core_sessions(
    path: Path, ruleset: RuleSet, reveal: bool = False, files: CoreFiles = _WHERE_THEY_WERE
) -> tuple[HeapGraph, list[RuleUse]]:
    """As ``core_graph``, with what came of each rule."""
    from leakscope.target.core import read_core

    try:
        image = read_core(path, files.exe, files.libs, progress(), budget())
        # Of what the kernel knew, a core tells the threads alone.
        return _ask(image, ruleset, reveal, {"threads": len(image.threads)}, {})
    finally:
        clear_progress()


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
    from leakscope.cli.foreign import process_sessions
    from leakscope.target.attach import captured
    from leakscope.target.evidence import read_evidence

    try:
        with captured(pid, pause=pause.value if pause else "auto", progress=progress(), budget=budget()) as image:
            evidence, states = read_evidence(pid)
            return _ask(image, ruleset, reveal, evidence, states)
    except UnsupportedTargetError:
        found = process_sessions(pid, ruleset, reveal) if pause is None else None
        if found is None:
            raise
        return found
    finally:
        clear_progress()


def _ask(
    image: MemoryImage, ruleset: RuleSet, reveal: bool, evidence: dict[str, Any], states: dict[int, str]
) -> tuple[HeapGraph, list[RuleUse]]:
    """Everything that needs the bytes; ``evidence`` and ``states`` are what the kernel said beside them."""
    from leakscope.analysis.descriptors import join_descriptors
    from leakscope.cpython import read_heap
    from leakscope.cpython.bounds import read_bounds
    from leakscope.cpython.field_values import HeapValues
    from leakscope.sessions.read import read_sessions
    from leakscope.sessions.used import as_facts

    report = progress()
    graph = read_heap(image, reveal=reveal, progress=report)
    values = HeapValues(image, graph)
    sessions, uses = read_sessions(graph, values, ruleset, reveal, report)
    bounds = read_bounds(graph, values)
    process = {**evidence, "descriptor_objects": join_descriptors(graph, values, states)}
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


def _live_only(reveal: bool, rules: Sequence[Path] | None) -> list[str]:
    """Those options that make sense only while a heap is read."""
    return given() + ["--reveal"] * reveal + [f"--rules {path}" for path in rules or ()]
