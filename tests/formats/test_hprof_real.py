"""Heap dumps that real JVMs write, read and compared with what the JVM says itself."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import instances_of
from leakscope.formats.checks import check
from leakscope.formats.dumps import load_dump, recognised
from leakscope.formats.hprof.origins import written
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node
from tests.analysis import oracles
from tests.cli.support import leakscope
from tests.formats.java import Program

LAYOUTS = {
    "compressed": ((), 4),
    "plain": (("-XX:-UseCompressedOops",), 8),
    "wide": (("-XX:-UseCompressedOops", "-XX:-UseCompressedClassPointers"), 8),
}
HELD = 20
NOT_EXACT = ("java.lang.ref.Finalizer$FinalizerThread", "jdk.internal.misc.InnocuousThread")
"""One thread each, 8 bytes off: what the JVM adds to threads stands behind their fields, and theirs end oddly."""


@dataclass
class Taken:
    """A dump of a shop, and what its JVM said of the same heap."""

    path: Path
    histogram: dict[str, tuple[int, int]]
    reference: int

    @property
    def graph(self) -> HeapGraph:
        kind = recognised(self.path)
        assert kind is not None
        graph, _ = load_dump(self.path, kind)
        check(graph)
        return graph


@pytest.fixture(scope="module", params=LAYOUTS)
def taken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    options, reference = LAYOUTS[request.param]
    path = tmp_path_factory.mktemp("jvm") / "shop.hprof"
    with Program("Shop", options) as shop:
        for line in (f"leak {2 * HELD}", f"hold {HELD}", f"listen {HELD}", f"remember {HELD}", "work 500"):
            shop.do(line)
        yield Taken(shop.dump(path), shop.histogram(), reference)


def asked(*arguments: object) -> Any:
    done = leakscope(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_objects_are_as_many_and_as_large_as_the_jvm_says(taken: Taken) -> None:
    graph = taken.graph
    assert graph.facts["reference_bytes"] == taken.reference
    counts = np.bincount(graph.type, minlength=len(graph.types.name))
    sizes = np.bincount(graph.type, weights=graph.own_size, minlength=len(graph.types.name)).astype(int)
    found = dict(zip(graph.types.name, zip(counts.tolist(), sizes.tolist(), strict=True), strict=True))
    compared = 0
    for name, (count, size) in taken.histogram.items():
        row = found.get(written(name.replace(".", "/")) if name.startswith("[") else name, (0, 0))
        # The histogram is of a moment later.
        if row[0] == count and name not in NOT_EXACT:
            assert row == (count, size), name
            compared += 1
    assert compared > 200
    assert found["Shop$Session"] == taken.histogram["Shop$Session"]


def test_retained_sizes_are_those_found_by_deleting(taken: Taken) -> None:
    graph = taken.graph
    index = HeapIndex(graph)
    largest = np.argsort(index.retained)[-3:].tolist()
    for node in [*largest, *random.Random(1).sample(np.flatnonzero(index.live).tolist(), 3)]:
        assert index.retained[node] == oracles.retained(graph, [node])
    assert set(np.flatnonzero(index.live).tolist()) == oracles.alive(graph)


def test_every_way_of_being_held_is_named_with_exact_counts(taken: Taken) -> None:
    clusters = asked("chains", taken.path, "--class", "Shop$Session")["clusters"]
    held = {(each["text"].partition("[")[0].partition(" ->")[0], each["count"]) for each in clusters}
    assert {("Shop.BY_ID", 3 * HELD), ("Shop.LISTENERS", HELD), ("Shop.registry.open", HELD)} <= held
    assert sum(each["count"] for each in clusters) == len(instances_of(taken.graph, "Shop$Session"))


def test_sessions_that_are_closed_and_still_held_are_suspects(taken: Taken) -> None:
    first, second = asked("suspects", taken.path)["suspects"][:2]
    assert (first["kind"], first["class"], first["count"]) == ("class container", "Shop$Session", 2 * HELD)
    assert (second["kind"], second["count"]) == ("listener list", HELD)


def test_what_no_root_reaches_is_garbage(tmp_path: Path) -> None:
    with Program("Shop", ("-XX:+UseSerialGC", "-Xmn32m")) as shop:
        shop.do("work 50")
        whole, alive = shop.dump(tmp_path / "whole.hprof", "-all"), shop.dump(tmp_path / "alive.hprof.gz", "-gz=1")
    left = {}
    for path in (whole, alive):
        kind = recognised(path)
        assert kind is not None
        graph, _ = load_dump(path, kind)
        sessions = instances_of(graph, "Shop$Session")
        left[path.name] = len(sessions), int((graph.flags[sessions] & Node.GARBAGE == 0).sum())
    assert left["whole.hprof"][0] >= 50
    # The frame of ``main`` still has the one that is current.
    assert left["whole.hprof"][1] == left["alive.hprof.gz"][1] == left["alive.hprof.gz"][0] == 1


def test_a_dump_says_of_which_java_it_is(taken: Taken) -> None:
    version = asked("snapshot", taken.path, "-o", taken.path.with_suffix(".leakscope"))["snapshot"]["version"]
    assert version.split(".")[0].isdigit()
