"""What objects of the JVM are worth to rules; fields that hold a number or nothing count as objects, too.

Such a field gets a number behind those of all objects, for as long as rules are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.classes import WIDTHS, Classes
from leakscope.formats.hprof.records import NUMBERS, REFERENCE, Records
from leakscope.formats.hprof.texts import Characters, Strings
from leakscope.graph.heap import Addresses, Floats, HeapGraph, Int8s, Int32s, Int64s
from leakscope.graph.kinds import Ref
from leakscope.graph.navigation import references_of
from leakscope.graph.values import UNKNOWN_MASK, Value, Values
from leakscope.kernels.hprof_ids import numbers_at

T = TypeVar("T")
_BOOLEAN, _FLOAT, _DOUBLE = 4, 6, 7
_BOXES = {
    "java.lang.Boolean": ("value", Value.BOOL), "java.lang.Byte": ("value", Value.INT),
    "java.lang.Short": ("value", Value.INT), "java.lang.Integer": ("value", Value.INT),
    "java.lang.Long": ("value", Value.INT), "java.lang.Float": ("value", Value.FLOAT),
    "java.lang.Double": ("value", Value.FLOAT), "java.util.concurrent.atomic.AtomicInteger": ("value", Value.INT),
    "java.util.concurrent.atomic.AtomicLong": ("value", Value.INT),
    "java.util.concurrent.atomic.AtomicBoolean": ("value", Value.BOOL), "java.util.Date": ("fastTime", Value.AWARE),
    "java.sql.Timestamp": ("fastTime", Value.AWARE),
}  # fmt: skip
"""Objects that are worth a number: the field in which it stands."""
_MOMENTS = {"java.time.Instant": Value.AWARE, "java.time.Duration": Value.DURATION}
"""Objects of ``seconds`` and ``nanos``."""
_SIZED = (Ref.KEY, Ref.INDEX, Ref.ITEM)


class JvmValues:
    """A ``ValueSource``. Times are epoch seconds where the JDK's own classes say them; bare numbers are as they are."""

    def __init__(self, records: Records, classes: Classes, strings: Strings, graph: HeapGraph) -> None:
        self._records = records
        self._strings = strings
        self._graph = graph
        self._plain = Values(np.empty(0, dtype=np.uint8), np.empty(0))
        self._nothing = -1
        self._boxed = _rows(classes, _BOXES)
        self._moment = _rows(classes, _MOMENTS)
        self._last: tuple[Int32s, Characters] | None = None

    def plain_fields(self, nodes: Int32s, name: str) -> Int32s:
        """By node: a number, behind those of objects, for its field ``name`` if that holds a number or nothing.

        -1 where it has no such field, or an object is in it.
        """
        found = np.full(len(nodes), -1, dtype=np.int32)
        if not self._strings.has_field(name):
            return found
        there = np.flatnonzero((nodes >= 0) & (nodes < self._graph.objects - len(self._graph.frames.node)))
        places, types = self._strings.field_places(nodes[there], name)
        numbers = (places >= 0) & (types != REFERENCE)
        values = self._numbers(places[numbers], types[numbers])
        found[there[numbers]] = self._added(values)
        referring = np.flatnonzero((places >= 0) & (types == REFERENCE))
        ids = numbers_at(self._records.data, places[referring], self._records.header.id_bytes)
        found[there[referring[ids == 0]]] = self._none()
        return found

    def values(self, nodes: Int32s) -> Values:
        """Kind and number of each node."""
        found = Values(np.full(len(nodes), Value.MISSING, dtype=np.uint8), np.full(len(nodes), np.nan))
        objects = self._graph.objects
        plain = np.flatnonzero(nodes >= objects)
        found.kind[plain] = self._plain.kind[nodes[plain] - objects]
        found.number[plain] = self._plain.number[nodes[plain] - objects]
        real = np.flatnonzero((nodes >= 0) & (nodes < objects - len(self._graph.frames.node)))
        found.kind[real] = Value.OBJECT
        self._texts(found, real, nodes)
        for row, (field, kind) in self._boxed.items():
            self._boxes(found, real[self._graph.type[nodes[real]] == row], nodes, field, kind)
        for row, kind in self._moment.items():
            self._moments(found, real[self._graph.type[nodes[real]] == row], nodes, kind)
        return found

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        """A field that holds a number, by its name (``fd`` of a FileDescriptor); ``len`` of collections and texts."""
        if field != "len":
            return self.values(self.plain_fields(nodes, field))
        found = Values(np.full(len(nodes), Value.MISSING, dtype=np.uint8), np.full(len(nodes), np.nan))
        there = np.flatnonzero((nodes >= 0) & (nodes < self._graph.objects))
        there = there[self._sized[self._graph.type[nodes[there]]]]
        used, where = np.unique(nodes[there], return_inverse=True)
        holder, position = references_of(self._graph, used)
        entries = holder[np.isin(self._graph.kind[position], _SIZED)]
        count = np.bincount(np.searchsorted(used, entries), minlength=len(used))
        found.kind[there] = Value.INT
        found.number[there] = count[where]
        return found

    def masks(self, nodes: Int32s) -> Addresses:
        """48-bit BLAKE2b masks of texts, and of whole numbers as decimal text."""
        there = np.flatnonzero((nodes >= 0) & (nodes < self._graph.objects - len(self._graph.frames.node)))
        texts = self._characters(nodes[there])
        self._last = None  # nobody asks a third time
        masks = known = self._strings.masks(texts)
        if len(there) < len(nodes):
            masks = np.full(len(nodes), UNKNOWN_MASK, dtype=np.uint64)
            masks[there] = known
        other = np.ones(len(nodes), dtype=np.bool_)
        other[there[texts.known]] = False
        rest = np.flatnonzero(other)
        values = self.values(nodes[rest])
        whole = rest[values.kind == Value.INT]
        different, where = np.unique(values.number[values.kind == Value.INT], return_inverse=True)
        masks[whole] = np.array([_mask(str(int(number))) for number in different.tolist()], dtype=np.uint64)[where]
        return masks

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        """By node: which of ``wanted`` it is, -1 none. Compared by mask, those of an impossible length not at all."""
        found = np.full(len(nodes), -1, dtype=np.int32)
        there = np.flatnonzero((nodes >= 0) & (nodes < self._graph.objects))
        texts = self._characters(nodes[there])
        lengths = {len(text.encode("utf-16-le", "surrogatepass")) // 2 for text in wanted}
        fit = np.flatnonzero(texts.known & np.isin(texts.length, list(lengths)))
        masks = self._strings.masks(type(texts)(texts.begin[fit], texts.length[fit], texts.coding[fit]))
        for number, text in reversed(list(enumerate(wanted))):
            found[there[fit[masks == np.uint64(_mask(text))]]] = number
        return found

    def short_texts(self, nodes: Int32s, longest: int) -> Int8s:
        """One row of ``longest`` bytes per node: the Latin-1 characters of a text, zeros behind them."""
        rows = np.zeros((len(nodes), longest), dtype=np.uint8)
        there = np.flatnonzero((nodes >= 0) & (nodes < self._graph.objects))
        texts = self._characters(nodes[there])
        for at in np.flatnonzero(texts.known & (texts.length <= longest)).tolist():
            text = self._strings.text(int(nodes[there[at]]), longest) or ""
            raw = text.encode("latin-1", "ignore")
            if len(raw) == len(text):
                rows[there[at], : len(raw)] = np.frombuffer(raw, dtype=np.uint8)
        return rows

    def text(self, node: int, limit: int = 200) -> str | None:
        """The first characters of one text."""
        return self._strings.text(node, limit) if 0 <= node < self._graph.objects else None

    def _characters(self, nodes: Int32s) -> Characters:
        """Where the texts stand: an id is asked what it is worth, then for its mask."""
        if self._last is None or not np.array_equal(nodes, self._last[0]):
            self._last = None  # before there are two
            self._last = nodes, self._strings.characters(nodes)
        return self._last[1]

    def _added(self, values: Values) -> Int32s:
        """New numbers for fields that hold ``values``; one for all where all hold the same."""
        count = len(values.kind)
        same = bool((values.number == values.number[:1]).all() and (values.kind == values.kind[:1]).all())
        new = Values(values.kind[:1], values.number[:1]) if same else values
        first = self._graph.objects + len(self._plain.kind)
        self._plain = Values(np.append(self._plain.kind, new.kind), np.append(self._plain.number, new.number))
        return np.full(count, first, dtype=np.int32) if same else np.arange(first, first + count, dtype=np.int32)

    def _none(self) -> int:
        if self._nothing < 0:
            one = Values(np.array([Value.NONE], dtype=np.uint8), np.array([np.nan]))
            self._nothing = int(self._added(one)[0])
        return self._nothing

    def _numbers(self, places: Int64s, types: Int8s) -> Values:
        """The numbers at these offsets of the dump."""
        kind = np.full(len(places), Value.INT, dtype=np.uint8)
        kind[types == _BOOLEAN] = Value.BOOL
        kind[np.isin(types, (_FLOAT, _DOUBLE))] = Value.FLOAT
        number = np.full(len(places), np.nan)
        for code, width in WIDTHS.items():
            of = types == code
            if of.any():
                number[of] = _read(numbers_at(self._records.data, places[of], width), code, width)
        return Values(kind, number)

    def _texts(self, found: Values, real: npt.NDArray[np.int64], nodes: Int32s) -> None:
        likely = real[self._strings.rows[self._graph.type[nodes[real]]]]
        texts = self._characters(nodes[likely])
        found.kind[likely[texts.known]] = Value.TEXT
        found.number[likely[texts.known]] = texts.length[texts.known]
        arrays = real[self._records["tag"][nodes[real]] == NUMBERS]
        place = self._records["place"][nodes[arrays]] + 5 + self._records.header.id_bytes
        is_bytes = self._records.data[place + 4] == 8
        found.kind[arrays[is_bytes]] = Value.BYTES
        found.number[arrays[is_bytes]] = numbers_at(self._records.data, place[is_bytes], 4)

    def _boxes(self, found: Values, entries: Int64s, nodes: Int32s, field: str, kind: Value) -> None:
        if not len(entries):
            return
        places, types = self._strings.field_places(nodes[entries], field)
        number = self._numbers(places, types).number
        number = number / 1000 if kind == Value.AWARE else number
        known = ~np.isnan(number)
        found.kind[entries[known]], found.number[entries[known]] = kind, number[known]

    def _moments(self, found: Values, entries: Int64s, nodes: Int32s, kind: Value) -> None:
        if not len(entries):
            return
        whole = self._numbers(*self._strings.field_places(nodes[entries], "seconds")).number
        rest = self._numbers(*self._strings.field_places(nodes[entries], "nanos")).number
        found.kind[entries], found.number[entries] = kind, whole + rest * 1e-9

    @cached_property
    def _sized(self) -> npt.NDArray[np.bool_]:
        """By type: whether its objects have a length."""
        entries = np.flatnonzero(np.isin(self._graph.kind, _SIZED))
        holding = np.unique(np.searchsorted(self._graph.first_ref, entries, side="right") - 1)
        sized = np.zeros(len(self._graph.types.name), dtype=np.bool_)
        sized[self._graph.type[holding]] = True
        return sized


def _rows(classes: Classes, known: Mapping[str, T]) -> dict[int, T]:
    return {row: known[name] for row, name in enumerate(classes.types.name) if name in known}


def _read(raw: Addresses, code: int, width: int) -> Floats:
    """Numbers from their bits."""
    if code == _FLOAT:
        return raw.astype(np.uint32).view(np.float32).astype(np.float64)
    if code == _DOUBLE:
        return raw.view(np.float64)
    signed = {1: np.int8, 2: np.int16, 4: np.int32, 8: np.int64}[width]
    return raw.astype(f"u{width}").view(signed).astype(np.float64)


def _mask(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big")
