"""Who refers to whom: one pass over all objects, by the layout of their builtin base.

What has no exact layout is read word by word, and where C code may hide
references in memory of its own, one malloc block further. Counts and pointers
are the foreign heap's: checked before they are used.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.blocks import Blocks
from cython.cimports.leakscope.kernels.containers import deque, dictionary, hash_set, shared_keys, shared_values
from cython.cimports.leakscope.kernels.frames import frame_object, generator, running_frame
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Objects
from cython.cimports.leakscope.kernels.sink import Sink

from leakscope.kernels import _columns, _shapes

# graph.kinds.Ref and _shapes, as C integers.
ATTR = cython.declare(cython.int, 1)
INDEX = cython.declare(cython.int, 3)
TYPE = cython.declare(cython.int, 9)
DICT = cython.declare(cython.int, 10)
C_FIELD = cython.declare(cython.int, 11)
WEAK = cython.declare(cython.int, 13)
UNKNOWN_WORD = cython.declare(cython.int, _shapes.UNKNOWN_WORD)
TUPLE_SHAPE = cython.declare(cython.int, _shapes.Shape.TUPLE)
LIST_SHAPE = cython.declare(cython.int, _shapes.Shape.LIST)
DICT_SHAPE = cython.declare(cython.int, _shapes.Shape.DICT)
SET_SHAPE = cython.declare(cython.int, _shapes.Shape.SET)
DEQUE_SHAPE = cython.declare(cython.int, _shapes.Shape.DEQUE)
TYPE_SHAPE = cython.declare(cython.int, _shapes.Shape.TYPE)
FRAME_SHAPE = cython.declare(cython.int, _shapes.Shape.FRAME)
GENERATOR_SHAPE = cython.declare(cython.int, _shapes.Shape.GENERATOR)
RUNNING_FRAME_SHAPE = cython.declare(cython.int, _shapes.Shape.RUNNING_FRAME)
COUNTS_TYPE = cython.declare(cython.int, _shapes.Trait.COUNTS_TYPE)
MANAGED_DICT = cython.declare(cython.int, _shapes.Trait.MANAGED_DICT)
INLINE_VALUES = cython.declare(cython.int, _shapes.Trait.INLINE_VALUES)
SCANS_ITEMS = cython.declare(cython.int, _shapes.Trait.SCANS_ITEMS)
C_SHAPE = cython.declare(cython.int, _shapes.Column.SHAPE)
C_TRAITS = cython.declare(cython.int, _shapes.Column.TRAITS)
C_BASIC = cython.declare(cython.int, _shapes.Column.BASIC)
C_ITEM = cython.declare(cython.int, _shapes.Column.ITEM)
C_DICT_OFFSET = cython.declare(cython.int, _shapes.Column.DICT_OFFSET)
C_WORDS_FROM = cython.declare(cython.int, _shapes.Column.WORDS_FROM)
C_WORDS_TO = cython.declare(cython.int, _shapes.Column.WORDS_TO)
C_COUNT = cython.declare(cython.int, _shapes.Column.COUNT)
C_LABELS = cython.declare(cython.int, _shapes.Column.LABELS)
C_CACHED_KEYS = cython.declare(cython.int, _shapes.Column.CACHED_KEYS)


@cython.final
@cython.cclass
class ReferenceReader:
    """Reads the references of objects; one reader per thread.

    ``offsets`` int64 and ``rows`` int32 per object; ``types`` int64[types, Column];
    ``word_label`` int32 and ``word_kind`` uint8: what the words of each type are;
    ``frame_label`` int32[5]: names for a frame's func, code, locals, frame object, and a frame object's frame;
    ``states`` uint64: addresses of the state of modules.
    """

    sink: Sink
    blocks: Blocks
    offsets: cython.longlong[::1]
    rows: cython.int[::1]
    types: cython.longlong[:, ::1]
    word_label: cython.int[::1]
    word_kind: cython.uchar[::1]

    def __init__(
        self, objects: Objects, layout: Layout, offsets, rows, pages, types, word_label, word_kind, frame_label, states
    ):
        self.sink = Sink(objects, layout, pages, frame_label)
        self.blocks = Blocks(self.sink, states)
        self.offsets = offsets
        self.rows = rows
        self.types = types
        self.word_label = word_label
        self.word_kind = word_kind

    def read(self, start, stop):
        """References of objects ``[start, stop)``: ``(counts int32, targets int32, kinds uint8, labels int32)``."""
        counts = _columns.empty(stop - start, np.int32)
        out: cython.int[::1] = counts
        first: cython.Py_ssize_t = start
        i: cython.Py_ssize_t
        before: cython.Py_ssize_t
        with cython.nogil:
            for i in range(out.shape[0]):
                before = self.sink.count
                self.read_object(first + i)
                out[i] = cython.cast(cython.int, self.sink.count - before)
        return counts, *self.sink.taken()

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def read_object(self, node: cython.Py_ssize_t) -> cython.void:
        place: cython.longlong = self.offsets[node]
        row: cython.int = self.rows[node]
        shape: cython.longlong = self.types[row, C_SHAPE]
        traits: cython.longlong = self.types[row, C_TRAITS]
        if shape == TUPLE_SHAPE:
            self.sink.items(place + self.sink.layout.tuple_items, self.sink.memory.at(place + 16), INDEX)
        elif shape == LIST_SHAPE:
            self.sink.array(
                self.sink.memory.at(place + self.sink.layout.list_items),
                self.sink.memory.at(place + self.sink.layout.list_size),
            )
        elif shape == DICT_SHAPE:
            dictionary(self.sink, place)
        elif shape == SET_SHAPE:
            hash_set(self.sink, place)
        elif shape == DEQUE_SHAPE:
            deque(self.sink, place)
        elif shape == TYPE_SHAPE:
            shared_keys(self.sink, place)
        elif shape == FRAME_SHAPE:
            frame_object(self.sink, place)
        elif shape == GENERATOR_SHAPE:
            generator(self.sink, place)
        elif shape == RUNNING_FRAME_SHAPE:
            running_frame(self.sink, place)
            return
        if self.types[row, C_WORDS_TO] > self.types[row, C_WORDS_FROM]:
            self.fields(place, row, traits)
        if traits & MANAGED_DICT:
            self.managed_attributes(place, row, traits)
        elif self.types[row, C_DICT_OFFSET]:
            self.instance_dict(place, row)
        if traits & COUNTS_TYPE:
            self.sink.emit(self.sink.memory.at(place + 8), TYPE, -1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def fields(self, place: cython.longlong, row: cython.int, traits: cython.longlong) -> cython.void:
        """The words of the fixed part that no shape has read, and the items where they may be pointers."""
        base: cython.longlong = self.types[row, C_LABELS]
        offset: cython.longlong = self.types[row, C_WORDS_FROM]
        end: cython.longlong = self.types[row, C_WORDS_TO]
        label: cython.int
        kind: cython.int
        if (
            self.types[row, C_SHAPE] == TYPE_SHAPE
            and not self.sink.memory.at(place + self.sink.layout.type_flags) & self.sink.layout.flag_heaptype
        ):
            end = self.sink.layout.type_sizeof  # a static type is the shorter struct
        self.blocks.owner = self.sink.address_of(place)
        while offset < end:
            label = self.word_label[base + (offset >> 3)]
            if label >= 0:
                kind = self.word_kind[base + (offset >> 3)]
                if kind in (DICT, WEAK):
                    label = -1
                self.sink.emit(self.sink.memory.at(place + offset), kind, label)
            elif label == UNKNOWN_WORD:
                self.blocks.word(self.sink.memory.at(place + offset), cython.cast(cython.int, offset), traits, 0)
            offset += 8
        if traits & SCANS_ITEMS:
            self.sink.items(place + self.types[row, C_BASIC], self.sink.memory.at(place + 16), C_FIELD)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def managed_attributes(self, place: cython.longlong, row: cython.int, traits: cython.longlong) -> cython.void:
        """3.11 to 3.13 keep the dict, or the bare values, in front of the object or at its end."""
        keys: cython.ulonglong = cython.cast(cython.ulonglong, self.types[row, C_CACHED_KEYS])
        word: cython.ulonglong
        inner: cython.longlong
        if place < 32:
            return
        if self.sink.layout.instance_dict_or_values != -1:
            word = self.sink.memory.at(place + self.sink.layout.instance_dict_or_values)
            if word & 1:
                shared_values(self.sink, keys, word + 1, ATTR)
            else:
                self.sink.emit(word, DICT, -1)
            return
        if self.sink.layout.instance_values_ptr != -1:
            word = self.sink.memory.at(place + self.sink.layout.instance_values_ptr)
            if word:
                shared_values(self.sink, keys, word, ATTR)
        elif traits & INLINE_VALUES:
            inner = place + self.types[row, C_BASIC]
            if inner + 16 <= self.sink.memory.size and self.sink.memory.byte(inner + self.sink.layout.dictvalues_valid):
                shared_values(
                    self.sink,
                    keys,
                    self.sink.address_of(place) + self.types[row, C_BASIC] + self.sink.layout.dictvalues_values,
                    ATTR,
                )
        self.sink.emit(self.sink.memory.at(place + self.sink.layout.instance_managed_dict), DICT, -1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def instance_dict(self, place: cython.longlong, row: cython.int) -> cython.void:
        offset: cython.longlong = self.types[row, C_DICT_OFFSET]
        items: cython.longlong
        if offset < 0:
            # Variable-sized: counted from the object's end (typeobject.c, _PyObject_DictPointer).
            items = cython.cast(cython.longlong, self.sink.memory.at(place + 16))
            if self.sink.layout.long_tag >= 0 and self.types[row, C_COUNT] == 2:
                items = items >> 3
            if items < 0:
                items = -items
            offset += (self.types[row, C_BASIC] + items * self.types[row, C_ITEM] + 7) & ~7
        if offset < 16 or place + offset + 8 > self.sink.memory.size or (offset & 7):
            return
        self.sink.emit(self.sink.memory.at(place + offset), DICT, -1)
