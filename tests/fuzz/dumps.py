"""Files of other runtimes: heap dumps of JVMs, snapshots of V8, profiles of Go; small ones that hold some of all."""

from __future__ import annotations

import dataclasses
import gzip
import re
import struct
from abc import ABC, abstractmethod
from random import Random

import numpy as np

from leakscope.analysis import profiles
from leakscope.errors import InputError
from leakscope.formats.checks import check
from leakscope.formats.dumps import HPROF_GZIP, load_dump
from leakscope.formats.hprof.graph import build
from leakscope.formats.hprof.records import Malformed, read_records
from leakscope.formats.pprof.load import load_profile
from leakscope.formats.v8.load import load_v8
from leakscope.graph.heap import HeapGraph
from leakscope.graph.values import ValueSource
from leakscope.render import profile_text
from leakscope.sessions.read import read_sessions
from tests.formats import profiles as written
from tests.formats.hprof_made import JAVA_FRAME, THREAD, Made
from tests.formats.v8_made import Made as MadeOfV8
from tests.fuzz.examine import SCREEN, all_rules, ask_all
from tests.fuzz.kinds import own_folder
from tests.fuzz.seeds import guarded
from tests.fuzz.snapshots import damaged

_DRAW_EVERY = 32
_PACK_EVERY = 24
_NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFFFF, 1 << 31, (1 << 32) - 1, (1 << 31) - 1, 1 << 63, (1 << 64) - 1)


class _Files(ABC):
    """The input is the file's content."""

    def __init__(self) -> None:
        self._path = own_folder() / "dump"

    @abstractmethod
    def make(self, dice: Random) -> bytes: ...

    def encode(self, made: bytes) -> bytes:
        return made

    def decode(self, raw: bytes) -> bytes:
        return raw


class Hprof(_Files):
    """Half of them have wrong numbers and references, others wrong bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._seeds = [shop(width).content(segments) for width in (4, 8) for segments in (0, 1, 3)]
        self._ids = [_ids(shop(width)) for width in (4, 8) for _ in range(3)]

    def make(self, dice: Random) -> bytes:
        which = dice.randrange(len(self._seeds))
        content = bytearray(self._seeds[which])
        if dice.randrange(2):
            return damaged(dice, bytes(content))
        width = 4 if which < 3 else 8
        for _ in range(dice.choice((1, 1, 2, 4, 16))):
            wide = dice.choice((width, width, width, 4, 2, 1))
            number = dice.choice(self._ids[which]) if wide == width and dice.randrange(4) else dice.choice(_NUMBERS)
            at = dice.randrange(len(content) - 8)
            if wide == width and dice.randrange(2):
                # Where there is a reference, so that another one stands there.
                at = content.find(dice.choice(self._ids[which]).to_bytes(width, "big"), at)
            if at >= 0:
                content[at : at + wide] = (number & (1 << 8 * wide) - 1).to_bytes(wide, "big")
        return bytes(content)

    def run(self, made: bytes) -> None:
        if len(made) % _PACK_EVERY == 0:
            self._path.write_bytes(gzip.compress(made, 1))
            _ask(*load_dump(self._path, HPROF_GZIP), False)
            return
        try:
            # Its end is where nothing may be read.
            graph, values = build(read_records(guarded(np.frombuffer(made, np.uint8))), lambda stage, done: None, False)
        except Malformed as error:
            raise InputError(str(error), "load says the same with a path") from error
        _ask(graph, values, len(made) % _DRAW_EVERY == 0)


class V8(_Files):
    """Half of them have wrong numbers, others wrong bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._seed = tracker().content()
        self._places = [match.span() for match in re.finditer(rb"\d+", self._seed)]

    def make(self, dice: Random) -> bytes:
        content = self._seed
        if dice.randrange(2):
            return damaged(dice, content)
        places = sorted(dice.sample(self._places, dice.choice((1, 1, 2, 4, 16))), reverse=True)
        for begin, end in places:
            other = dice.choice(self._places)
            number = self._seed[slice(*other)] if dice.randrange(3) else b"%d" % dice.choice((*_NUMBERS, -1))
            content = content[:begin] + number + content[end:]
        return content

    def run(self, made: bytes) -> None:
        self._path.write_bytes(made)
        _ask(*load_v8(self._path), len(made) % _DRAW_EVERY == 0)


