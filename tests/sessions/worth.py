"""Heaps whose objects are worth something: ``tests.heaps`` with Python values, read by a ``ValueSource`` of its own.

heap = Worth()
session = heap.object("app.Session", created_at=heap.of(1.5), closed=heap.of(False))
told = heap.read(ruleset(name="mine", **{"class": "app.Session", "created": "created_at"}))
told[session].created
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s
from leakscope.graph.kinds import Fact, Ref
from leakscope.graph.values import UNKNOWN_MASK, Value, Values
from leakscope.sessions.load import RuleSet
from leakscope.sessions.read import RuleUse, read_sessions
from leakscope.sessions.rule_files import read_tables
from tests.heaps import Graph, Heap, Thing

STARTED, NOW = 1_700_000_000.0, 1_700_003_600.0
MONOTONIC = 50_000.0
LONGEST = 65_536


@dataclass(frozen=True)
class Session:
    """One row of the table, in Python values."""

    rule: str
    id: int | None
    id_text: str | None
    created: float | None
    created_from: str | None
    used: float | None
    expires: float | None
    ttl: float | None
    state: str | None
    facts: Fact


class Worth(Heap):
    """A heap that knows what its objects are worth."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.worth: dict[Thing, Any] = {}
        self.numbers: dict[tuple[Thing, str], int] = {}
        self.facts = {
            "captured_at": NOW, "started_at": STARTED, "monotonic_at": MONOTONIC, "utc_offset_s": 0.0, **facts
        }  # fmt: skip
        self.uses: list[RuleUse] = []

    def of(self, value: Any) -> Thing:
        """An object that is worth ``value``."""
        names = {type(None): "NoneType", datetime: "datetime.datetime", timedelta: "datetime.timedelta"}
        thing = self.raw(names.get(type(value), type(value).__name__))
        self.worth[thing] = value
        return thing

    def key(self, text: str) -> Thing:
        """A str that serves as a key."""
        return self.of(text)

    def enum(self, name: str, value: Any, type: str = "app.State") -> Thing:
        """A member of an Enum."""
        self.cls(type, base="enum.Enum")
        return self.object(type, _name_=self.of(name), _value_=self.of(value))

    def weak(self, referent: Thing | None) -> Thing:
        """A weak reference; None for one whose referent is gone."""
        thing = self.raw("weakref.ReferenceType")
        return thing if referent is None else thing.hold(Ref.WEAK, referent)

    def read(self, rules: RuleSet, reveal: bool = False) -> dict[Thing, Session]:
        """What rules find, by object; ``uses`` holds what came of each rule."""
        graph = self.graph()
        table, self.uses = read_sessions(graph, FakeValues(graph, self), rules, reveal)
        thing_of = {node: thing for thing, node in graph.number.items()}
        assert table.node.tolist() == sorted(set(table.node.tolist()))
        return {thing_of[node]: _session(graph, table, row) for row, node in enumerate(table.node.tolist())}


class FakeValues:
    """Looks values up; node -1 is no object."""

    def __init__(self, graph: Graph, heap: Worth) -> None:
        self._of = {graph.number[thing]: value for thing, value in heap.worth.items()}
        self._numbers = {(graph.number[t], name): n for (t, name), n in heap.numbers.items()}

    def values(self, nodes: Int32s) -> Values:
        told = [self._value(node) for node in nodes.tolist()]
        return Values(np.array([t[0] for t in told], np.uint8), np.array([t[1] for t in told], np.float64))

    def _value(self, node: int) -> tuple[Value, float]:
        if node < 0:
            return Value.MISSING, math.nan
        return _judged(self._of[node]) if node in self._of else (Value.OBJECT, math.nan)

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        told = [self._numbers.get((node, field)) for node in nodes.tolist()]
        kinds = [Value.MISSING if n is None else Value.INT for n in told]
        return Values(np.array(kinds, np.uint8), np.array([math.nan if n is None else n for n in told], np.float64))

    def masks(self, nodes: Int32s) -> Addresses:
        return np.array([_mask(self._of.get(node)) for node in nodes.tolist()], np.uint64)

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        texts = [self._of.get(node) for node in nodes.tolist()]
        return np.array([wanted.index(t) if isinstance(t, str) and t in wanted else -1 for t in texts], np.int32)

    def short_texts(self, nodes: Int32s, longest: int) -> Int8s:
        texts = [self._of.get(node) for node in nodes.tolist()]
        raw = [text.encode("latin-1", "ignore") if isinstance(text, str) else b"" for text in texts]
        sound = [
            each if len(each) == len(text or "") <= longest else b"" for each, text in zip(raw, texts, strict=True)
        ]
        return np.array([list(each.ljust(longest, b"\0")) for each in sound], np.uint8).reshape(-1, longest)

    def text(self, node: int, limit: int = 200) -> str | None:
        value = self._of.get(node)
        return value[:limit] if isinstance(value, str) else None


def rules(*tables: dict[str, Any]) -> RuleSet:
    """The rules of some ``[[session]]`` tables, and no others; they must be without mistakes."""
    read = read_tables({"session": list(tables)}, "test")
    assert read.problems == ()
    return RuleSet(read.rules)


def rule(**keys: Any) -> RuleSet:
    """One rule for ``app.Session``; ``class_`` and ``except_`` stand for the keys of these names."""
    return rules({"name": "mine", "class": "app.Session", **{key.rstrip("_"): said for key, said in keys.items()}})


def mask_of(text: str) -> int:
    """How an id is stored."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big")


def _mask(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, bytes)) or len(str(value)) > LONGEST:
        return UNKNOWN_MASK
    return mask_of(value.decode() if isinstance(value, bytes) else str(value))


def _judged(value: Any) -> tuple[Value, float]:
    if value is None:
        return Value.NONE, math.nan
    if isinstance(value, datetime):
        aware = value.tzinfo is not None
        return (Value.AWARE if aware else Value.NAIVE), value.replace(tzinfo=value.tzinfo or timezone.utc).timestamp()
    if isinstance(value, timedelta):
        return Value.DURATION, value.total_seconds()
    for type_, kind in ((bool, Value.BOOL), (int, Value.INT), (float, Value.FLOAT)):
        if isinstance(value, type_):
            return kind, float(value)
    return (Value.TEXT if isinstance(value, str) else Value.BYTES), float(len(value))


def _session(graph: HeapGraph, table: Any, row: int) -> Session:
    def name(column: str) -> str | None:
        number = int(getattr(table, column)[row])
        return graph.names[number] if number >= 0 else None

    def number(column: str) -> float | None:
        told = float(getattr(table, column)[row])
        return None if math.isnan(told) else told

    mask = int(table.id[row])
    return Session(
        rule=name("rule") or "",
        id=None if mask == UNKNOWN_MASK else mask,
        id_text=name("id_name"),
        created=number("created"),
        created_from=name("created_from"),
        used=number("used"),
        expires=number("expires"),
        ttl=number("ttl"),
        state=name("state"),
        facts=Fact(int(table.facts[row])),
    )
