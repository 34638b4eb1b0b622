"""The own heap as a graph: complete, of the right sizes, without leakscope's own traces, safe with hostile objects."""

from __future__ import annotations

import asyncio
import atexit
import collections
import functools
import gc
import sys
import threading
import types
import weakref
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import leakscope.inprocess.heap as own
from leakscope.analysis.chains import cluster_chains
from leakscope.analysis.index import HeapIndex
from leakscope.analysis.select import node_at
from leakscope.errors import UnsupportedTargetError
from leakscope.formats.checks import check
from leakscope.formats.leakscope_file import load, save
from leakscope.graph.heap import HeapGraph
from leakscope.graph.kinds import Node, Root
from leakscope.graph.names import class_name, edge_text, frame_row
from leakscope.inprocess.heap import snapshot


class Plain:
    pass


class Slotted:
    __slots__ = ("__weakref__", "first", "second")


class Dict(dict):
    pass


class List(list):
    pass


@pytest.fixture(scope="module")
def quiet() -> None:
    """Everything that a snapshot loads is loaded."""
    check(snapshot())


def node(graph: HeapGraph, object: object) -> int:
    (found,) = node_at(graph, id(object)).tolist()
    return int(found)


def texts(graph: HeapGraph, object: object) -> list[str]:
    """``.name -> class`` of each reference that the object holds."""
    first, end = graph.first_ref[node(graph, object) : node(graph, object) + 2].tolist()
    return [f"{edge_text(graph, at)} -> {class_name(graph, int(graph.target[at]))}" for at in range(first, end)]


def held(graph: HeapGraph, address: int) -> Counter[int]:
    """Addresses that the object refers to."""
    (found,) = node_at(graph, address).tolist()
    return Counter(graph.address[graph.target[graph.first_ref[found] : graph.first_ref[found + 1]]].tolist())


def test_every_reference_that_the_collector_knows_is_there(quiet: None) -> None:
    gc.collect()
    gc.disable()
    try:
        graph = snapshot(collect=False)
        addresses = set(graph.address.tolist())
        missing: Counter[str] = Counter()
        looked_at = 0
        # What is changed between the two looks: this function's, the snapshot's own, and sets of weak references.
        for each in gc.get_objects():
            if id(each) not in addresses or isinstance(each, (types.FrameType, set)) or each is globals():
                continue
            looked_at += 1
            if Counter(map(id, gc.get_referents(each))) - held(graph, id(each)):
                missing[type(each).__name__] += 1
    finally:
        gc.enable()
    assert looked_at > 10_000
    assert sum(missing.values()) <= 5, missing


def test_sizes_are_those_of_getsizeof(quiet: None) -> None:
    containers: list[Any] = [{1: 2, "a": None}, [1, 2, 3], Dict(a=1), List("abc"), {1, 2}, (1, 2), 1 << 99, "e", b"e"]
    gc.collect()
    gc.disable()
    try:
        graph = snapshot(collect=False)
        size = dict(zip(graph.address.tolist(), graph.own_size.tolist(), strict=True))
        objects = {id(each): each for each in gc.get_objects() if id(each) in size}
        for each in list(objects.values()):
            objects.update((id(found), found) for found in gc.get_referents(each) if id(found) in size)
        changing = (types.FrameType, types.CodeType, dict, list, set)
        still = [each for each in objects.values() if not isinstance(each, changing)]
        wrong = Counter(type(each).__name__ for each in still if sys.getsizeof(each) != size[id(each)])
    finally:
        gc.enable()
    assert [size[id(each)] for each in containers] == [sys.getsizeof(each) for each in containers]
    assert len(still) > 30_000
    assert sum(wrong.values()) <= 5, wrong


def generate(in_generator: Plain) -> Any:
    in_body = [in_generator]
    yield
    in_body.clear()


async def wait(in_coroutine: Plain) -> None:
    await asyncio.sleep(0)
    del in_coroutine


