"""Memory that is not as glibc and pymalloc leave it: other C libraries and allocators, huge pages, shared memory.

What is found there is compared with what the collector itself knows, or with what the target says it keeps.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.cpython.reader import read_heap
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Root
from leakscope.target.attach import capture
from leakscope.target.image import MemoryImage
from tests.interpreters import Interpreter, one_per_version
from tests.musl import LOADER, musl_python
from tests.musl import VERSIONS as ON_MUSL
from tests.truth.compare import Report, measure

from .support import PROGRAMS, SUPPORTED, Target, running

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
JEMALLOC, MIMALLOC = LIBRARIES / "libjemalloc.so.2", LIBRARIES / "libmimalloc.so.2"
GOAL = 0.999
KEPT = 1000
HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
ENOUGH_HUGE_PAGES = 24


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, **variables}


def counts(graph: HeapGraph) -> Counter[str]:
    """Live objects by class."""
    live = graph.type[(graph.flags & Node.GARBAGE) == 0]
    return Counter(graph.types.name[row] for row in live)


def world(target: Target) -> tuple[MemoryImage, HeapGraph]:
    """The heap of ``world.py``, after checking that all it keeps is there and held by what holds it."""
    image = capture(target.pid)
    graph = read_heap(image)
    found = counts(graph)
    assert (found["__main__.WorldSession"], found["__main__.OfThread"]) == (KEPT, 1)
    names = {graph.names[name] for name in graph.roots.name[graph.roots.kind == Root.FRAME]}
    assert "world thread" in names
    return image, graph


def assert_exact(report: Report) -> None:
    """Every object that the interpreter knows of is there; references as good as elsewhere."""
    assert report.tracked > 10_000
    assert not report.missing_tracked
    assert sum(report.missing_untracked.values()) <= 1
    assert not report.wrong_types
    assert not report.wrong_builtin_sizes
    assert not report.frames.problems
    assert report.overall.recall >= GOAL and report.overall.precision >= GOAL


@pytest.mark.parametrize(
    ("python", "allocator", "preload"),
    [("3.11", "malloc", JEMALLOC), ("3.13", "malloc", MIMALLOC), ("3.10", "debug", None)],
)
def test_other_allocators_against_the_collector(
    python: str, allocator: str, preload: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """jemalloc and mimalloc in place of pymalloc as well, and the hooks of ``-X dev``."""
    interpreter = next(each for each in one_per_version() if each.name.startswith(f"{python}."))
    for name, value in allocating(allocator, preload).items():
        monkeypatch.setenv(name, value)
    assert_exact(measure(interpreter.path, "zoo")[0])


@pytest.mark.parametrize(
    ("python", "allocator", "preload"),
    [("3.12", "pymalloc", MIMALLOC), ("3.12", "malloc", JEMALLOC), ("3.13", "mimalloc", None), ("3.11", "debug", None)],
)
def test_other_allocators(python: str, allocator: str, preload: Path | None) -> None:
    """The same, beside pymalloc, and the mimalloc that CPython 3.13 has itself."""
    interpreter = next(each for each in one_per_version() if each.name.startswith(f"{python}."))
    with running(interpreter.path, "world.py", env=environment(**allocating(allocator, preload))) as target:
        assert preload is None or str(preload.resolve()) in Path(f"/proc/{target.pid}/maps").read_text()
        world(target)


def allocating(allocator: str, preload: Path | None) -> dict[str, str]:
    """What to set in the environment of a Python."""
    if preload is None:
        return {"PYTHONMALLOC": allocator}
    assert preload.exists(), f"{preload} is missing: apt-get install libjemalloc2 libmimalloc2.0"
    return {"PYTHONMALLOC": allocator, "LD_PRELOAD": str(preload)}


def test_musl_against_the_collector() -> None:
    interpreter = next(each for each in one_per_version() if each.version[:2] == (3, 10))
    assert_exact(measure(musl_python(interpreter), "zoo")[0])


@pytest.mark.parametrize("version", ON_MUSL, ids=lambda version: ".".join(map(str, version)))
def test_musl(version: tuple[int, int]) -> None:
    """Of each thread's stack the kernel makes one mapping with the heap above it."""
    interpreter = next(each for each in one_per_version() if each.version[:2] == version)
    with running(musl_python(interpreter), "world.py") as target:
        assert str(LOADER.resolve()) in Path(f"/proc/{target.pid}/maps").read_text()
        image, _ = world(target)
    assert image.version.startswith(".".join(map(str, version)))
    for stood, (start, end) in zip(image.threads[1:], image.stacks[1:], strict=True):
        assert start < stood.stack_pointer < stood.thread_pointer < end < stood.stack_pointer + (1 << 20)


@contextmanager
def huge_pages() -> Iterator[None]:
    """Some, as far as the kernel lets us have them: glibc does without where it does not."""
    try:
        before = HUGE_PAGES.read_text()
        HUGE_PAGES.write_text(str(ENOUGH_HUGE_PAGES))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        HUGE_PAGES.write_text(before)


@pytest.mark.parametrize("kind", [1, 2], ids=["transparent", "hugetlb"])
def test_huge_pages(kind: int) -> None:
    """By ``madvise``, and from the pool of hugetlbfs, whose mappings have a file's name."""
    tunables = {"GLIBC_TUNABLES": f"glibc.malloc.hugetlb={kind}", "PYTHONMALLOC": "malloc"}
    with huge_pages():
        had = int(HUGE_PAGES.read_text())
        with running(SUPPORTED[-1], "world.py", env=environment(**tunables)) as target:
            maps = Path(f"/proc/{target.pid}/maps").read_text()
            image, _ = world(target)
    assert (kind == 2 and had >= ENOUGH_HUGE_PAGES) == ("/anon_hugepage" in maps)
    assert not image.facts.warnings


def test_large_shared_memory_is_left_out_and_told() -> None:
    """Nothing of it is copied: it may be the whole cache of a database."""
    code = (
        "import mmap; shared = mmap.mmap(-1, 64 << 20); shared.write(b'x' * len(shared));"
        f"import runpy; runpy.run_path({str(PROGRAMS / 'world.py')!r}, run_name='__main__')"
    )
    target = Target([str(SUPPORTED[-1]), "-c", code])
    try:
        image, _ = world(target)
    finally:
        target.end()
    assert image.facts.copied_bytes < 48 << 20
    (note,) = image.facts.warnings
    assert note.startswith(f"{64 << 20} bytes of memory that is shared with other processes (/dev/zero)")


@pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
def test_interpreters_within_the_process(interpreter: Interpreter) -> None:
    """What each keeps is found and held by the module that holds it; from 3.12 on each has its own allocator."""
    with running(interpreter.path, "world.py", "interpreters") as target:
        _, graph = world(target)
    assert counts(graph)["__main__.Inner"] == 37 + 53
    inner = {row for row, name in enumerate(graph.types.name) if name == "__main__.Inner"}
    nodes = np.flatnonzero(np.isin(graph.type, list(inner))).astype(np.int32)
    clusters = cluster_chains(HeapIndex(graph), nodes)
    assert sorted((cluster.text.partition("[")[0], cluster.count) for cluster in clusters) == [
        ("kept_first.things", 37),
        ("kept_second.things", 53),
    ]
