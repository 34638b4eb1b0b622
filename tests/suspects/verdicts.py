"""Runs a program and asks for suspects: the part of the tests that takes time, apart from them so that it can be
done for several programs at once in processes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType

from leakscope.analysis.suspects import find_suspects
from leakscope.findings.suspects import Suspect
from leakscope.graph.heap import HeapGraph
from tests.interpreters import Interpreter
from tests.suspects.programs import UNITS, Program, count_of, snapshots

LEAK_SNAPSHOTS = 3
SOUND_SNAPSHOTS = 5
_AT_ONCE = 2

Suspects = tuple[Suspect, ...]


@dataclass(frozen=True)
class Verdict:
    """What was found in one program."""

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
        return Verdict({_name(0, len(graphs)): find_suspects(graphs).suspects}, counts)
    spans = {span: None for length in (1, 2, 3) for span in ((0, length), (len(graphs) - length, len(graphs)))}
    found = {span: find_suspects(graphs[slice(*span)]).suspects for span in (*spans, (0, len(graphs)))}
    return Verdict({_name(*span): suspects for span, suspects in found.items()}, ())


def _name(first: int, end: int) -> str:
    return f"snapshots {first + 1} to {end}"


class Verdicts:
    """Verdicts on many programs, made by ``_AT_ONCE`` processes while the first are already read."""

    def __init__(self, pairs: Sequence[tuple[Program, Interpreter]]) -> None:
        self._pool = ProcessPoolExecutor(_AT_ONCE, mp_context=get_context("spawn"))
        self._made: dict[tuple[Program, Interpreter], Future[Verdict]] = {
            pair: self._pool.submit(verdict, *pair) for pair in pairs
        }

    def of(self, program: Program, interpreter: Interpreter) -> Verdict:
        """Waits for it; raises what went wrong."""
        return self._made[program, interpreter].result()

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
