"""Heaps that break what is quadratic or goes deep: read from a live process, with the right answers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import node_at
from leakscope.cpython import read_heap
from leakscope.render import text
from leakscope.render.screen import Screen
from leakscope.target.attach import captured

LINKS, KEYS, REFERRERS, NESTED = 2_000_000, 1_000_000, 1_000_000, 200_000

PROGRAM = f"""
import gc, json, sys
gc.disable()
first = last = [None]
LINKED = first
for _ in range({LINKS} - 1):
    last = [last]
LINKED = last
MANY = dict.fromkeys(range(1 << 40, (1 << 40) + {KEYS}))
SHARED = object()
REFERRERS = [(SHARED,) for _ in range({REFERRERS})]
HOLDERS = [SHARED, REFERRERS]
NESTED = innermost = ()
innermost = NESTED = (object(),)
for _ in range({NESTED} - 1):
    NESTED = (NESTED,)
size = sys.getsizeof
print(json.dumps(dict(
    linked=[id(LINKED), size(LINKED) * {LINKS}],
    deepest=[id(first), size(first)],
    many=[id(MANY), size(MANY) + {KEYS} * size(1 << 40)],
    shared=[id(SHARED), size(SHARED)],
    referrers=[id(REFERRERS), size(REFERRERS) + {REFERRERS} * size((SHARED,))],
    nested=[id(NESTED), size(NESTED) * {NESTED} + size(object())],
    innermost=[id(innermost), size(innermost) + size(object())],
)), flush=True)
del first, last, innermost
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[HeapIndex, dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as target:
        try:
            assert target.stdout is not None
            told = json.loads(target.stdout.readline())
            with captured(target.pid, "auto") as image:
                graph = read_heap(image)
        finally:
            target.kill()
    yield HeapIndex(graph), told


@pytest.mark.parametrize("name", ["linked", "deepest", "many", "shared", "referrers", "nested", "innermost"])
def test_retained_size(asked: tuple[HeapIndex, dict[str, Any]], name: str) -> None:
    index, told = asked
    address, size = told[name]
    (node,) = node_at(index.graph, address)
    assert index.retained[node] == size
    assert index.retained_of_set(node_at(index.graph, address)) == size


@pytest.mark.parametrize(
    ("name", "holder"),
    [("linked", "LINKED"), ("deepest", "LINKED"), ("shared", "SHARED"), ("many", "MANY"), ("innermost", "NESTED")],
)
def test_chain(asked: tuple[HeapIndex, dict[str, Any]], name: str, holder: str) -> None:
    index, told = asked
    (cluster,) = cluster_chains(index, node_at(index.graph, told[name][0]))
    shown = text.chains([cluster], Screen(width=100, color=False))
    assert holder in shown and len(shown) < 10_000


def test_all_at_once(asked: tuple[HeapIndex, dict[str, Any]]) -> None:
    """Chains of a million objects that hold one."""
    index, told = asked
    (node,) = node_at(index.graph, told["referrers"][0])
    graph = index.graph
    items = graph.target[graph.first_ref[node] : graph.first_ref[node + 1]]
    (cluster,) = cluster_chains(index, items)
    assert cluster.count == REFERRERS
