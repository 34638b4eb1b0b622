"""Processes of other runtimes, by PID or by URL: each is asked for a dump in its own way, which is read and gone."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leakscope.cli.consent import agree
from leakscope.cli.output import clear_progress, progress
from leakscope.errors import DumpError, InputError, UnsupportedTargetError, UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph
    from leakscope.sessions.load import RuleSet
    from leakscope.sessions.read import RuleUse
    from leakscope.target.runtimes import Identity

Answer = tuple["HeapGraph", "list[RuleUse]"]
_LEAST_ROOM = 64 << 20


class _Way(NamedTuple):
    """How one runtime shows its heap."""

    name: str
    room: float
    """On disk for each byte of the process's memory."""
    pause: str


_WAYS = {
    "jvm": _Way(
        "jcmd",
        1.0,
        "a JVM, which writes its dump itself: it collects its garbage and stands still meanwhile, some 5 s for each GB "
        "that lives",
    ),
    "node": _Way(
        "signal",
        2.0,
        "a Node, which writes its heap snapshot itself and answers nobody meanwhile, some 45 s for each GB of its heap",
    ),
}


def process_sessions(pid: int, ruleset: RuleSet, reveal: bool = False) -> Answer | None:
    """The heap of a JVM or of a Node with its sessions, and what came of each rule; None for other runtimes.

    Raises AttachError where it cannot be had: no tool, no rights, no room.
    """
    from leakscope.target import jvm, node
    from leakscope.target.evidence import read_evidence
    from leakscope.target.proc import started_at
    from leakscope.target.processes import where_profiles_are
    from leakscope.target.runtimes import identify

    identity = identify(pid)
    if identity.runtime == "go":
        raise UnsupportedTargetError(
            f"Process {pid} is a Go program, which shows no objects but profiles of its heap", where_profiles_are(pid)
        )
    way = _WAYS.get(identity.runtime)
    if way is None:
        return None
    (jvm if identity.runtime == "jvm" else node).require(identity)
    evidence, _ = read_evidence(pid)
    rss = int(evidence.get("rss_bytes") or 0)
    agree(pid, f"process {pid} is {way.pause}; its memory is {rss >> 20} MiB")
    with _dumped(identity, max(int(way.room * rss), _LEAST_ROOM)) as path:
        began = started_at(identity.stat)
        facts = {
            "pid": pid,
            "started_at": began,
            "strategy": way.name,
            "process": evidence,
            "version": identity.version,
        }
        return _read(path, f"process {pid}", facts, ruleset, reveal)


def inspector_sessions(url: str, ruleset: RuleSet, reveal: bool = False) -> Answer:
    """As ``process_sessions`` for the Node whose inspector is at ``url``. UsageError for a profile's URL."""
    from leakscope.target import inspector
    from leakscope.target.urls import names_profile

    if names_profile(url):
        raise UsageError(
            "a URL of profiles goes with snapshot",
            f"leakscope snapshot {url} -o heap.pb.gz, then: leakscope top heap.pb.gz",
        )
    progress()("waiting for the heap snapshot", 0.0)
    with inspector.dumped(url) as path:
        return _read(path, url, {"strategy": "inspector"}, ruleset, reveal)


@contextlib.contextmanager
def _dumped(identity: Identity, needed: int) -> Iterator[Path]:
    from leakscope.target import jvm, node

    progress()("waiting for the dump", 0.0)
    try:
        with (jvm if identity.runtime == "jvm" else node).dumped(identity, needed) as path:
            clear_progress()
            yield path
    finally:
        clear_progress()


def _read(path: Path, who: str, facts: dict[str, Any], ruleset: RuleSet, reveal: bool) -> Answer:
    from leakscope.cli.dumps import dump_sessions

    moment = time.time()
    try:
        graph, uses = dump_sessions(path, ruleset, reveal)
    except InputError as error:
        raise DumpError(error.message.replace(str(path), f"the dump of {who}"), error.help) from error
    known = {"captured_at": moment, **{name: value for name, value in graph.facts.items() if value is not None}}
    told = {name: value for name, value in facts.items() if value is not None}
    return dataclasses.replace(graph, facts={**graph.facts, **known, **told}), uses
