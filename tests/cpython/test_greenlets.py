"""Frames of suspended greenlets as leakscope reads them, against ``gr_frame`` from inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from leakscope.cpython import read_heap
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Ref, Root
from leakscope.target.attach import capture
from tests.catalogue.environments import with_libraries
from tests.catalogue.harness import running
from tests.interpreters import Interpreter, one_per_version
from tests.truth.frames import local_problems

HELD = 40 + 1 + 1 + 1 + 2 + 2 + 1 + 1 + 1
"""How many there are in the program: ``deep``, ``alone``, ``in_cells`` and the others."""

each_interpreter = pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)


@each_interpreter
def test_frames_are_those_that_python_shows(interpreter: Interpreter) -> None:
    """Each greenlet's frames, innermost first: function, line, and every local variable; no more of them."""
    with running(with_libraries(interpreter, "data"), "greenlet_frames") as (pid, told):
        graph = read_heap(capture(pid))
    problems = [line for name, true in told.items() for line in _problems(graph, name, true, interpreter)]
    assert sum(len(true["frames"]) for true in told.values()) > 50
    assert not problems


@each_interpreter
def test_what_only_a_frame_holds_is_held_by_that_alone(interpreter: Interpreter) -> None:
    """Every ``Held`` is neither garbage nor a root of its own: a frame has it, even of a greenlet without owner."""
    with running(with_libraries(interpreter, "data"), "greenlet_frames") as (pid, _):
        graph = read_heap(capture(pid))
    held = np.flatnonzero(graph.type == graph.types.name.index("__main__.Held"))
    assert len(held) == HELD
    assert not (graph.flags[held] & Node.GARBAGE).any()
    assert not np.isin(held, graph.roots.node[graph.roots.kind == Root.C_UNSEEN]).any()


@each_interpreter
def test_frames_have_no_other_holder_than_their_greenlet(interpreter: Interpreter) -> None:
    """Words of the C stacks that greenlet has saved point at frames too; in 3.11+, those count nothing."""
    with running(with_libraries(interpreter, "data"), "greenlet_frames") as (pid, _):
        graph = read_heap(capture(pid))
    to_frames = (graph.flags[graph.target] & Node.FRAME) != 0
    assert to_frames.any() == (interpreter.version >= (3, 11, 0))
    assert set(graph.kind[to_frames].tolist()) <= {Ref.INTERNAL}


def _problems(graph: HeapGraph, name: str, true: dict[str, Any], interpreter: Interpreter) -> list[str]:
    frames = _frames(graph, int(np.searchsorted(graph.address, np.uint64(true["address"]))))
    rows = [_row(graph, frame) for frame in frames]
    expected = [(_function(frame, interpreter), frame["line"]) for frame in true["frames"]]
    if rows != expected:
        return [f"{name}: frames {rows} found, {expected} true"]
    return [
        f"{name}: {row}: {line}"
        for frame, row, each in zip(frames, rows, true["frames"], strict=True)
        for line in local_problems(graph, each["locals"], frame)
    ]


def _frames(graph: HeapGraph, greenlet: int) -> list[int]:
    """3.10 keeps the frames behind the first in ``f_back``."""
    found = [int(node) for node in _named(graph, greenlet, "frame")]
    while found and (behind := _named(graph, found[-1], "f_back")):
        found += behind
    return found


def _named(graph: HeapGraph, node: int, name: str) -> list[int]:
    span = range(int(graph.first_ref[node]), int(graph.first_ref[node + 1]))
    named = (at for at in span if graph.kind[at] in (Ref.INTERNAL, Ref.ATTR) and graph.names[graph.label[at]] == name)
    return [int(graph.target[at]) for at in named]


def _row(graph: HeapGraph, node: int) -> tuple[str, int]:
    at = int(np.searchsorted(graph.frames.node, node))
    return graph.names[graph.frames.function[at]], int(graph.frames.line[at])


def _function(frame: dict[str, Any], interpreter: Interpreter) -> str:
    """Before 3.11 a code object does not know more than its own name."""
    qualified: str = frame["function"]
    return qualified if interpreter.version >= (3, 11, 0) else qualified.rpartition(".")[2]
