"""Heaps for tests, in a few lines: what there is and who holds it; the result is a real ``HeapGraph``.

    heap = Heap()
    session = heap.object("app.Session")
    heap.module("app", sessions=heap.dict({"#1a2b": session}))
    graph = heap.graph()
    graph.node(session)

A holder is made from what it holds; where that is a cycle, ``hold`` adds the missing reference.
Classes exist once they are used; classes, modules and frames are user code unless ``origin`` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from leakscope.graph.heap import Bounds, Frames, HeapGraph, Labels, Roots, Sessions, Types
from leakscope.graph.kinds import Node, Origin, Ref, Root
from leakscope.graph.values import UNKNOWN_MASK

STEP = 0x40
BASE = 0x7F0000000000


@dataclass(eq=False)
class Thing:
    """One object to be; holds references as ``(kind, target, label)``, a label being a text, a number or a Thing."""

    type: str
    size: int
    flags: int = 0
    refs: list[tuple[Ref, Thing, Any]] = field(default_factory=list)

    def hold(self, kind: Ref, target: Thing, label: Any = -1) -> Thing:
        self.refs.append((kind, target, label))
        return self


@dataclass(frozen=True)
class Told:
    """What a rule says of a thing."""

    rule: str = "rule"
    id: str | None = None
    created: float = np.nan
    used: float = np.nan
    expires: float = np.nan
    ttl: float = np.nan
    state: str | None = None
    facts: int = 0
    """``Fact`` bits."""


class Heap:
    """Collects things; ``graph()`` lays them out."""

    def __init__(self) -> None:
        self.things: list[Thing] = []
        self.classes: dict[str, Thing] = {}
        self.bases: dict[str, str] = {}
        self.origins: dict[str, Origin] = {}
        self.key_texts: list[tuple[Thing, str]] = []
        self.frame_rows: list[tuple[Thing, str, str, int, Origin]] = []
        self.root_rows: list[tuple[Thing, Root, str | None, Origin]] = []
        self.told: dict[Thing, Told] = {}
        self.limits: dict[Thing, int] = {}
        self.facts: dict[str, Any] = {}

    def raw(self, type: str, size: int = 16, flags: int = 0) -> Thing:
        """An object that holds nothing yet, not even its class."""
        thing = Thing(type, size, flags)
        self.things.append(thing)
        return thing

    def cls(self, name: str, base: str = "object", origin: Origin | None = None, **attributes: Thing) -> Thing:
        """The class of that name; its attributes are entries of a dict of its own."""
        if name not in self.classes:
            self.classes[name] = self.raw("type", 1000, Node.CLASS)
            self.bases[name] = base
            self.cls("type")
            self.cls(base)
        if origin is not None:
            self.origins[name] = origin
        return self._namespace(self.classes[name], Ref.GLOBAL, attributes)

    def object(self, type: str, size: int = 48, inline: bool = False, **attributes: Thing) -> Thing:
        """An instance; attributes are in its ``__dict__``, or with ``inline`` in the object itself."""
        thing = self.raw(type, size).hold(Ref.TYPE, self.cls(type))
        if inline:
            for name, value in attributes.items():
                thing.hold(Ref.ATTR, value, name)
            return thing
        return self._namespace(thing, Ref.ATTR, attributes)

    def _namespace(self, holder: Thing, kind: Ref, entries: Mapping[str, Thing]) -> Thing:
        if entries:
            namespace = self.raw("dict", 64)
            for name, value in entries.items():
                namespace.hold(kind, value, name)
            holder.hold(Ref.DICT, namespace)
        return holder

    def string(self, text: str | None = None) -> Thing:
        """A str; with ``text`` one whose text is known, as a dict key's is."""
        thing = self.raw("str", 50)
        if text is not None:
            self.key_texts.append((thing, text))
        return thing

    def dict(self, entries: Mapping[str | Thing, Thing]) -> Thing:
        thing = self.raw("dict", 64)
        for key, value in entries.items():
            key_thing = self.string(key) if isinstance(key, str) else key
            thing.hold(Ref.DICT_KEY, key_thing).hold(Ref.KEY, value, key_thing)
        return thing

    def list(self, *items: Thing, type: str = "list") -> Thing:
        thing = self.raw(type, 56)
        for position, item in enumerate(items):
            thing.hold(Ref.INDEX, item, position)
        return thing

    def set(self, *items: Thing) -> Thing:
        thing = self.raw("set", 216)
        for item in items:
            thing.hold(Ref.ITEM, item)
        return thing

    def code(self, type: str, name: str, file: str, line: int, origin: Origin = Origin.USER, **held: Thing) -> Thing:
        """A coroutine, generator or running frame's locals by name."""
        thing = self.raw(type, 120)
        self.frame_rows.append((thing, name, file, line, origin))
        for variable, value in held.items():
            thing.hold(Ref.LOCAL, value, variable)
        return thing

    def function(self, name: str, file: str, line: int, **cells: Thing) -> Thing:
        """A function with a closure."""
        thing = self.code("function", name, file, line)
        if cells:
            closure = self.raw("tuple", 48)
            for variable, value in cells.items():
                cell = self.raw("cell", 40).hold(Ref.INTERNAL, value, "cell_contents")
                closure.hold(Ref.CELL, cell, variable)
            thing.hold(Ref.ATTR, closure, "__closure__")
        return thing

    def fields(self, type: str, **held: Thing) -> Thing:
        """An object of C code with named fields: a method, a partial, a task."""
        thing = self.raw(type, 64)
        for name, value in held.items():
            thing.hold(Ref.INTERNAL, value, name)
        return thing

    def module(self, name: str, origin: Origin = Origin.USER, **names: Thing) -> Thing:
        """An entry of ``sys.modules``."""
        thing = self.raw("module", 72, Node.MODULE)
        self.root(Root.MODULE, thing, name, origin)
        return self._namespace(thing, Ref.GLOBAL, names)

    def frame(
        self, name: str, file: str, line: int, origin: Origin = Origin.USER, thread: str = "MainThread", **held: Thing
    ) -> Thing:
        """A frame that a thread is running."""
        thing = self.code("frame", name, file, line, origin, **held)
        thing.flags |= Node.FRAME
        return self.root(Root.FRAME, thing, thread, Origin.INTERPRETER)

    def root(self, kind: Root, thing: Thing, name: str | None = None, origin: Origin = Origin.USER) -> Thing:
        self.root_rows.append((thing, kind, name, origin))
        return thing

    def session(self, thing: Thing, told: Told | None = None) -> Thing:
        """Claims ``thing`` for a rule; a heap without any such call was read without rules."""
        self.told[thing] = told or Told()
        return thing

    def limited(self, thing: Thing, limit: int) -> Thing:
        """``thing`` takes no more than ``limit`` entries."""
        self.limits[thing] = limit
        return thing

    def graph(self, shuffle: int | None = None) -> Graph:
        """The heap with objects at ascending addresses, in the order of making or in one drawn with ``shuffle``."""
        for name in {thing.type: None for thing in self.things}:
            self.cls(name)
        return _lay_out(self, shuffle)


