"""What pools have lent, who holds it, and what a leak keeps open; whatever the facts of a foreign file say."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.analysis.index import HeapIndex
from leakscope.analysis.pools import lent_objects, pool_uses
from leakscope.analysis.resources import Resources
from leakscope.graph.kinds import Fact, Node, Origin, Root
from tests.heaps import Graph, Heap, Thing, Told

POOL = "sqlalchemy.pool.impl.QueuePool"
SOCKET = "_socket.socket"


class Service:
    """A module with a list of clients, each with a socket and a connection of one pool."""

    def __init__(self, clients: int, shared: bool = False) -> None:
        self.heap = heap = Heap()
        for name in ("app.Client", "app.Service", POOL, "lib.Lease"):
            heap.cls(name, origin=Origin.USER)
        self.pool, self.socket = heap.object(POOL), heap.object(SOCKET)
        self.sockets = [self.socket] if shared else [heap.object(SOCKET) for _ in range(clients)]
        self.lent = [heap.object("lib.Lease", pool=self.pool) for _ in range(clients)]
        self.clients = [
            heap.object("app.Client", transport=self.sockets[0 if shared else at], lease=self.lent[at])
            for at in range(clients)
        ]
        self.list = heap.list(*self.clients)
        heap.root(Root.MODULE, heap.module("app", CLIENTS=self.list, POOL=self.pool), "app")

    def graph(self, taken: int | None = 0, idle: int | None = 0, limit: int | None = None) -> Graph:
        """With the facts that a capture tells."""
        graph = self.heap.graph()
        graph.facts.update(
            pools={
                "node": [graph.node(self.pool)],
                "taken": [taken],
                "idle": [idle],
                "limit": [limit],
                "lent": graph.nodes(self.lent).tolist(),
                "lent_by": [graph.node(self.pool)] * len(self.lent),
            },
            process={
                "descriptor_objects": {
                    "states": ["CLOSE_WAIT", "files"],
                    "node": graph.nodes(self.sockets).tolist(),
                    "state": [0] * len(self.sockets),
                    "unowned": {"files": 1},
                }
            },
        )
        return graph


def lines(graph: Graph, *containers: Thing, count: int) -> list[str]:
    return Resources(HeapIndex(graph)).lines(graph.nodes(containers), count)


def test_a_pool_says_what_it_has_lent_and_to_whom() -> None:
    graph = Service(3).graph(taken=3, idle=0, limit=3)
    (use,) = pool_uses(HeapIndex(graph))
    assert (use.class_, use.taken, use.idle, use.limit, use.exhausted) == (POOL, 3, 0, 3, True)
    assert use.held_by == {"app.Client": 3}


@pytest.mark.parametrize(("taken", "limit"), [(None, 3), (3, None), (2, 3), (0, 0)])
def test_a_pool_of_which_too_little_is_known_is_not_exhausted(taken: int | None, limit: int | None) -> None:
    (use,) = pool_uses(HeapIndex(Service(3).graph(taken=taken, limit=limit)))
    assert not use.exhausted


def test_what_lies_in_its_pool_is_not_lent() -> None:
    service = Service(3)
    for number, lent in enumerate(service.lent):
        service.heap.session(lent, Told(facts=int(Fact.HEALTHY) if number else 0))
    graph = service.graph(taken=1)
    assert lent_objects(graph)[0].tolist() == [graph.node(service.lent[0])]


def test_a_pool_that_only_awaits_its_collection_is_left_out() -> None:
    service = Service(2)
    graph = service.graph(taken=1)
    assert len(pool_uses(HeapIndex(graph))) == 1
    graph.flags[graph.node(service.pool)] |= Node.GARBAGE
    assert pool_uses(HeapIndex(graph)) == ()


def test_each_entry_keeps_its_own() -> None:
    service = Service(4)
    assert lines(service.graph(taken=4, limit=4), service.list, count=4) == [
        "the same container keeps 4 sockets open: 4 CLOSE_WAIT",
        f"the same container keeps 4 connections checked out of {POOL}, which has lent 4 of 4; it is exhausted",
    ]


def test_what_all_entries_share_is_no_evidence() -> None:
    service = Service(4, shared=True)
    assert [line for line in lines(service.graph(), service.list, count=4) if "socket" in line] == []


def test_few_among_many_are_no_evidence() -> None:
    service = Service(4)
    assert lines(service.graph(taken=4), service.list, count=9) == []
    assert lines(service.graph(taken=4), count=4) == []
    alone = Service(1)
    assert lines(alone.graph(taken=1), alone.list, count=1) == []


@pytest.mark.parametrize(
    "odd",
    [None, [], "text", {"node": 5}, {"node": [-1, 1 << 40, "0", True], "taken": [1], "lent": [0], "lent_by": [0]}],
)
def test_facts_of_a_foreign_file_are_not_trusted(odd: Any) -> None:
    service = Service(3)
    graph = service.graph()
    graph.facts["pools"] = odd
    graph.facts["process"] = odd
    assert pool_uses(HeapIndex(graph)) == ()
    assert lines(graph, service.list, count=3) == []


def test_counters_that_are_no_numbers_are_unknown() -> None:
    graph = Service(2).graph()
    graph.facts["pools"].update(taken=["many"], idle=[-1], limit=[True])
    (use,) = pool_uses(HeapIndex(graph))
    assert (use.taken, use.idle, use.limit) == (None, None, None)
