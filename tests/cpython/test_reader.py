"""The reader on live processes: holders of every kind by name, torn memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import node_at
from leakscope.cpython import read_heap
from leakscope.errors import LeakscopeError
from leakscope.formats.checks import check
from leakscope.target.attach import capture
from leakscope.target.image import MemoryImage
from tests.cpython.torn import torn
from tests.interpreters import Interpreter, one_per_version
from tests.truth.driver import TARGETS, Target, running

TORN_IMAGES = 24


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda found: found.name)
def target(request: pytest.FixtureRequest) -> Iterator[tuple[Interpreter, Target]]:
    """One process per interpreter for all tests of this file."""
    with running(request.param.path, "holders") as process:
        yield request.param, process


@pytest.fixture(scope="module")
def image(target: tuple[Interpreter, Target]) -> MemoryImage:
    """Its memory."""
    return capture(target[1].pid)


def line_of(text: str) -> int:
    """The line of the target's source that holds ``text``."""
    lines = (TARGETS / "holders.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_every_holder_has_its_name(target: tuple[Interpreter, Target], image: MemoryImage) -> None:
    """Attribute, index, deque, slot, cell, partial, cache, task local and thread local, each read on one line."""
    graph = read_heap(image)
    index = HeapIndex(graph)
    texts = {}
    for name, address in target[1].facts["held"].items():
        (cluster,) = cluster_chains(index, node_at(graph, address))
        assert cluster.class_ == "__main__.Held"
        texts[name] = cluster.text
    for name, wanted in {
        "class": ("__main__.ByClass.registry[",),
        "index": ("__main__.MODULE_LIST[2]",),
        "deque": ("__main__.QUEUE[0]",),
        "slot": ("__main__.SLOTTED.inner",),
        "cell": ("__main__.FUNCTION", "cell 'kept'"),
        "partial": ("__main__.PARTIAL.args[0]",),
        "cache": ("__main__.remembered",),
        "task": ("waiting()", f"holders.py:{line_of('asyncio.Event().wait()')}", "local 'in_task'"),
        "thread": ("blocked()", f"holders.py:{line_of('threading.Event().wait()')}", "local 'in_thread'"),
    }.items():
        for part in wanted:
            assert part in texts[name], texts[name]


def test_data_keys_show_only_when_revealed(target: tuple[Interpreter, Target], image: MemoryImage) -> None:
    """A key of a dict that is no namespace is data."""
    address = target[1].facts["held"]["class"]
    for reveal in (False, True):
        graph = read_heap(image, reveal=reveal)
        (cluster,) = cluster_chains(HeapIndex(graph), node_at(graph, address))
        assert ("the key" in repr(cluster)) == reveal
        assert ("the key" in " ".join(graph.names)) == reveal
        (cluster,) = cluster_chains(HeapIndex(graph), node_at(graph, target[1].facts["held"]["number"]))
        assert cluster.text.startswith(f"__main__.BY_NUMBER[{'42' if reveal else '<int>'}]")


def test_torn_memory_gives_a_valid_graph_or_a_clear_error(image: MemoryImage) -> None:
    """Never a crash, a hang or an index out of range, whatever the copied words say."""
    valid = 0
    for seed in range(TORN_IMAGES):
        try:
            graph = read_heap(torn(image, seed))
        except LeakscopeError as error:
            assert error.message and error.help
        else:
            check(graph)
            valid += 1
    assert valid > TORN_IMAGES // 4
