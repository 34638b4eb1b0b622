"""Fingerprints: the same leak has the same one in every process, another leak another one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.paths import fingerprint
from leakscope.graph.kinds import Ref, Root
from tests.heaps import Heap, Thing

Build = Callable[[Heap, Thing], object]


def print_of(build: Build, shuffle: int | None = None) -> str:
    heap = Heap()
    session = heap.object("app.Session")
    build(heap, session)
    graph = heap.graph(shuffle)
    (found,) = cluster_chains(HeapIndex(graph), graph.nodes([session]))
    return found.fingerprint


def cached(heap: Heap, session: Thing) -> None:
    """Two equally good holders and noise, so that the choice matters."""
    heap.cls("app.Cache", sessions=heap.dict({"#other": heap.string(), "#key": session}))
    heap.module("app.b", Cache=heap.classes["app.Cache"], held=heap.list(session))
    heap.module("app.a", held=heap.list(heap.string(), heap.object("app.Other"), session))


def test_it_is_the_same_wherever_the_objects_lie() -> None:
    assert {print_of(cached, shuffle) for shuffle in range(30)} == {print_of(cached)}


def test_it_never_changes() -> None:
    """Baselines in repositories hold fingerprints: this one was written down when the format was made."""
    assert print_of(cached) == "75e8917a106f"
    assert fingerprint(0) == "acbe79084add"


def at(position: int) -> Build:
    return lambda heap, s: heap.module("app", held=heap.list(*[heap.string()] * position, s))


def under(key: str | None) -> Build:
    return lambda heap, s: heap.module("app", held=heap.dict({heap.string(key): s}))


def in_frame(line: int, file: str, function: str = "serve", thread: str = "MainThread", local: str = "s") -> Build:
    return lambda heap, s: heap.frame(function, file, line, thread=thread, **{local: s})


def attribute(inline: bool) -> Build:
    return lambda heap, s: heap.module("app", holder=heap.object("app.Holder", inline=inline, session=s))


def generator(in_frame_object: bool) -> Build:
    def build(heap: Heap, session: Thing) -> None:
        if in_frame_object:
            frame = heap.raw("frame").hold(Ref.LOCAL, session, "s")
            coroutine = heap.code("coroutine", "serve", "a.py", 1).hold(Ref.INTERNAL, frame, "gi_frame")
        else:
            coroutine = heap.code("coroutine", "Chat.serve", "b.py", 2, s=session)
        heap.module("app", waiting=coroutine)

    return build


def linked(length: int, *names: str) -> Build:
    def build(heap: Heap, session: Thing) -> None:
        node = heap.object("app.Last", inline=True, item=session)
        for i in range(length):
            node = heap.object(f"app.{names[i % len(names)]}", inline=True, next=node)
        heap.module("app", head=node)

    return build


def root(kind: Root, name: str | None) -> Build:
    return lambda heap, s: heap.root(kind, s, name)


def field(offset: int) -> Build:
    return lambda heap, s: heap.module("app", x=heap.raw("lib.X").hold(Ref.C_FIELD, s, offset))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at(0), at(7)),
        (under("#1a2b"), under("#3c4d")),
        (under("#1a2b"), under(None)),
        (in_frame(42, "/srv/pod-1/app.py"), in_frame(57, "/srv/pod-2/app.py", thread="Thread-7")),
        (in_frame(1, "a.py", "Chat.serve"), in_frame(1, "a.py", "serve")),
        (attribute(inline=True), attribute(inline=False)),
        (generator(in_frame_object=True), generator(in_frame_object=False)),
        (linked(8, "N"), linked(60, "N")),
        (linked(8, "A", "B"), linked(60, "A", "B")),
        (linked(8, "A", "B", "C", "D"), linked(60, "A", "B", "C", "D")),
        (root(Root.THREAD, "Thread-1"), root(Root.THREAD, "Thread-2")),
        (root(Root.C_STACK, "Thread-1"), root(Root.C_STACK, "Thread-2")),
        (root(Root.C_GLOBAL, "libpython3.11.so.1.0"), root(Root.C_GLOBAL, "libpython3.12.so.1.0")),
        (root(Root.C_GLOBAL, "_x.cpython-311-x86_64-linux-gnu.so"), root(Root.C_GLOBAL, "_x.abi3.so")),
        (field(16), field(24)),
    ],
)
def test_data_addresses_lines_and_versions_do_not_matter(one: Build, other: Build) -> None:
    assert print_of(one) == print_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (at(0), under("#1a2b")),
        (in_frame(1, "a.py"), in_frame(1, "b.py")),
        (in_frame(1, "a.py"), in_frame(1, "a.py", "handle")),
        (in_frame(1, "a.py"), in_frame(1, "a.py", local="t")),
        (linked(1, "A"), linked(1, "B")),
        (linked(2, "A", "B"), linked(2, "B", "A")),
        (root(Root.C_GLOBAL, "libfoo.so"), root(Root.C_GLOBAL, "libbar.so")),
        (root(Root.C_GLOBAL, "libfoo.so handlers"), root(Root.C_GLOBAL, "libfoo.so users")),
        (root(Root.THREAD, "T"), root(Root.C_STACK, "T")),
        (at(0), attribute(inline=True)),
    ],
)
def test_names_and_types_do_matter(one: Build, other: Build) -> None:
    assert print_of(one) != print_of(other)


def test_equal_ways_to_many_objects_are_one_cluster() -> None:
    heap = Heap()
    sessions = [heap.object("app.Session") for _ in range(100)]
    shelves = [heap.list(*sessions[i : i + 10]) for i in range(0, 100, 10)]
    heap.module("app", shelves=heap.dict({f"#{i}": shelf for i, shelf in enumerate(shelves)}))
    graph = heap.graph()
    (found,) = cluster_chains(HeapIndex(graph), graph.nodes(sessions))
    assert (found.count, found.text) == (100, "app.shelves['#0'][0] -> app.Session")