def closing(kept: Plain) -> Any:
    return lambda: kept


def failing(in_error: Plain) -> Exception:
    try:
        raise ValueError(in_error)
    except ValueError as error:
        return error


def test_references_have_names() -> None:
    plain, slotted, generator, coroutine = Plain(), Slotted(), generate(Plain()), wait(Plain())
    plain.name, slotted.second = Plain(), Plain()  # type: ignore[attr-defined]
    with_dict = Plain()
    with_dict.__dict__["name"] = Plain()
    next(generator)
    coroutine.send(None)
    key = "a key that is data"
    old = sys.version_info < (3, 11)  # instances have dicts, and generators frame objects
    error, function = failing(Plain()), closing(plain)
    assert error.__traceback__ is not None
    weak = weakref.ref(plain)
    graph = snapshot()
    here = f"{__name__}.Plain"
    mask = blake2b(key.encode(), digest_size=6).hexdigest()
    for object, wanted in {
        "plain": (plain, f".name -> {here}" if not old else ".__dict__ -> dict"),
        "slots": (slotted, f".second -> {here}"),
        "generator": (generator.gi_frame if old else generator, f"local 'in_generator' -> {here}"),
        "coroutine": (coroutine.cr_frame if old else coroutine, f"local 'in_coroutine' -> {here}"),
        "dict subclass": (Dict({key: plain}), f"['#{mask}'] -> {here}"),
        "list subclass": (List([None, plain]), f"[1] -> {here}"),
        "ordered": (collections.OrderedDict([(key, plain)]), f"['#{mask}'] -> {here}"),
        "deque": (collections.deque([None, plain]), f"[1] -> {here}"),
        "set": ({plain}, f"member -> {here}"),
        "partial": (functools.partial(print, plain), ".args -> tuple"),
        "function": (function, ".__closure__ -> tuple"),
        "closure": (function.__closure__, "cell 'kept' -> cell"),
        "method": (plain.__init__, ".__self__ -> " + here),
        "error": (error, ".__traceback__ -> traceback"),
        "frame": (error.__traceback__.tb_frame, f"local 'in_error' -> {here}"),
        "weak": (weak, f"weak reference -> {here}"),
        "class": (Plain, ".__dict__ -> dict"),
        "module": (sys.modules[__name__], ".__dict__ -> dict"),
        "globals": (globals(), ".Plain -> type"),
        "own class": (plain, ".__class__ -> type"),
    }.items():
        found = texts(snapshot() if id(wanted[0]) not in graph.address else graph, wanted[0])
        assert wanted[1] in found, (object, found)


def test_a_dict_that_was_asked_for_keeps_its_names(quiet: None) -> None:
    with_dict = Plain()
    with_dict.__dict__["name"] = Plain()
    graph = snapshot()
    cluster = cluster_chains(HeapIndex(graph), node_at(graph, id(with_dict.__dict__["name"])))[0]
    assert cluster.text.endswith(f".name -> {__name__}.Plain")


def test_a_thread_has_its_name_and_its_frames_their_lines() -> None:
    ready, end = threading.Event(), threading.Event()

    def work() -> None:
        in_thread = Plain()
        ready.set()
        end.wait()
        del in_thread

    thread = threading.Thread(target=work, name="a worker of mine")
    thread.start()
    ready.wait()
    try:
        graph = snapshot()
    finally:
        end.set()
        thread.join()
    roots = graph.roots
    names = [graph.names[name] for name in roots.name[roots.kind == Root.FRAME].tolist()]
    frames = roots.node[roots.kind == Root.FRAME][[name == "a worker of mine" for name in names]]
    rows = [frame_row(graph, int(frame)) for frame in frames]
    functions = {graph.names[graph.frames.function[row]].rpartition(".")[2]: row for row in rows}
    assert {"work", "wait", "_bootstrap"} <= set(functions)
    row = functions["work"]
    assert graph.names[graph.frames.file[row]] == __file__
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert lines[graph.frames.line[row] - 1].strip() == "end.wait()"
    assert graph.flags[graph.frames.node[row]] & Node.FRAME