@dataclass(frozen=True)
class Graph(HeapGraph):
    """A ``HeapGraph`` that knows which thing became which node."""

    number: dict[Thing, int] = field(default_factory=dict)

    def node(self, thing: Thing) -> int:
        return self.number[thing]

    def nodes(self, things: Iterable[Thing]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.array([self.number[thing] for thing in things], dtype=np.int32)

    def where(self, thing: Thing) -> int:
        return int(self.address[self.number[thing]])


class _Names:
    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str | None) -> int:
        if text is None:
            return -1
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text)


def _lay_out(heap: Heap, shuffle: int | None) -> Graph:
    things = list(heap.things)
    if shuffle is not None:
        order = np.random.default_rng(shuffle).permutation(len(things))
        things = [things[i] for i in order]
    number = {thing: node for node, thing in enumerate(things)}
    names = _Names()
    type_row = {name: row for row, name in enumerate(heap.classes)}
    refs = [
        (kind, number[target], _label(label, number, names)) for thing in things for kind, target, label in thing.refs
    ]
    return Graph(
        address=(BASE + (shuffle or 0) * 0x1000 + np.arange(len(things)) * STEP).astype(np.uint64),
        type=np.array([type_row[thing.type] for thing in things], np.int32),
        own_size=np.array([thing.size for thing in things], np.int64),
        flags=np.array([thing.flags for thing in things], np.uint8),
        first_ref=np.cumsum([0, *(len(thing.refs) for thing in things)], dtype=np.int64),
        target=np.array([target for _, target, _ in refs], np.int32),
        kind=np.array([kind for kind, _, _ in refs], np.uint8),
        label=np.array([label for _, _, label in refs], np.int32),
        types=_types(heap, type_row, number),
        names=names.texts,
        labels=_labels(heap, number, names),
        frames=_frames(heap, number, names),
        roots=_roots(heap, number, names),
        sessions=_sessions(heap, number, names) if heap.told else None,
        bounds=_bounds(heap, number) if heap.limits else None,
        facts=heap.facts,
        number=number,
    )


