"""``leakscope snapshot``."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leakscope.cli.budget import MaxMemoryOption, SpillDirOption
from leakscope.cli.consent import YesOption
from leakscope.cli.options import (
    ExeOption,
    JsonOption,
    LibsOption,
    NoColorOption,
    Pause,
    PauseOption,
    RevealOption,
    RulesOption,
    TargetArgument,
)
from leakscope.cli.output import check_writable, emit, emit_json, screen
from leakscope.errors import InputError, UsageError

if TYPE_CHECKING:
    from leakscope.findings.model import Snapshot
    from leakscope.graph.heap import HeapGraph


def snapshot(
    source: TargetArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to; default leakscope-SOURCE-TIME.leakscope in this folder. With --tree a folder.",
            show_default=False,
        ),
    ] = None,
    tree: Annotated[
        bool, typer.Option("--tree", help="The process and all that come of it, one file each: a service's workers.")
    ] = False,
    pause: PauseOption = None,
    max_memory: MaxMemoryOption = None,
    spill_dir: SpillDirOption = None,
    yes: YesOption = False,
    reveal: RevealOption = False,
    rules: RulesOption = None,
    exe: ExeOption = None,
    libs: LibsOption = None,
    json: JsonOption = False,
    no_color: NoColorOption = False,
) -> None:
    """Copy the heap of a process, a core or a dump into a file.

    The target stands still only while its memory is copied, about a tenth of a
    second per GB; nothing is installed or run in it. A JVM or Node writes its dump
    itself, which takes longer: that is said before. The file holds no string
    values, and keys of dicts are masked, so that it can be passed on.

    \b
    Examples:
      leakscope snapshot 4242
      leakscope snapshot 4242 -o before.leakscope
      leakscope snapshot 4242 --pause none      never stop the target
      leakscope snapshot core.4242              what gcore or a crash left
      leakscope snapshot dump.hprof             smaller, and without values of strings
      leakscope snapshot --tree 4242 -o family  the service and its workers
      leakscope snapshot http://127.0.0.1:9229  a Node started with --inspect
      leakscope snapshot http://127.0.0.1:6060/debug/pprof/heap -o heap.pb.gz
    """
    from leakscope.cli.profiles import save_profile
    from leakscope.cli.source import CoreFiles, open_graph, refuse_core_files
    from leakscope.render import documents, profile_text, text
    from leakscope.target.urls import names_profile

    _require_target(source)
    if tree:
        refuse_core_files(source, CoreFiles(exe, libs))
        raise typer.Exit(_snapshot_tree(source, output, pause, reveal, rules, json, no_color))
    path = output or default_path(source)
    check_writable(path)
    if names_profile(source):
        _refuse_heap_options(pause, reveal, rules)
        facts, told = save_profile(source, path), profile_text.snapshot
    else:
        facts = save_graph(lambda: open_graph(source, pause, reveal, rules, CoreFiles(exe, libs)), path)
        told = text.snapshot
    if json:
        emit_json(documents.snapshot(source, facts))
    else:
        emit(told(facts, screen(no_color)))


def _refuse_heap_options(pause: Pause | None, reveal: bool, rules: Sequence[Path] | None) -> None:
    """UsageError for what makes no sense with a profile."""
    for option, given in (("--pause", pause), ("--reveal", reveal), ("--rules", rules)):
        if given:
            raise UsageError(f"{option} goes with a heap", "A profile has no objects: leave the option out.")


def _snapshot_tree(
    source: str,
    folder: Path | None,
    pause: Pause | None,
    reveal: bool,
    rules: Sequence[Path] | None,
    json: bool,
    no_color: bool,
) -> int:
    """The family of a process, told when all are taken; returns the exit code."""
    from leakscope.cli.source import is_pid
    from leakscope.cli.tree import exit_code, make_folder, take_family
    from leakscope.render import documents, family_text
    from leakscope.target.processes import family

    if not is_pid(source):
        raise UsageError("--tree goes with a PID", "leakscope snapshot --tree PID -o FOLDER")
    processes = family(int(source))
    where, moment = folder or Path(), datetime.now(timezone.utc)
    if folder is not None:
        make_folder(folder)
    check_writable(where / default_path(source, moment))
    members = take_family(
        processes, lambda pid: take(pid, where / default_path(str(pid), moment), pause, reveal, rules)
    )
    if json:
        emit_json(documents.family(source, members))
    else:
        emit(family_text.family(members, screen(no_color)))
    return exit_code(members)


def take(
    pid: int, path: Path, pause: Pause | None = None, reveal: bool = False, rules: Sequence[Path] | None = None
) -> Snapshot:
    """Capture ``pid`` into ``path``; raises ``AttachError`` or ``InputError``."""
    from leakscope.cli.source import capture_graph

    return save_graph(lambda: capture_graph(pid, pause, reveal, rules), path)


def save_graph(read: Callable[[], HeapGraph], path: Path) -> Snapshot:
    """What ``read`` gives, saved in ``path`` and described."""
    from leakscope.analysis.describe import describe
    from leakscope.formats.leakscope_file import save

    began = time.monotonic()
    graph = read()
    save(graph, path)
    return dataclasses.replace(describe(graph, str(path)), elapsed_s=round(time.monotonic() - began, 3))


def _require_target(source: str) -> None:
    """UsageError or InputError for what is neither a process nor a core nor a dump."""
    from leakscope.cli.profiles import refuse_profile
    from leakscope.cli.source import Kind, is_pid, kind_of
    from leakscope.target.urls import is_url, parts_of

    if is_pid(source):
        if not int(source):
            raise UsageError("0 is no PID", "`leakscope ps` lists the processes that are there.")
    elif is_url(source):
        parts_of(source)
    elif not Path(source).exists():
        raise UsageError(f"{source} is neither a PID nor a file", "`leakscope ps` lists the processes that are there.")
    elif kind_of(source) == Kind.FILE:
        refuse_profile(source)
        raise InputError(
            f"{source} is neither a PID nor an ELF core file nor a heap dump",
            "Snapshot files are read by: leakscope sessions FILE",
        )


def default_path(source: str, moment: datetime | None = None) -> Path:
    """In the current folder, with the time in UTC so that names sort; now if no ``moment`` is given."""
    from leakscope.target.urls import is_url, names_profile, parts_of

    moment = moment or datetime.now(timezone.utc)
    name = parts_of(source).netloc.rpartition("@")[2].replace(":", "-") if is_url(source) else Path(source).name
    ending = "pb.gz" if names_profile(source) else "leakscope"
    return Path(f"leakscope-{name}-{moment:%Y%m%dT%H%M%SZ}.{ending}")