def test_local_variables_of_running_frames_are_not_kept_alive() -> None:
    local = Plain()
    gone = weakref.ref(local)
    snapshot()
    del local
    assert gone() is None


def test_nothing_of_the_snapshot_itself_is_in_it(quiet: None) -> None:
    def counted() -> Counter[str]:
        return Counter(class_name(graph, at) for graph in [snapshot()] for at in range(graph.objects))

    counted()  # fills what Python remembers of the abstract classes it has asked about
    first, second = counted(), counted()
    own_names = ("OwnHeap", "Walk", "Numbers", "Pile", "NameTable", "TypeTable", "PointerMap")
    assert not [name for name in second if name.startswith("leakscope.") and name.endswith(own_names)]
    more = second - first
    del more["int"], more["str"], more["tuple"]
    assert sum(more.values()) <= 8, more
    graph = snapshot()
    running = graph.roots.node[graph.roots.kind == Root.FRAME].tolist()
    files = {graph.names[graph.frames.file[frame_row(graph, node)]] for node in running}
    assert own.__file__ not in files


def test_garbage_is_marked_or_collected() -> None:
    gc.disable()
    try:
        cycle = Plain()
        cycle.me, address = cycle, id(cycle)  # type: ignore[attr-defined]
        del cycle
        graph = snapshot(collect=False)
        assert graph.flags[node_at(graph, address)[0]] & Node.GARBAGE
    finally:
        gc.enable()
    graph = snapshot()
    assert not np.any(graph.flags & Node.GARBAGE)


def test_what_only_c_holds_is_alive_and_held_by_c() -> None:
    held_by_c = functools.partial(print, Plain())
    address = id(held_by_c)
    atexit.register(held_by_c)
    del held_by_c
    graph = snapshot()
    found = node_at(graph, address)
    kinds = graph.roots.kind[graph.roots.node == found[0]]
    atexit.unregister(graph.names)  # compares, and so finds nothing
    assert kinds.tolist() == [Root.C_UNSEEN]
    assert not graph.flags[found[0]] & Node.GARBAGE


def test_no_code_of_the_process_runs() -> None:
    class HostileMeta(type):
        def __getattribute__(cls, name: str) -> Any:
            raise RuntimeError("a metaclass was asked")

    class Hostile(metaclass=HostileMeta):
        __slots__ = ("__dict__", "me")

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("an object was asked")

        def __sizeof__(self) -> int:
            raise RuntimeError("an object was measured")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("an object was compared")

        def __hash__(self) -> int:
            raise RuntimeError("an object was hashed")

    hostile = Hostile()
    keys = {"lone surrogate \udc80": Plain(), "\x1b[2J": Plain(), "long" * 30_000: Plain(), "\u2603": Plain()}
    object.__setattr__(hostile, "me", hostile)
    graph = snapshot()
    check(graph)
    assert ".me -> " in " ".join(texts(graph, hostile))
    masks = {f"['#{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}']" for key in keys}
    shown = {text.partition(" -> ")[0] for text in texts(graph, keys)}
    assert len(masks & shown) == 3  # the long one is masked by nobody


def test_it_can_be_saved_and_read_again(tmp_path: Path) -> None:
    graph = snapshot()
    check(graph)
    save(graph, tmp_path / "own.leakscope")
    again = load(tmp_path / "own.leakscope")
    assert again.objects == graph.objects
    assert again.facts["strategy"] == "in process"
    np.testing.assert_array_equal(again.target, graph.target)


def test_other_interpreters_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_NEWEST", (3, 9))
    with pytest.raises(UnsupportedTargetError, match="cannot take a snapshot of itself"):
        snapshot()