class Pprof(_Files):
    """Packed now and then; mostly damaged before that."""

    def __init__(self) -> None:
        super().__init__()
        stacks = [(f"main.f{number}", "main.go", number) for number in range(5)]
        heap = written.heap(*((stacks[at:], 10 + at, 1000 * at) for at in range(5)))
        goroutines = written.profile(written.GOROUTINES, [(stacks[at:], [at]) for at in range(5)], inlined=True)
        self._seeds = heap, goroutines, written.profile(written.REFERENCES, [(stacks, (1, 2))], period=None, time=None)

    def make(self, dice: Random) -> bytes:
        content = dice.choice(self._seeds)
        if dice.randrange(8) == 0:
            return damaged(dice, gzip.compress(content))
        content = damaged(dice, content)
        return gzip.compress(content) if dice.randrange(8) == 0 else content

    def run(self, made: bytes) -> None:
        self._path.write_bytes(made)
        profile = load_profile(self._path)
        found = profiles.report([profile, profile], 20, by_growth=True)
        for say in (profile_text.top, profile_text.diff, profile_text.chains):
            say(found, SCREEN)


def shop(id_bytes: int) -> Made:
    """Something of each kind that a dump may hold."""
    made = Made(id_bytes)
    entry = made.class_("java.util.HashMap$Node", hash="I", key="L", value="L", next="L")
    hash_map = made.class_("java.util.HashMap", size="I", table="L")
    array_list = made.class_("java.util.ArrayList", size="I", elementData="L")
    tree = made.class_("java.util.TreeMap$Entry", key="L", value="L", left="L", right="L")
    weak = made.class_("java.lang.ref.WeakReference", made.class_("java.lang.ref.Reference", referent="L"))
    session = made.class_("shop.Session", id="L", createdAt="J", lastUsed="J", closed="Z", next="L", rate="D")
    moment = 1_699_999_999_000
    sessions = [
        made.object(session, id=made.string(f"s-{at}é世"[: 3 + at]), createdAt=moment, closed=at % 2 == 0)
        for at in range(6)
    ]
    following = 0
    for at, each in enumerate(sessions[:4]):
        following = made.object(entry, hash=at, key=made.string(f"key {at}"), value=each, next=following)
    main = made.class_("shop.Main")
    made.static(main, "BY_ID", made.object(hash_map, size=4, table=made.array([0, following])))
    made.static(main, "COUNT", 6, "I")
    made.static(main, "LISTENERS", made.object(array_list, size=1, elementData=made.array([sessions[4]])))
    leaf = made.object(tree, key=made.string("leaf"), value=sessions[5])
    made.static(made.class_("shop.Trees"), "TREE", made.object(made.class_("java.util.TreeMap", root="L"), root=leaf))
    made.jni_global(made.object(weak, referent=sessions[0]))
    made.trace(9, [made.frame("serve", "Main.java", main, 42), made.frame("run", "Thread.java", main, -1)], 1)
    made.root(THREAD, made.object(made.class_("java.lang.Thread", name="L"), name=made.string("http-1")), 1, 9)
    made.root(JAVA_FRAME, made.object(session, next=sessions[1]), 1, 0)
    made.numbers("B", b"buffer")
    made.numbers("J", [1, 2, 3])
    return made


def tracker() -> MadeOfV8:
    """The same of V8."""
    made = MadeOfV8()
    sessions = [made.node("object", "Session", size=48) for _ in range(6)]
    for number, session in enumerate(sessions):
        made.edge(session, "property", "id", made.node("string", f"id {number}"))
        made.edge(session, "internal", "map", made.node("hidden", "system / Map"))
    entries = [(made.node("string", f"key {number}"), session) for number, session in enumerate(sessions[:4])]
    made.held("tracker", "Tracker", sessions=made.map(*entries), last=sessions[4])
    function, context = made.function("open", "/app/server.js", 12)
    made.edge(context, "context", "current", sessions[5])
    made.held("open", "Object", call=function)
    made.edge(sessions[0], "weak", "friend", sessions[1])
    pair = "1 / part of key (Session @5) -> value (Object @7) pair in WeakMap (table @9)"
    made.edge(sessions[1], "internal", pair, sessions[2])
    prototype = made.node("object", "Session")
    made.edge(function, "property", "prototype", prototype)
    made.edge(prototype, "property", "constructor", function)
    made.edge(sessions[2], "property", "__proto__", prototype)
    made.held("names", "Object", **{f"{chr(97 + number)}-name": sessions[number % 6] for number in range(24)})
    return made


def _ids(made: Made) -> list[int]:
    """Of the objects, and of none."""
    width = made.id_bytes
    told = [struct.unpack(">I" if width == 4 else ">Q", each[1 : 1 + width])[0] for each in made.heap]
    return [*(number for number in told if number), *(cls.id for cls in made.classes.values()), 0, 0xDEAD]


def _ask(graph: HeapGraph, values: ValueSource, draw: bool) -> None:
    """Rules and all analyses, of a graph that holds together."""
    sessions, _ = read_sessions(graph, values, all_rules())
    graph = dataclasses.replace(graph, sessions=sessions)
    check(graph)
    ask_all(graph, draw)
