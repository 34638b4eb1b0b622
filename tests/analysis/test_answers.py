"""Classes by what they keep, sessions, selection by class and address, and the facts of a capture."""

from __future__ import annotations

import numpy as np
import pytest

from leakscope.analysis.describe import describe
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import instances_of, node_at
from leakscope.analysis.sessions import Wanted, session_nodes, session_report
from leakscope.analysis.top import top_classes
from leakscope.errors import InputError
from leakscope.findings.model import ClassRow
from leakscope.graph.kinds import Node, Ref, Root
from leakscope.sessions.names import says_session
from tests.heaps import Heap


@pytest.fixture
def heap() -> Heap:
    return Heap()


def test_top_counts_nested_instances_once(heap: Heap) -> None:
    leaf = heap.raw("app.Node", size=10)
    branch = heap.raw("app.Node", size=10).hold(Ref.ATTR, leaf, "child")
    heap.raw("app.Node", size=10)  # garbage
    heap.frame("serve", "app.py", 1, tree=branch, blob=heap.raw("bytes", size=15))
    rows = top_classes(HeapIndex(heap.graph()), limit=10)
    assert rows == [ClassRow("app.Node", 2, 20, 20), ClassRow("bytes", 1, 15, 15)]
    assert top_classes(HeapIndex(heap.graph()), limit=1) == rows[:1]


def test_instances_by_full_name_last_part_glob_and_base(heap: Heap) -> None:
    heap.cls("app.ChatSession", base="app.Session")
    plain, chat, other = (heap.object(name) for name in ("app.Session", "app.ChatSession", "lib.Session"))
    graph = heap.graph()

    def matching(glob: str) -> set[int]:
        return set(instances_of(graph, glob).tolist())

    assert matching("app.Session") == set(graph.nodes([plain, chat]).tolist())
    assert matching("Session") == set(graph.nodes([plain, chat, other]).tolist())
    assert matching("app.Chat*") == {graph.node(chat)}
    assert matching("lib.*") == {graph.node(other)}
    classes = set(np.flatnonzero(graph.flags & Node.CLASS).tolist())
    assert not classes & matching("*")
    assert matching("type") == classes


def test_a_class_that_is_not_there_is_an_error_with_a_hint(heap: Heap) -> None:
    heap.object("app.Session")
    with pytest.raises(InputError, match=r"no class in this heap is called 'app\.Sesion'") as caught:
        instances_of(heap.graph(), "app.Sesion")
    assert "Session" in caught.value.help


def test_the_object_at_an_address(heap: Heap) -> None:
    session = heap.object("app.Session", size=48)
    graph = heap.graph()
    assert node_at(graph, graph.where(session)).tolist() == [graph.node(session)]
    with pytest.raises(InputError, match="no object begins at") as caught:
        node_at(graph, graph.where(session) + 8)
    assert f"inside a app.Session: try {graph.where(session):#x}" in caught.value.help
    for nowhere in (0, 2**64 + graph.where(session), -1):
        with pytest.raises(InputError, match="no object begins at"):
            node_at(graph, nowhere)


def test_session_report(heap: Heap) -> None:
    heap.cls("ws.Peer", base="ws.WebSocket")
    sessions = [heap.object("app.Session", size=100 + i) for i in range(3)]
    peer = heap.object("ws.Peer", size=50)
    heap.cls("app.BadSession", base="BaseException")
    heap.cls("app.StateSession", base="enum.Enum")
    others = [heap.object(name) for name in ("app.SessionManager", "app.BadSession", "app.StateSession")]
    heap.module("app", sessions=heap.list(*sessions), peer=peer, others=heap.list(*others))
    dead = heap.object("app.Session")
    graph = heap.graph()
    graph.flags[graph.node(dead)] |= Node.GARBAGE
    report = session_report(HeapIndex(graph), limit=2)
    assert report.total == 4
    # The peer's class retains itself: only its instance holds it.
    assert [(row.class_, row.count) for row in report.classes] == [("app.Session", 3), ("ws.Peer", 1)]
    assert report.classes[0].retained_bytes == 303 + 1000
    assert [(c.text, c.count) for c in report.clusters] == [
        ("app.sessions[0] -> app.Session", 3),
        ("app.peer -> ws.Peer", 1),
        ("garbage -> app.Session", 1),
    ]
    assert report.classes[0].uncollected == 1
    assert len(report.items) == 2
    for item in report.items:
        assert item.flags == ("guessed",)
        assert item.fingerprint in {cluster.fingerprint for cluster in report.clusters}
        assert (item.age_s, item.id, item.state) == (None, None, None)
    assert report.items[0].retained_bytes >= report.items[1].retained_bytes


