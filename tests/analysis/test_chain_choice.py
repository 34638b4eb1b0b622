"""Which chain is chosen when there are several, and which ways are no chains."""

from __future__ import annotations

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.findings.model import Cluster
from leakscope.graph.kinds import Node, Origin, Ref, Root
from tests.heaps import Heap, Thing


@pytest.fixture
def heap() -> Heap:
    return Heap()


def clusters(heap: Heap, *things: Thing, limit: int = 20) -> list[Cluster]:
    graph = heap.graph()
    return cluster_chains(HeapIndex(graph), graph.nodes(things), limit)


def texts(heap: Heap, *things: Thing) -> list[str]:
    return [found.text for found in clusters(heap, *things)]


def test_holders_are_preferred_in_the_order_of_the_design(heap: Heap) -> None:
    session = heap.object("app.Session")
    holders = [
        heap.module("app", a=heap.object("app.A", b=session)),  # further away than all others
        heap.frame("serve", "app.py", 1, s=session),
        heap.module("lib", Origin.THIRD_PARTY, s=session),
        heap.frame("call", "lib.py", 1, Origin.THIRD_PARTY, s=session),
        heap.module("asyncio", Origin.STDLIB, s=session),
        heap.frame("run", "asyncio.py", 1, Origin.STDLIB, s=session),
        heap.root(Root.THREAD, heap.list(session), "T"),
        heap.root(Root.C_GLOBAL, heap.list(session), "libfoo.so"),
        heap.root(Root.C_STACK, heap.list(session), "T"),
        heap.root(Root.C_UNSEEN, heap.list(session)),
    ]
    expected = ["module", "frame", "module", "frame", "module", "frame", "thread", "c global", "c stack", "c code"]
    for position, kind in enumerate(expected):
        (found,) = clusters(heap, session)
        assert found.root.kind == kind
        assert found.root.name in ("app", "serve", "lib", "call", "asyncio", "run", "T", "libfoo.so", "T", "")
        heap.root_rows = [row for row in heap.root_rows if row[0] is not holders[position]]
    (found,) = clusters(heap, session)
    assert found.root.kind == "garbage"


def test_within_a_tier_the_shortest_way_wins(heap: Heap) -> None:
    session = heap.object("app.Session")
    heap.module("a", far=heap.list(heap.list(session)))
    heap.module("b", near=session)
    assert texts(heap, session) == ["b.near -> app.Session"]


def test_an_instance_dict_is_no_step_longer_than_inline_values(heap: Heap) -> None:
    session = heap.object("app.Session")
    heap.module("a", x=heap.object("app.Holder", session=session))
    heap.module("b", y=heap.object("app.Holder", inline=True, session=session))
    assert texts(heap, session) == ["a.x.session -> app.Session"]


def test_weak_references_hold_nothing(heap: Heap) -> None:
    session = heap.object("app.Session")
    heap.module("app", ref=heap.raw("weakref.ReferenceType").hold(Ref.WEAK, session))
    heap.frame("serve", "app.py", 3, session=session)
    assert texts(heap, session) == ["frame serve() at app.py:3, local 'session' -> app.Session"]


def test_modules_classes_and_frames_are_not_passed(heap: Heap) -> None:
    session = heap.object("lib.Session")
    lib = heap.module("lib", Origin.THIRD_PARTY, session=session)
    registry = heap.cls("lib.Registry", origin=Origin.THIRD_PARTY, last=session)
    frame = heap.frame("poll", "lib.py", 5, Origin.THIRD_PARTY, session=session)
    heap.module("app", lib=lib, Registry=registry, current=heap.fields("frame", f_back=frame))
    assert texts(heap, session) == ["lib.session -> lib.Session"]


@pytest.mark.parametrize("origin", list(Origin))
def test_a_frame_that_its_thread_holds_twice_is_still_a_frame(heap: Heap, origin: Origin) -> None:
    session = heap.object("app.Session")
    heap.root(Root.THREAD, heap.frame("serve", "app.py", 3, origin, session=session), "T")
    assert texts(heap, session) == ["frame serve() at app.py:3, local 'session' -> app.Session"]


def test_the_globals_of_a_function_belong_to_its_module(heap: Heap) -> None:
    session = heap.object("app.Session")
    lib = heap.module("lib", Origin.STDLIB, session=session)
    namespace = lib.refs[0][1]
    heap.module("app", f=heap.fields("function", __globals__=namespace))
    assert texts(heap, session) == ["lib.session -> app.Session"]


def test_the_globals_of_a_function_are_no_way_to_its_module_either(heap: Heap) -> None:
    plugin = heap.module("plugin", Origin.STDLIB)
    lib = heap.module("lib", Origin.STDLIB, plugin=plugin)
    heap.module("app", f=heap.fields("function", __globals__=lib.refs[0][1]))
    assert texts(heap, plugin) == ["lib.plugin -> module"]
    session = heap.object("app.Session")
    plugin.hold(Ref.DICT, heap.raw("dict").hold(Ref.GLOBAL, session, "session"))
    assert sorted(texts(heap, plugin, session)) == ["another module.session -> app.Session", "lib.plugin -> module"]


