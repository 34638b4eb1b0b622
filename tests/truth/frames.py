"""Frames of running threads in a graph against ``sys._current_frames``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Ref, Root
from tests.truth.truth_file import Truth

_Key = tuple[str, str, str, int]
"""Thread name, function, file, line."""


@dataclass
class FrameReport:
    """How many frames and locals there are, and one line for each that is read differently."""

    true: int = 0
    locals: int = 0
    problems: list[str] = field(default_factory=list)


def compare_frames(graph: HeapGraph, truth: Truth) -> FrameReport:
    """Every thread's frames: function, file, line, and each local's name and target.

    Frames of the file that tells the truth moved on after it was told; they are left out.
    """
    report = FrameReport()
    all_frames = [(thread["name"] or "", frame) for thread in truth.threads for frame in thread["frames"]]
    own_files = {frame["file"] for _, frame in all_frames if frame["own"]}
    read = _running_frames(graph, own_files)
    for thread, frame in all_frames:
        if frame["own"]:
            continue
        report.true += 1
        report.locals += len(frame.get("locals", ()))
        key = thread, frame["function"], frame["file"], frame["line"]
        if not read[key]:
            report.problems.append(f"missing {_text(key)}")
        elif "locals" in frame:
            report.problems += [f"{_text(key)}: {line}" for line in _best_fit(graph, frame["locals"], read[key])]
        else:
            read[key].pop()
    report.problems += [f"added {_text(key)}" for key, nodes in read.items() for _ in nodes]
    return report


def _running_frames(graph: HeapGraph, without_files: set[str]) -> dict[_Key, list[int]]:
    """The nodes of all frames that the graph says a thread is running."""
    frames, roots = graph.frames, graph.roots
    running: dict[_Key, list[int]] = defaultdict(list)
    for row in np.flatnonzero(roots.kind == Root.FRAME):
        node, at = roots.node[row], np.searchsorted(frames.node, roots.node[row])
        if at == len(frames.node) or frames.node[at] != node:
            running[(_name(graph, roots.name[row]), f"(no row for node {node})", "", 0)].append(int(node))
            continue
        file = _name(graph, frames.file[at])
        key = _name(graph, roots.name[row]), _name(graph, frames.function[at]), file, int(frames.line[at])
        if file not in without_files:
            running[key].append(int(node))
    return running


def _best_fit(graph: HeapGraph, expected: dict[str, int], nodes: list[int]) -> list[str]:
    """Takes from ``nodes`` the one whose locals fit best (recursion gives equal keys); says what does not."""
    fits = [local_problems(graph, expected, node) for node in nodes]
    best = min(range(len(nodes)), key=lambda at: len(fits[at]))
    nodes.pop(best)
    return fits[best]


def local_problems(graph: HeapGraph, expected: dict[str, int], node: int) -> list[str]:
    """``expected`` maps names to addresses; a variable in a cell may be shown as the cell."""
    problems, found = [], dict(_locals(graph, node))
    for name, address in expected.items():
        if name not in found:
            problems.append(f"no local {name!r}")
        elif address not in found[name]:
            problems.append(f"local {name!r} is another object")
    surplus = [name for name, addresses in found.items() if name not in expected and addresses]
    return problems + [f"surplus local {name!r}" for name in surplus]


def _locals(graph: HeapGraph, node: int) -> Iterator[tuple[str, set[int]]]:
    """Each local's name with the addresses it may stand for; none for a cell that is empty."""
    for at in range(graph.first_ref[node], graph.first_ref[node + 1]):
        target = int(graph.target[at])
        if graph.kind[at] == Ref.LOCAL:
            yield _name(graph, graph.label[at]), {int(graph.address[target])}
        elif graph.kind[at] == Ref.CELL:
            yield _name(graph, graph.label[at]), set(_content(graph, target))


def _content(graph: HeapGraph, cell: int) -> Iterator[int]:
    if graph.types.name[graph.type[cell]] != "cell":
        yield int(graph.address[cell])
    for at in range(graph.first_ref[cell], graph.first_ref[cell + 1]):
        if graph.kind[at] != Ref.TYPE:
            yield int(graph.address[graph.target[at]])


def _name(graph: HeapGraph, index: int) -> str:
    return graph.names[index] if index >= 0 else ""


def _text(key: _Key) -> str:
    thread, function, file, line = key
    return f"{function} ({file}:{line}) of thread {thread!r}"
