"""Runs a program and asks for suspects: the part of the tests that takes time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from leakscope.analysis.suspects import find_suspects
from leakscope.findings.suspects import Suspect
from leakscope.graph.heap import HeapGraph
from tests.interpreters import Interpreter
from tests.suspects.programs import UNITS, Program, count_of, snapshots

LEAK_SNAPSHOTS = 3
SOUND_SNAPSHOTS = 5

Suspects = tuple[Suspect, ...]


@dataclass(frozen=True)
class Verdict:
    """What was found in one program."""

    program: Program
    suspects: dict[str, Suspects]
    """By the snapshots that were looked at: one early and late, two and three in a row at both ends, and all."""
    counts: tuple[int, ...]
    """Of a leaking program: how many objects of the first expected class there were in each snapshot."""


def verdict(program: Program, interpreter: Interpreter) -> Verdict:
    """Of a leaking program after ``LEAK_SNAPSHOTS`` rounds, of a sound one after ``SOUND_SNAPSHOTS``."""
    return verdict_on(program, taken(program, interpreter))


def taken(program: Program, interpreter: Interpreter) -> list[HeapGraph]:
    """The snapshots that a verdict needs."""
    count = LEAK_SNAPSHOTS if program.expected else SOUND_SNAPSHOTS
    return snapshots(program.python(interpreter), program, count, UNITS)


def verdict_on(program: Program, graphs: Sequence[HeapGraph]) -> Verdict:
    """What its snapshots say."""
    if program.expected:
        counts = tuple(count_of(graph, program.expected.classes[0]) for graph in graphs)
        return Verdict(program, {_name(0, len(graphs)): find_suspects(graphs).suspects}, counts)
    spans = {span: None for length in (1, 2, 3) for span in ((0, length), (len(graphs) - length, len(graphs)))}
    found = {span: find_suspects(graphs[slice(*span)]).suspects for span in (*spans, (0, len(graphs)))}
    return Verdict(program, {_name(*span): suspects for span, suspects in found.items()}, ())


def _name(first: int, end: int) -> str:
    return f"snapshots {first + 1} to {end}"
