"""What a chain reads like: whole expected texts, one for each way in which Python and C hold objects."""

from __future__ import annotations

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.findings.model import ChainRoot, ChainStep, Cluster
from leakscope.graph.kinds import Origin, Ref, Root
from tests.heaps import Heap, Thing


@pytest.fixture
def heap() -> Heap:
    return Heap()


@pytest.fixture
def session(heap: Heap) -> Thing:
    return heap.object("app.Session", size=100)


def only(heap: Heap, *things: Thing) -> Cluster:
    graph = heap.graph()
    clusters = cluster_chains(HeapIndex(graph), graph.nodes(things))
    assert len(clusters) == 1
    return clusters[0]


def test_class_attribute_and_masked_key(heap: Heap, session: Thing) -> None:
    heap.cls("app.SessionManager", sessions=heap.dict({"#1a2b3c4d5e6f": session}))
    heap.module("app", SessionManager=heap.classes["app.SessionManager"])
    found = only(heap, session)
    assert found.text == "app.SessionManager.sessions['#1a2b3c4d5e6f'] -> app.Session"
    assert found.root == ChainRoot("class", "app.SessionManager")
    assert found.steps == (ChainStep(".sessions", "dict"), ChainStep("['#1a2b3c4d5e6f']", "app.Session"))
    assert (found.class_, found.count) == ("app.Session", 1)


def test_module_global_instance_attribute_and_list_position(heap: Heap, session: Thing) -> None:
    held = heap.list(heap.string(), session)
    heap.module("app.state", manager=heap.object("app.Manager", held=held))
    found = only(heap, session)
    assert found.text == "app.state.manager.held[1] -> app.Session"
    assert [step.type for step in found.steps] == ["app.Manager", "list", "app.Session"]


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        (("str", None), "[<str>]"),
        (("uuid.UUID", None), "[<uuid.UUID>]"),
        (("int", "42"), "[42]"),
        (("str", "'alice'"), "['alice']"),
        (("str", "alice"), "['alice']"),
        (("bytes", "#1a2b"), "['#1a2b']"),
    ],
)
def test_keys(heap: Heap, session: Thing, key: tuple[str, str | None], shown: str) -> None:
    key_thing = heap.raw(key[0])
    if key[1] is not None:
        heap.key_texts.append((key_thing, key[1]))
    heap.module("app", sessions=heap.dict({key_thing: session}))
    assert only(heap, session).text == f"app.sessions{shown} -> app.Session"


def test_running_frame(heap: Heap, session: Thing) -> None:
    heap.frame("serve", "app.py", 42, held=heap.list(*[heap.string()] * 3, session))
    found = only(heap, session)
    assert found.text == "frame serve() at app.py:42, local 'held' -> list[3] -> app.Session"
    assert found.root == ChainRoot("frame", "serve", "app.py", 42)


def test_frame_slot_that_no_local_names(heap: Heap, session: Thing) -> None:
    heap.frame("serve", "app.py", 42).hold(Ref.STACK, session, 2)
    assert only(heap, session).text == "frame serve() at app.py:42, stack slot 2 -> app.Session"


def test_closure_cell_of_a_listener(heap: Heap, session: Thing) -> None:
    heap.module("app", listeners=heap.list(heap.function("on_event", "app.py", 7, session=session)))
    found = only(heap, session)
    assert found.text == "app.listeners[0] -> function on_event() at app.py:7, cell 'session' -> app.Session"
    assert found.steps[-2] == ChainStep("[0]", "function", "on_event", "app.py", 7)


def test_cell_of_a_frame(heap: Heap, session: Thing) -> None:
    cell = heap.raw("cell").hold(Ref.INTERNAL, session, "cell_contents")
    heap.frame("serve", "app.py", 42).hold(Ref.CELL, cell, "session")
    assert only(heap, session).text == "frame serve() at app.py:42, cell 'session' -> app.Session"


def test_pending_task(heap: Heap, session: Thing) -> None:
    coroutine = heap.code("coroutine", "Chat.serve", "chat.py", 12, session=session)
    heap.module("app", tasks=heap.set(heap.fields("_asyncio.Task", task_coro=coroutine)))
    assert only(heap, session).text == (
        "app.tasks, member -> _asyncio.Task.task_coro -> coroutine Chat.serve() at chat.py:12, "
        "local 'session' -> app.Session"
    )


