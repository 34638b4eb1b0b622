"""The own heap from inside and the same process from outside: the same chains, and so the same fingerprints."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import instances_of
from leakscope.cpython import read_heap
from leakscope.findings.model import Cluster
from leakscope.formats.leakscope_file import load
from leakscope.graph.heap import HeapGraph
from leakscope.target.attach import capture

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "programs" / "twin.py"
WAYS = {
    "ByClass": "__main__.Box.registry['#37b1b2e85a59']",
    "ByAttribute": "__main__.BOX.inner",
    "ByIndex": "__main__.BOX.many[1]",
    "BySlot": "__main__.SLOTTED.inner",
    "ByCell": "__main__.FUNCTION",
    "ByGenerator": "__main__.GENERATOR",
    "ByPartial": "__main__.PARTIAL.args[0]",
    "ByDeque": "__main__.QUEUE[0]",
    "BySet": "__main__.SET, member",
    "ByError": "__main__.ERRORS[0] -> ValueError.__traceback__",
    "ByThread": "frame work() at ",
}
"""What a chain to the object of each class begins with."""


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HeapGraph, HeapGraph]]:
    """The graph from inside, saved and loaded again, and the one from outside."""
    path = tmp_path_factory.mktemp("twin") / "own.leakscope"
    with subprocess.Popen(
        [sys.executable, PROGRAM, path],
        env={"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        outside = read_heap(capture(process.pid))
        process.stdin.write("\n")
        process.stdin.close()
    yield load(path), outside


def chain(graph: HeapGraph, way: str) -> Cluster:
    (found,) = cluster_chains(HeapIndex(graph), instances_of(graph, f"__main__.{way}"))
    assert found.count == 1
    return found


@pytest.mark.parametrize("way", WAYS)
def test_a_holder_is_the_same_from_both_sides(twins: tuple[HeapGraph, HeapGraph], way: str) -> None:
    inside, outside = (chain(graph, way) for graph in twins)
    assert inside.text.startswith(WAYS[way])
    assert inside.text == outside.text
    assert inside.fingerprint == outside.fingerprint


def test_classes_have_the_same_ancestors_and_owners(twins: tuple[HeapGraph, HeapGraph]) -> None:
    said = []
    for graph in twins:
        types = graph.types
        bases = {
            name: types.name[base] for name, base in zip(types.name, types.base.tolist(), strict=True) if base >= 0
        }
        origin = dict(zip(types.name, types.origin.tolist(), strict=True))
        mine = [name for name in types.name if name.startswith("__main__.")]
        said.append({name: (bases[name], origin[name]) for name in mine})
    assert said[0] == said[1]
