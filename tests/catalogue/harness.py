"""Runs a program of ``fixtures/targets/libs``, captures it from outside and compares the sessions with what it says.

Rules that the program does not mention must have found nothing, except those of tasks and resources: every process
has threads and files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.pools import pool_uses
from leakscope.cpython import read_heap
from leakscope.cpython.field_values import HeapValues
from leakscope.graph.heap import HeapGraph, Int64s, Sessions
from leakscope.graph.kinds import Fact, Node
from leakscope.graph.values import UNKNOWN_MASK
from leakscope.sessions.load import arranged, built_in
from leakscope.sessions.read import read_sessions
from leakscope.target.attach import capture

TARGETS = Path(__file__).resolve().parents[2] / "fixtures" / "targets" / "libs"
PATIENCE_S = 60.0
TOLERANCE_S = 1.0
UNKNOWN = "unknown"
_IMPLICIT = ("task", "resource")
Pool: TypeAlias = "tuple[str, int | None, int | None, int | None, int]"
"""Class, taken, idle, limit, and how many of those taken know it."""


@dataclass(frozen=True)
class Found:
    """What leakscope says of the sessions of one rule."""

    category: str
    states: Counter[str]
    created: list[float]
    used: list[float]
    expires: list[float]
    masks: list[int]
    healthy: int
    classes: Counter[str]

    @property
    def count(self) -> int:
        """How many there are."""
        return self.classes.total()


NOTHING = Found("", Counter(), [], [], [], [], 0, Counter())


def check(python: Path, target: str) -> None:
    """Compares what ``fixtures/targets/libs/TARGET.py`` says with what leakscope finds; AssertionError if unequal."""
    with running(python, target) as (pid, expected):
        found, pools = look(pid)
    wanted = expected.pop("pools", None)
    wrong = [line for name, facts in expected.items() for line in differences(name, facts, found.get(name, NOTHING))]
    for name, extra in found.items():
        if name not in expected and extra.category not in _IMPLICIT:
            wrong.append(f"{name}: {extra.count} found, none expected: {dict(extra.classes)}")
    if wanted is not None and pools != sorted(map(tuple, wanted), key=repr):
        wrong.append(f"pools {pools} found, {wanted} there")
    assert not wrong, f"{target}: " + "\n  ".join(["the catalogue differs from the truth", *wrong])


def look(pid: int) -> tuple[dict[str, Found], list[Pool]]:
    """By rule what the built-in catalogue finds in a live process; and its pools."""
    image = capture(pid)
    graph = read_heap(image)
    rules = arranged([built_in()])
    sessions, _ = read_sessions(graph, HeapValues(image, graph), rules)
    uses = pool_uses(HeapIndex(dataclasses.replace(graph, sessions=sessions)))
    pools = sorted([(use.class_, use.taken, use.idle, use.limit, sum(use.held_by.values())) for use in uses], key=repr)
    return _by_rule(graph, sessions, {rule.name: rule.category for rule in rules.rules}), pools


@contextlib.contextmanager
def running(python: Path, target: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The process of a target that is ready, and what it says of itself; ended when the block is left."""
    command: list[str | Path] = [python, TARGETS / f"{target}.py"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process.pid, _hear(process)
    finally:
        process.kill()
        process.communicate()


def _hear(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The one line that a target says."""
    assert process.stdout
    limit = threading.Timer(PATIENCE_S, process.kill)
    limit.start()
    try:
        line = process.stdout.readline()
    finally:
        limit.cancel()
    assert line, f"{process.args!r} ended, or took more than {PATIENCE_S:.0f} s, without saying what it holds"
    expected: dict[str, Any] = json.loads(line)
    return expected


def _by_rule(graph: HeapGraph, sessions: Sessions, categories: dict[str, str]) -> dict[str, Found]:
    """The rows of each rule, without what is garbage."""
    alive = (graph.flags[sessions.node] & Node.GARBAGE) == 0
    return {
        graph.names[rule]: _found(graph, sessions, np.flatnonzero(alive & (sessions.rule == rule)), categories)
        for rule in np.unique(sessions.rule[alive]).tolist()
    }


def _found(graph: HeapGraph, sessions: Sessions, rows: Int64s, categories: dict[str, str]) -> Found:
    rule = graph.names[sessions.rule[rows[0]]]
    states = sessions.state[rows].tolist()
    return Found(
        category=categories[rule],
        classes=Counter(graph.types.name[row] for row in graph.type[sessions.node[rows]].tolist()),
        states=Counter(graph.names[state] if state >= 0 else UNKNOWN for state in states),
        created=sorted(sessions.created[rows].tolist()),
        used=sorted(sessions.used[rows].tolist()),
        expires=sorted(sessions.expires[rows].tolist()),
        masks=sorted(mask for mask in sessions.id[rows].tolist() if mask != UNKNOWN_MASK),
        healthy=int(np.count_nonzero(sessions.facts[rows] & Fact.HEALTHY)),
    )


def differences(name: str, wanted: dict[str, Any], found: Found) -> Iterator[str]:
    """One line per fact that is not as the program says."""
    unknown = wanted.keys() - {"count", "states", "created", "used", "expires", "ids", "healthy"}
    if unknown:
        yield f"{name}: the program expects what nobody compares: {sorted(unknown)}"
    if found.count != wanted["count"]:
        yield f"{name}: {found.count} found, {wanted['count']} there: {dict(found.classes)}"
    if "states" in wanted and found.states != wanted["states"]:
        yield f"{name}: states {dict(found.states)} found, {wanted['states']} true"
    if "healthy" in wanted and found.healthy != wanted["healthy"]:
        yield f"{name}: {found.healthy} called healthy, {wanted['healthy']} are"
    if "ids" in wanted and found.masks != sorted(map(mask, wanted["ids"])):
        yield f"{name}: masks of ids {found.masks} found, of {wanted['ids']} expected"
    for fact, times in (("created", found.created), ("used", found.used), ("expires", found.expires)):
        if fact in wanted and not _close(times, wanted[fact]):
            yield f"{name}: {fact} {times} found, {wanted[fact]} true"


def _close(found: list[float], wanted: list[float]) -> bool:
    """Whether each time is as near as it must be; NaN is near to nothing."""
    if len(found) != len(wanted):
        return False
    return all(abs(time - true) <= TOLERANCE_S for time, true in zip(found, sorted(wanted), strict=True))


def mask(text: str) -> int:
    """What a session's id is stored as."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")