def _label(label: Any, number: dict[Thing, int], names: _Names) -> int:
    if isinstance(label, Thing):
        return number[label]
    return names.add(label) if isinstance(label, str) else int(label)


def _types(heap: Heap, type_row: dict[str, int], number: dict[Thing, int]) -> Types:
    default = {name: Origin.USER if "." in name else Origin.INTERPRETER for name in heap.classes}
    return Types(
        name=list(heap.classes),
        node=np.array([number[thing] for thing in heap.classes.values()], np.int32),
        base=np.array(
            [type_row.get(heap.bases[name], -1) if name != "object" else -1 for name in heap.classes], np.int32
        ),
        origin=np.array([heap.origins.get(name, default[name]) for name in heap.classes], np.uint8),
    )


def _labels(heap: Heap, number: dict[Thing, int], names: _Names) -> Labels:
    rows = sorted((number[thing], names.add(text)) for thing, text in heap.key_texts)
    return Labels(np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.int32))


def _frames(heap: Heap, number: dict[Thing, int], names: _Names) -> Frames:
    rows = sorted(
        (number[t], names.add(name), names.add(file), line, int(o)) for t, name, file, line, o in heap.frame_rows
    )
    columns = np.array(rows, np.int32).reshape(-1, 5).T
    return Frames(columns[0], columns[1], columns[2], columns[3], columns[4].astype(np.uint8))


def _roots(heap: Heap, number: dict[Thing, int], names: _Names) -> Roots:
    rows = sorted((int(kind), number[t], names.add(name), int(origin)) for t, kind, name, origin in heap.root_rows)
    columns = np.array(rows, np.int32).reshape(-1, 4).T
    return Roots(columns[1], columns[0].astype(np.uint8), columns[2], columns[3].astype(np.uint8))


def _sessions(heap: Heap, number: dict[Thing, int], names: _Names) -> Sessions:
    rows = sorted(((number[thing], told) for thing, told in heap.told.items()), key=lambda row: row[0])
    told = [each for _, each in rows]
    return Sessions(
        node=np.array([node for node, _ in rows], np.int32),
        rule=np.array([names.add(each.rule) for each in told], np.int32),
        id=np.array([_mask(each.id) for each in told], np.uint64),
        id_name=np.full(len(rows), -1, np.int32),
        created=np.array([each.created for each in told]),
        created_from=np.array([-1 if np.isnan(each.created) else names.add("created_at") for each in told], np.int32),
        used=np.array([each.used for each in told]),
        expires=np.array([each.expires for each in told]),
        ttl=np.array([each.ttl for each in told]),
        state=np.array([names.add(each.state) for each in told], np.int32),
        facts=np.array([int(each.facts) for each in told], np.int32),
    )


def _mask(id: str | None) -> int:
    return UNKNOWN_MASK if id is None else int.from_bytes(blake2b(id.encode(), digest_size=6).digest(), "big")


def _bounds(heap: Heap, number: dict[Thing, int]) -> Bounds:
    rows = sorted((number[thing], limit) for thing, limit in heap.limits.items())
    return Bounds(np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.int64))
