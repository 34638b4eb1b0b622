"""What one rule finds out about its sessions, a column at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import TypeAlias

import numpy as np

from leakscope.graph.heap import Addresses, Floats, Int32s, Sessions
from leakscope.graph.kinds import Fact
from leakscope.graph.values import UNKNOWN_MASK, Value, Values
from leakscope.sessions.clock import AHEAD_S, TIMES, Clock, Times, seconds
from leakscope.sessions.conditions import parse_condition
from leakscope.sessions.evaluation import holds
from leakscope.sessions.iso import with_texts_read
from leakscope.sessions.paths import Bools, Heap, Objects
from leakscope.sessions.registry import registered
from leakscope.sessions.rules import Field, Rule
from leakscope.sessions.states import CLOSED, CLOSING, OPEN, state_texts
from leakscope.sessions.steps import ITSELF, Name, Path, parse_path

UUID = "uuid.UUID"
UUID_NUMBER = Name("int")
LONGEST_ID = 200
LARGEST_EXACT = 1 << 53


_NUMBERS, _FLOATS = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.float64)
NO_SESSIONS = Sessions(
    _NUMBERS, _NUMBERS, np.empty(0, dtype=np.uint64), _NUMBERS, _FLOATS, _NUMBERS, _FLOATS, _FLOATS, _FLOATS,
    _NUMBERS, _NUMBERS,
)  # fmt: skip
"""A table without rows."""


class Names:
    """Numbers of texts in ``graph.names``, which grows; and how ids are shown."""

    def __init__(self, heap: Heap, reveal: bool) -> None:
        self._heap = heap
        self.reveal = reveal

    def number(self, text: str) -> int:
        """The index of ``text`` in ``graph.names``."""
        known, texts = self._heap.name_number, self._heap.graph.names
        if text not in known:
            known[text] = len(texts)
            texts.append(text)
        return known[text]

    def revealed(self, nodes: Int32s, values: Values) -> Int32s:
        """Numbers of the texts and of the integers among ``nodes`` as they are, -1 for others."""
        pairs = zip(nodes.tolist(), values.kind.tolist(), values.number.tolist(), strict=True)
        texts = [self._text(node, kind, number) for node, kind, number in pairs]
        return np.array([-1 if text is None else self.number(text) for text in texts], dtype=np.int32)

    def _text(self, node: int, kind: int, number: float) -> str | None:
        if kind == Value.INT and abs(number) < LARGEST_EXACT:
            return str(int(number))
        return self._heap.source.text(node, LONGEST_ID) if kind in (Value.TEXT, Value.INT) else None


@dataclass(frozen=True)
class Facts:
    """The sessions of one rule."""

    sessions: Sessions
    unread: tuple[str, ...]
    """Keys of the rule of which nothing was found in any of them."""


@dataclass(frozen=True)
class Found:
    """What one field leads to, for some of the sessions: parallel arrays."""

    field: Field
    entries: Int32s
    """Which sessions."""
    nodes: Int32s
    values: Values


Take: TypeAlias = Callable[[Found], Bools]
"""Enters what was found into columns, and says for which of the sessions that settles it."""


class Reader:
    """Reads what ``rule`` says about some objects of a heap."""

    def __init__(self, heap: Heap, names: Names, clock: Clock, rule: Rule) -> None:
        self._heap = heap
        self._names = names
        self._clock = clock
        self._rule = rule
        self._unread: list[str] = []

    def read(self, objects: Objects) -> Facts:
        """One row per object, in their order."""
        rule = self._rule
        mask, id_name = self._id(objects)
        created, created_from = self._times(objects, "created", rule.created)
        used, _ = self._times(objects, "used", rule.used)
        expires, _ = self._times(objects, "expires", rule.expires, AHEAD_S)
        ttl = self._ttl(objects)
        closed, closing = self._condition(objects, rule.closed), self._condition(objects, rule.closing)
        state = self._state(objects, closed, closing)
        facts = np.full(len(objects), Fact.GUESSED if rule.guess else 0, dtype=np.int32)
        for fact, mask_of_fact in (
            (Fact.CLOSED, closed if rule.closed else state == self._names.number(CLOSED)),
            (Fact.CLOSING, (closing if rule.closing else state == self._names.number(CLOSING)) & ~closed),
            (Fact.HEALTHY, self._condition(objects, rule.healthy)),
            (Fact.HOLDER_DEAD, self._silent(objects)),
            (Fact.UNREGISTERED, self._unregistered(objects)),
            (Fact.CREATED_IMPLAUSIBLE, created.implausible),
            (Fact.CREATED_AMBIGUOUS, created.ambiguous),
            (Fact.USED_IMPLAUSIBLE, used.implausible),
            (Fact.EXPIRES_IMPLAUSIBLE, expires.implausible),
        ):
            facts[mask_of_fact] |= fact
        table = Sessions(
            node=objects.nodes,
            rule=np.full(len(objects), self._names.number(rule.name), dtype=np.int32),
            id=mask,
            id_name=id_name,
            created=created.epoch,
            created_from=created_from,
            used=used.epoch,
            expires=self._end(created.epoch, used.epoch, expires.epoch, ttl),
            ttl=ttl,
            state=state,
            facts=facts,
        )
        return Facts(table, tuple(self._unread))

    def _first(self, objects: Objects, key: str, fields: tuple[Field, ...], take: Take) -> None:
        """Offer what each field leads to, for the entries that no field before it settled; ``take`` settles some."""
        left = np.arange(len(objects), dtype=np.int32)
        for field in fields:
            if not len(left):
                break
            part = objects if len(left) == len(objects) else Objects(self._heap, objects.nodes[left])
            path = self._path(field)
            nodes = part.at(path.steps)
            there = np.flatnonzero(nodes >= 0)
            if len(there):
                found = Found(field, left[there], nodes[there], self._heap.worth(nodes[there], path))
                left = np.delete(left, there[take(found)])
        if fields and len(left) == len(objects):
            self._unread.append(key)

    def _id(self, objects: Objects) -> tuple[Addresses, Int32s]:
        mask = np.full(len(objects), UNKNOWN_MASK, dtype=np.uint64)
        id_name = np.full(len(objects), -1, dtype=np.int32)

        def take(found: Found) -> Bools:
            nodes, values = found.nodes, found.values
            uuids = np.flatnonzero(self._heap.is_a(nodes, UUID))
            if len(uuids):
                nodes[uuids] = self._heap.step(nodes[uuids], UUID_NUMBER)
                values = self._heap.values(nodes)
            mask[found.entries] = self._heap.source.masks(nodes)
            if self._names.reveal:
                id_name[found.entries] = self._names.revealed(nodes, values)
            return np.isin(values.kind, (Value.TEXT, Value.BYTES, Value.INT))

        self._first(objects, "id", self._rule.id, take)
        return mask, id_name

    def _times(self, objects: Objects, key: str, fields: tuple[Field, ...], ahead: float = 0.0) -> tuple[Times, Int32s]:
        """Moments, and the number of the path that told each."""
        times = Times.unknown(len(objects))
        told_by = np.full(len(objects), -1, dtype=np.int32)

        def take(found: Found) -> Bools:
            values = with_texts_read(found.nodes, found.values, self._heap.source)
            moments = self._clock.times(values, found.field, ahead)
            told = np.isin(values.kind, TIMES)
            never = told & (key != "created") & ((values.number == 0) | (values.number == np.inf))
            said = told & ~never
            for column in ("epoch", "implausible", "ambiguous"):
                getattr(times, column)[found.entries[said]] = getattr(moments, column)[said]
            if told.any():
                told_by[found.entries[told]] = self._names.number(found.field.path or "")
            return told

        self._first(objects, key, fields, take)
        return times, told_by

    def _ttl(self, objects: Objects) -> Floats:
        ttl = np.full(len(objects), np.nan)

        def take(found: Found) -> Bools:
            ttl[found.entries] = seconds(found.values, found.field)
            known: Bools = ~np.isnan(ttl[found.entries])
            return known

        read = tuple(takewhile(lambda field: field.constant is None, self._rule.ttl))
        self._first(objects, "ttl", read, take)
        if len(read) == len(self._rule.ttl):
            return ttl
        self._unread = [key for key in self._unread if key != "ttl"]
        constant = self._rule.ttl[len(read)].constant
        return np.where(np.isnan(ttl), np.nan if constant is None else constant, ttl)

    def _end(self, created: Floats, used: Floats, expires: Floats, ttl: Floats) -> Floats:
        """When the time is over: what a field says, else time to live after creation or last use."""
        since = created if self._rule.ttl_from == "created" else np.where(np.isnan(used), created, used)
        return np.where(np.isnan(expires), since + ttl, expires)

    def _state(self, objects: Objects, closed: Bools, closing: Bools) -> Int32s:
        rule, number = self._rule, self._names.number
        state = np.full(len(objects), -1, dtype=np.int32)

        def take(found: Found) -> Bools:
            nodes = None if self._path(found.field).number else found.nodes
            state[found.entries] = state_texts(self._heap, found.values, nodes, dict(rule.states), number)
            known: Bools = state[found.entries] >= 0
            return known

        self._first(objects, "state", rule.state, take)
        if rule.closed or rule.closing:
            state[(state < 0) & ~closed & ~closing] = number(OPEN)
        state[(state < 0) & closing] = number(CLOSING)
        state[closed] = number(CLOSED)
        return state

    def _condition(self, objects: Objects, text: str) -> Bools:
        if not text:
            return np.zeros(len(objects), dtype=np.bool_)
        return holds(objects, parse_condition(text, bool(self._rule.keys)))

    def _silent(self, objects: Objects) -> Bools:
        """Whose heartbeat is older than the rule allows."""
        beats, _ = self._times(objects, "heartbeat", self._rule.heartbeat)
        limit = self._rule.heartbeat_timeout
        silent: Bools = self._clock.ago(beats.epoch) > (np.inf if limit is None else limit)
        return silent

    def _unregistered(self, objects: Objects) -> Bools:
        none = np.zeros(len(objects), dtype=np.bool_)
        if not self._rule.registry or not len(objects):
            return none
        found = registered(self._heap, self._rule.registry, objects.nodes)
        if found is None:
            self._unread.append("registry")
            return none
        return ~found

    def _path(self, field: Field) -> Path:
        return parse_path(field.path or ITSELF, bool(self._rule.keys))
