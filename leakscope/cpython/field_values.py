"""Reads fields of a foreign heap for rules: a column of objects at a time, straight from the copied pages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from leakscope.cpython.c_numbers import NumberTable
from leakscope.cpython.layouts import DEBUG_OFFSETS_BYTES, Layout, layout_for, overlay_debug_offsets
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.native import inherited, native_types
from leakscope.cpython.objects import kernel_layout
from leakscope.cpython.zones import Zones
from leakscope.graph.heap import Addresses, HeapGraph, Int8s, Int32s, Int64s
from leakscope.graph.values import UNKNOWN_MASK, Value, Values
from leakscope.kernels.texts import match_texts, short_texts
from leakscope.kernels.values import Numbers, mask_values, places_of, read_values
from leakscope.target.image import MemoryImage

FORMS = {
    "NoneType": Value.NONE,
    "bool": Value.BOOL,
    "int": Value.INT,
    "float": Value.FLOAT,
    "str": Value.TEXT,
    "bytes": Value.BYTES,
    "datetime.datetime": Value.NAIVE,
    "datetime.timedelta": Value.DURATION,
}
"""What instances of these types and of their subclasses are worth. NAIVE: any datetime, until its zone is seen."""

_TIMEZONE = "datetime.timezone"
_MASKABLE = (Value.TEXT, Value.BYTES, Value.INT)


class HeapValues:
    """A ``graph.values.ValueSource`` of the heap that ``graph`` was read from.

    Raises UnsupportedTargetError as ``read_heap`` does; a graph that was read from this image never makes it.
    """

    def __init__(self, image: MemoryImage, graph: HeapGraph) -> None:
        self._graph = graph
        self._heap = HeapMemory(image, _layout(image))
        self._native = native_types(self._heap, graph)
        self._forms = _forms(graph, self._native)
        self._numbers = Numbers(self._heap.layout, kernel_layout(self._heap), self._timezone())
        self._zones = Zones(graph, self)
        self._fields = NumberTable(self._heap, graph, self._native)

    def values(self, nodes: Int32s) -> Values:
        """Kind and number of each node."""
        kind, number, zone, fold = read_values(self._heap.paged, self._numbers, self._places(nodes), self._form(nodes))
        self._zones.settle(kind, number, zone, fold)
        # Torn memory may say anything: what is longer than all of it is no text, and what is no number has none.
        too_long = np.isin(kind, (Value.TEXT, Value.BYTES)) & ~((number >= 0) & (number < self._heap.paged.size))
        kind[too_long] = Value.MISSING
        number[np.isin(kind, (Value.MISSING, Value.NONE, Value.OBJECT))] = np.nan
        return Values(kind, number)

    def c_numbers(self, nodes: Int32s, field: str) -> Values:
        """An integer that C code keeps in the object, by its name in ``c_numbers.py`` or in its type's members."""
        rows = self._graph.type[nodes]
        return self._fields.read(np.where(nodes >= 0, rows, -1).astype(np.int32), self._places(nodes), field)

    def masks(self, nodes: Int32s) -> Addresses:
        """48-bit BLAKE2b masks of TEXT, BYTES and INT (as decimal text); ``UNKNOWN_MASK`` for all others."""
        forms = self._form(nodes)
        wanted = np.flatnonzero(np.isin(forms, _MASKABLE))
        masks = np.full(len(nodes), UNKNOWN_MASK, np.uint64)
        masks[wanted] = mask_values(self._heap.paged, self._numbers, self._places(nodes[wanted]), forms[wanted])
        return masks

    def same_text(self, nodes: Int32s, wanted: list[str]) -> Int32s:
        """By node: which of ``wanted`` it is, -1 none."""
        texts = [np.array([ord(character) for character in text], np.uint32) for text in wanted]
        starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        characters = np.concatenate([*texts, np.zeros(1, np.uint32)])
        return match_texts(self._heap.paged, self._numbers, self._places_of_texts(nodes), characters, starts)

    def short_texts(self, nodes: Int32s, longest: int) -> Int8s:
        """One row of ``longest`` bytes per node: the Latin-1 characters of a short TEXT, zeros behind them."""
        return short_texts(self._heap.paged, self._numbers, self._places_of_texts(nodes), longest)

    def text(self, node: int, limit: int = 200) -> str | None:
        """The first characters of one TEXT; None for any other node."""
        if node < 0 or self._forms[self._graph.type[node]] != Value.TEXT:
            return None
        return self._heap.text(int(self._graph.address[node]), limit)

    def _form(self, nodes: Int32s) -> Int8s:
        forms: Int8s = self._forms[self._graph.type[nodes]]
        return np.where(nodes >= 0, forms, np.uint8(Value.MISSING)).astype(np.uint8)

    def _places(self, nodes: Int32s) -> Int64s:
        addresses = np.where(nodes >= 0, self._graph.address[nodes], np.uint64(1))  # no object is at an odd address
        return places_of(self._heap.paged, addresses.astype(np.uint64))

    def _places_of_texts(self, nodes: Int32s) -> Int64s:
        return np.where(self._form(nodes) == Value.TEXT, self._places(nodes), -1)

    def _timezone(self) -> int:
        """Address of the type ``datetime.timezone``; 0 where the module was never imported."""
        types = self._graph.types
        rows = [row for row, name in enumerate(types.name) if name == _TIMEZONE and self._native[row]]
        return int(self._graph.address[types.node[rows[0]]]) if rows else 0


def _layout(image: MemoryImage) -> Layout:
    layout = layout_for(image.version)
    if layout.runtime_debug_offsets < 0:
        return layout
    runtime = next((m.symbols["_PyRuntime"] for m in image.modules if "_PyRuntime" in m.symbols), 0)
    raw = HeapMemory(image, layout).read(runtime + layout.runtime_debug_offsets, DEBUG_OFFSETS_BYTES)
    return overlay_debug_offsets(layout, raw or b"")


def _forms(graph: HeapGraph, native: npt.NDArray[np.bool_]) -> Int8s:
    """By row of the types: what their instances are worth."""
    own = [FORMS.get(name, Value.OBJECT) if native[row] else Value.OBJECT for row, name in enumerate(graph.types.name)]
    return inherited(graph.types, np.array(own, np.int64), Value.OBJECT).astype(np.uint8)