def test_the_class_of_an_instance_is_no_way_to_it(heap: Heap) -> None:
    meta = heap.object("app.Meta")
    local_class = heap.raw("app.Meta", flags=Node.CLASS)  # a class that the table of types does not know
    heap.module("app", x=heap.raw("app.X").hold(Ref.TYPE, local_class), meta=meta)
    heap.root(Root.C_UNSEEN, local_class)
    assert texts(heap, local_class) == ["C code that leakscope does not read -> app.Meta"]


def test_an_object_that_only_its_instances_hold_as_class_is_found_all_the_same(heap: Heap) -> None:
    local_class = heap.raw("app.Meta", flags=Node.CLASS)
    heap.module("app", x=heap.raw("app.X").hold(Ref.TYPE, local_class))
    assert texts(heap, local_class) == ["unknown -> app.Meta"]


def test_a_class_that_only_garbage_holds_begins_no_chain(heap: Heap) -> None:
    session = heap.object("app.Session")
    heap.cls("app.Session", last=session)
    assert texts(heap, session) == ["garbage -> app.Session"]


def test_garbage_is_clustered_and_counts_its_own_size(heap: Heap) -> None:
    sessions = [heap.object("app.Session", size=10) for _ in range(3)]
    heap.root(Root.GARBAGE, sessions[0])
    (found,) = clusters(heap, *sessions)
    assert (found.count, found.retained_bytes, found.text) == (3, 30, "garbage -> app.Session")


def test_a_chain_avoids_other_sessions_even_if_that_is_longer(heap: Heap) -> None:
    a, b = heap.object("app.Session"), heap.object("app.Session")
    a.hold(Ref.ATTR, b, "peer")
    heap.module("app", a=a, far=heap.object("app.Far", x=heap.object("app.Far", b=b)))
    assert sorted(texts(heap, a, b)) == ["app.a -> app.Session", "app.far.x.b -> app.Session"]


def test_a_chain_is_cut_at_another_session_where_there_is_no_other_way(heap: Heap) -> None:
    first = last = heap.object("app.Session", size=10)
    things = [first]
    for _ in range(50):
        nxt = heap.object("app.Session", size=10)
        last.hold(Ref.DICT, heap.raw("dict").hold(Ref.ATTR, nxt, "peer"))
        last = nxt
        things.append(nxt)
    heap.module("app", current=first)
    found = {cluster.text: cluster for cluster in clusters(heap, *things)}
    assert {text: cluster.count for text, cluster in found.items()} == {
        "app.current -> app.Session": 1,
        "another app.Session.peer -> app.Session": 50,
    }
    assert found["another app.Session.peer -> app.Session"].root.kind == "session"


def test_sessions_that_hold_each_other_are_cut_at_each_other(heap: Heap) -> None:
    a, b = heap.object("app.A"), heap.object("app.B")
    a.hold(Ref.ATTR, b, "b")
    b.hold(Ref.ATTR, a, "a")
    heap.module("app", entry=a)
    assert sorted(texts(heap, a, b)) == ["another app.A.b -> app.B", "app.entry -> app.A"]


def test_clusters_count_all_and_retain_exactly_what_would_be_freed(heap: Heap) -> None:
    shared = heap.raw("bytes", size=1000)
    cached = [heap.object("app.Session", size=10).hold(Ref.ATTR, shared, "blob") for _ in range(4)]
    heap.module("app", cache=heap.dict({f"#{i}": s for i, s in enumerate(cached)}))
    framed = heap.object("app.Session", size=500)
    heap.frame("serve", "app.py", 42, session=framed)
    found = clusters(heap, *cached, framed)
    assert [(c.count, c.retained_bytes) for c in found] == [(4, 1040), (1, 500)]
    assert len(found[0].sample_addresses) == 4


def test_at_most_limit_clusters_and_the_most_retained_of_them(heap: Heap) -> None:
    sessions = [heap.object(f"app.Session{i}", size=100 - i) for i in range(9)]
    heap.module("app", **{f"s{i}": session for i, session in enumerate(sessions)})
    assert [c.class_ for c in clusters(heap, *sessions, limit=2)] == ["app.Session0", "app.Session1"]
    assert clusters(heap, *sessions, limit=0) == []
    assert clusters(heap) == []


def test_more_than_one_class_in_one_holder_is_more_than_one_cluster(heap: Heap) -> None:
    a, b = heap.object("app.A"), heap.object("app.B")
    heap.module("app", all=heap.list(a, b))
    assert sorted(texts(heap, a, b)) == ["app.all[0] -> app.A", "app.all[1] -> app.B"]