def test_bound_method_partial_and_lru_cache_are_shown_by_their_references(heap: Heap) -> None:
    a, b, c = (heap.object(f"app.Session{letter}") for letter in "ABC")
    cache = heap.dict({"#ab": heap.fields("functools._lru_list_elem", result=c)})
    heap.module(
        "app",
        hooks=heap.list(heap.fields("method", __self__=a)),
        later=heap.fields("functools.partial", args=heap.list(b, type="tuple")),
        lookup=heap.fields("functools._lru_cache_wrapper", cache=cache),
    )
    graph = heap.graph()
    clusters = cluster_chains(HeapIndex(graph), graph.nodes([a, b, c]))
    assert sorted(found.text for found in clusters) == [
        "app.hooks[0] -> method.__self__ -> app.SessionA",
        "app.later -> functools.partial.args[0] -> app.SessionB",
        "app.lookup -> functools._lru_cache_wrapper.cache['#ab'] -> functools._lru_list_elem.result -> app.SessionC",
    ]


def test_c_global(heap: Heap, session: Thing) -> None:
    heap.root(Root.C_GLOBAL, heap.list(session), "libfoo.so")
    found = only(heap, session)
    assert found.text == "C global in libfoo.so -> list[0] -> app.Session"
    assert found.root == ChainRoot("c global", "libfoo.so")
    assert found.steps[0] == ChainStep("held", "list")


def test_word_of_an_unknown_c_structure(heap: Heap, session: Thing) -> None:
    near = heap.raw("greenlet.greenlet").hold(Ref.C_FIELD, session, 24)
    heap.module("app", near=near, far=heap.raw("lib.Far"))
    assert only(heap, session).text == "app.near -> greenlet.greenlet, C field +24 -> app.Session"


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        (Root.THREAD, "worker-1", "thread worker-1 -> app.Session"),
        (Root.INTERPRETER, "codec_search_path", "interpreter codec_search_path -> app.Session"),
        (Root.BUILTINS, None, "builtins -> app.Session"),
        (Root.C_STACK, "MainThread", "C stack of MainThread -> app.Session"),
        (Root.C_UNSEEN, None, "C code that leakscope does not read -> app.Session"),
        (Root.GARBAGE, None, "garbage -> app.Session"),
    ],
)
def test_roots_that_are_no_name_in_code(heap: Heap, session: Thing, kind: Root, name: str | None, text: str) -> None:
    heap.root(kind, session, name)
    assert only(heap, session).text == text


def test_a_class_and_a_module_that_are_asked_for_have_holders_too(heap: Heap) -> None:
    model = heap.cls("app.Model")
    app = heap.module("app", Model=model)
    heap.module("plugin", app=app, origin=Origin.STDLIB)
    assert only(heap, model).text == "app.Model -> type"
    assert only(heap, app).text == "plugin.app -> module"


def test_a_module_that_only_sys_modules_holds_begins_its_own_chain(heap: Heap) -> None:
    found = only(heap, heap.module("app"))
    assert (found.text, found.steps) == ("app", ())


def test_key_of_a_dict(heap: Heap, session: Thing) -> None:
    heap.module("app", seen=heap.dict({session: heap.string()}))
    assert only(heap, session).text == "app.seen, key -> app.Session"


def test_a_long_list_is_shown_without_its_middle(heap: Heap, session: Thing) -> None:
    node = heap.object("app.Node", inline=True, item=session)
    for _ in range(100):
        node = heap.object("app.Node", inline=True, next=node)
    heap.module("app", head=node)
    assert only(heap, session).text == "app.head.next (and 99 more steps like it).item -> app.Session"


def test_attributes_of_a_dict_too_large_for_a_namespace(heap: Heap, session: Thing) -> None:
    holder = heap.object("app.Holder").hold(Ref.DICT, heap.dict({"session": session}))
    heap.module("app", holder=holder)
    assert only(heap, session).text == "app.holder.session -> app.Session"
