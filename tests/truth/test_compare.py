"""The comparison itself: each kind of difference, made on purpose, is seen and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from leakscope.graph.heap import Frames, HeapGraph, Labels, Roots, Types
from leakscope.graph.kinds import Node, Ref, Root
from tests.truth.compare import Report, compare
from tests.truth.truth_file import TrueType, Truth

# A list at 0x100 holds a text at 0x200 and itself; their types at 0x300 and 0x500; the frame at 0x400 is no object.
NAMES = ["run", "app.py", "items", "MainThread"]
TRUTH = Truth(
    address=np.array([0x100, 0x200, 0x300, 0x500], np.uint64),
    type=np.array([0x300, 0x500, 0x700, 0x700], np.uint64),
    size=np.array([72, 50, 400, 408]),
    tracked=np.array([True, False, False, False]),
    source=np.array([0, 0, 0]),
    target=np.array([0x100, 0x200, 0x200], np.uint64),
    types={
        0x300: TrueType("list", has_gc=True, has_builtin_size=True),
        0x500: TrueType("str", has_gc=False, has_builtin_size=True),
        0x700: TrueType("type", has_gc=True, has_builtin_size=False),
    },
    threads=[
        {
            "name": "MainThread",
            "frames": [
                {"function": "tell", "file": "inside.py", "line": 9, "own": True},
                {"function": "run", "file": "app.py", "line": 7, "own": False, "locals": {"items": 0x100}},
            ],
        }
    ],
)


def _ints(*values: int) -> Any:
    return np.array(values, np.int32)


def _bytes(*values: int) -> Any:
    return np.array(values, np.uint8)


def _graph() -> HeapGraph:
    """What a perfect reader makes of TRUTH: it also knows the frame, and each object's type."""
    return HeapGraph(
        address=np.array([0x100, 0x200, 0x300, 0x400, 0x500], np.uint64),
        type=_ints(0, 1, 2, 3, 2),
        own_size=np.array([72, 50, 400, 0, 408]),
        flags=_bytes(Node.GC_TRACKED, 0, Node.CLASS, Node.FRAME, Node.CLASS),
        first_ref=np.array([0, 3, 3, 3, 4, 4]),
        target=_ints(0, 1, 2, 0),
        kind=_bytes(Ref.INDEX, Ref.INDEX, Ref.TYPE, Ref.LOCAL),
        label=_ints(0, 1, -1, 2),
        types=_types(),
        names=NAMES,
        labels=Labels(_ints(), _ints()),
        frames=Frames(_ints(3), _ints(0), _ints(1), _ints(7), _bytes(0)),
        roots=Roots(_ints(3), _bytes(Root.FRAME), _ints(3), _bytes(0)),
    )


def _types() -> Types:
    names = ["list", "str", "type", "(frame)"]
    return Types(names, node=_ints(2, 4, -1, -1), base=_ints(-1, -1, -1, -1), origin=_bytes(0, 0, 0, 0))


def _compare(**changes: Any) -> Report:
    return compare(replace(_graph(), **changes), TRUTH)


def test_a_perfect_reading() -> None:
    """Nothing to report; the pair that is held twice counts once."""
    report = _compare()
    assert (report.overall.true, report.overall.missed, report.overall.extra) == (2, 0, 0)
    assert (report.frames.true, report.frames.locals, report.frames.problems) == (1, 1, [])
    counters = [report.missing_tracked, report.missing_untracked, report.wrong_types, report.wrong_sizes]
    assert not any([*counters, report.misses, report.extras, report.beyond, report.garbage, report.unknown_objects])


def test_missing_objects() -> None:
    """By whether gc tracks them; a frame at an object's address is none."""
    report = _compare(address=np.array([0x108, 0x208, 0x300, 0x400, 0x500], np.uint64))
    assert report.missing_tracked == {"list": 1}
    assert report.missing_untracked == {"str": 1}
    assert report.unknown_objects == {"list": 1, "str": 1}
    assert _compare(flags=_bytes(Node.FRAME, 0, 0, Node.FRAME, 0)).missing_tracked == {"list": 1}


def test_wrong_types_and_sizes() -> None:
    """With the true name first, and an example."""
    assert _compare(type=_ints(1, 1, 2, 3, 2)).wrong_types == {("list", "str"): 1}
    report = _compare(own_size=np.array([73, 50, 401, 0, 408]))
    assert report.wrong_sizes == {"list": 1, "type": 1}
    assert report.wrong_builtin_sizes == {"list": 1}
    assert report.size_examples["list"] == (0x100, 72, 73)


def test_live_objects_called_garbage() -> None:
    """By type."""
    assert _compare(flags=_bytes(Node.GARBAGE, 0, 0, Node.FRAME, 0)).garbage == {"list": 1}


def test_missed_and_added_references() -> None:
    """A list's items are exact; types count only where the collector sees them."""
    report = _compare(target=_ints(0, 0, 2, 0))
    assert report.misses == {("list", "str"): 1}
    assert (report.overall.recall, report.overall.precision) == (0.5, 1.0)
    report = _compare(target=_ints(0, 2, 1, 0))
    assert report.extras == {("list", "INDEX", "type"): 1}
    assert report.overall.precision == 2 / 3


def test_weak_references_do_not_count() -> None:
    """Neither as found nor as added."""
    report = _compare(kind=_bytes(Ref.INDEX, Ref.WEAK, Ref.WEAK, Ref.LOCAL))
    assert report.misses == {("list", "str"): 1}
    assert not report.extras


def test_what_no_traverse_would_tell() -> None:
    """A text in a C field may be true; the truth cannot confirm it, so it is listed apart."""
    truth = replace(TRUTH, source=TRUTH.source[:1], target=TRUTH.target[:1])
    graph = replace(_graph(), kind=_bytes(Ref.INDEX, Ref.C_FIELD, Ref.TYPE, Ref.LOCAL), label=_ints(0, 24, -1, 2))
    report = compare(graph, truth)
    assert report.beyond == {("list", "C_FIELD +24", "str"): 1}
    assert not report.extras
    assert compare(_graph(), truth).extras == {("list", "INDEX", "str"): 1}


def test_frames_that_differ() -> None:
    """Another line or thread is a frame missing and one added; locals by name and by target."""
    frames = _graph().frames
    assert len(_compare(frames=replace(frames, line=_ints(8))).frames.problems) == 2
    assert len(_compare(names=["run", "app.py", "items", "Thread-1"]).frames.problems) == 2
    assert _compare(target=_ints(0, 1, 2, 1)).frames.problems == [
        "run (app.py:7) of thread 'MainThread': local 'items' is another object"
    ]
    renamed = _compare(names=["run", "app.py", "other", "MainThread"]).frames.problems
    assert [line.rpartition(": ")[2] for line in renamed] == ["no local 'items'", "surplus local 'other'"]