def test_sessions_of_a_class_that_was_told_are_no_guess(heap: Heap) -> None:
    basket = heap.object("shop.Basket")
    heap.module("shop", basket=basket, session=heap.object("shop.Session"))
    report = session_report(HeapIndex(heap.graph()), Wanted("shop.Basket"))
    assert (report.total, report.items[0].class_, report.items[0].flags) == (1, "shop.Basket", ())


def test_a_heap_without_sessions(heap: Heap) -> None:
    heap.module("app")
    report = session_report(HeapIndex(heap.graph()))
    assert (report.total, report.classes, report.items, report.clusters) == (0, (), (), ())


def test_description(heap: Heap) -> None:
    heap.facts = {"pid": 42, "runtime": "cpython", "version": "3.11.7", "pause_ms": 81.5, "warnings": ["torn"]}
    garbage = heap.object("app.Session", size=70)
    heap.module("app", s=heap.object("app.Session"))
    heap.root(Root.GARBAGE, garbage)
    garbage.flags |= Node.GARBAGE
    graph = heap.graph()
    snapshot = describe(graph, "a.leakscope")
    assert (snapshot.path, snapshot.pid, snapshot.version) == ("a.leakscope", 42, "3.11.7")
    assert (snapshot.objects, snapshot.references) == (graph.objects, graph.references)
    assert (snapshot.sessions, snapshot.garbage_objects, snapshot.garbage_bytes) == (1, 1, 70)
    assert (snapshot.pause_ms, snapshot.copied_bytes, snapshot.warnings) == (81.5, None, ("torn",))


def test_facts_of_a_wrong_type_are_unknown(heap: Heap) -> None:
    heap.facts = {"pid": "42", "version": 3, "pause_ms": True, "warnings": "x"}
    snapshot = describe(heap.graph(), None)
    assert (snapshot.pid, snapshot.version, snapshot.pause_ms, snapshot.warnings) == (None, "unknown", None, ())
    assert len(session_nodes(heap.graph())) == 0


SESSIONS = """
aiohttp.client.ClientSession httpx.AsyncClient starlette.websockets.WebSocket app.Session PGConnection
websockets.legacy.server.WebSocketServerProtocol sqlalchemy.orm.session.Session sqlite3.Connection
psycopg2.extensions.connection http.client.HTTPConnection tornado.websocket.WebSocketHandler redis.Redis2Client
uvicorn.protocols.websockets.websockets_impl.WebSocketProtocol app.user_session app.make.<locals>.Session
h2.connection.H2Connection websockets.asyncio.server.ServerConnection app.Websocket app.Session2
"""
OTHERS = """
app.SessionManager SessionMiddleware ConnectionPool ConnectionError ClientConfig SessionFactory
sqlalchemy.orm.session.sessionmaker sqlalchemy.orm.scoping.scoped_session app.Obsession SessionState
WebSocketState WebSocketDisconnect websockets.server.WebSocketServer app.Sessions ClientTimeout session.Thing
dict _ app.Socket app.Web redis.client.Pipeline http.client.HTTPResponse 42
"""


@pytest.mark.parametrize("name", SESSIONS.split())
def test_names_that_say_session(name: str) -> None:
    assert says_session(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_names_that_do_not(name: str) -> None:
    assert not says_session(name)
