"""Who refers to whom: one pass over all objects, by the layout of their builtin base.

The layouts are CPython's (dictobject.c, setobject.c, _collectionsmodule.c,
frameobject.c, pycore_frame.h, genobject.c of 3.10 to 3.13); their numbers come
with the ``layout`` argument. What has no exact layout is read word by word, and
where C code may hide references in memory of its own, one malloc block further.
Counts and pointers are the foreign heap's: checked before they are used.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Memory, Objects

from leakscope.kernels import _shapes

# graph.kinds.Ref and _shapes, as C integers.
INTERNAL = cython.declare(cython.int, 0)
ATTR = cython.declare(cython.int, 1)
KEY = cython.declare(cython.int, 2)
INDEX = cython.declare(cython.int, 3)
ITEM = cython.declare(cython.int, 4)
DICT_KEY = cython.declare(cython.int, 5)
LOCAL = cython.declare(cython.int, 6)
CELL = cython.declare(cython.int, 7)
STACK = cython.declare(cython.int, 8)
TYPE = cython.declare(cython.int, 9)
DICT = cython.declare(cython.int, 10)
C_FIELD = cython.declare(cython.int, 11)
UNRESOLVED = cython.declare(cython.int, _shapes.UNRESOLVED)
UNKNOWN_WORD = cython.declare(cython.int, _shapes.UNKNOWN_WORD)
IGNORED_WORD = cython.declare(cython.int, _shapes.IGNORED_WORD)
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
FOLLOWS = cython.declare(cython.int, _shapes.Trait.FOLLOWS)
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

POOL_BYTES = cython.declare(cython.int, 16384)  # obmalloc.c, 3.10 to 3.13: POOL_BITS is 14
POOL_HEAD = cython.declare(cython.int, 48)
BLOCK_LIMIT = cython.declare(cython.int, 1 << 24)
BLOCK_DEPTH = cython.declare(cython.int, 4)
FRAME_WORDS_LIMIT = cython.declare(cython.int, 1 << 16)
DEQUE_BLOCK_ITEMS = cython.declare(cython.int, 64)


@cython.final
@cython.cclass
class ReferenceReader:
    """Reads the references of objects ``[start, stop)``; one reader per thread.

    ``offsets`` int64 and ``rows`` int32 per object; ``types`` int64[types, Column];
    ``word_label`` int32 and ``word_kind`` uint8: what the words of each type are;
    ``frame_label`` int32[5]: names for a frame's func, code, locals, frame object, and a frame object's frame.
    """

    objects: Objects
    memory: Memory
    layout: Layout
    offsets: cython.longlong[::1]
    rows: cython.int[::1]
    pages: cython.ulonglong[::1]
    types: cython.longlong[:, ::1]
    word_label: cython.int[::1]
    word_kind: cython.uchar[::1]
    frame_label: cython.int[::1]
    claimed: cython.uchar[::1]
    targets: cython.int[::1]
    kinds: cython.uchar[::1]
    labels: cython.int[::1]
    count: cython.Py_ssize_t
    room: cython.Py_ssize_t
    _targets: object
    _kinds: object
    _labels: object

    def __init__(
        self,
        objects: Objects,
        layout: Layout,
        offsets,
        rows,
        pages,
        types,
        word_label,
        word_kind,
        frame_label,
    ):
        self.objects = objects
        self.memory = objects.memory
        self.layout = layout
        self.offsets = offsets
        self.rows = rows
        self.pages = pages
        self.types = types
        self.word_label = word_label
        self.word_kind = word_kind
        self.frame_label = frame_label
        self.claimed = np.zeros((self.memory.size >> 7) + 1, dtype=np.uint8)

    def read(self, start, stop):
        """Returns ``(counts int64[stop - start], targets int32, kinds uint8, labels int32)``.

        Every reference comes from a word of its own in the copied memory, so
        the words bound their number; untouched pages of the result cost nothing.
        """
        room = self.memory.size // 8 + 1
        self._targets = np.empty(room, dtype=np.int32)
        self._kinds = np.empty(room, dtype=np.uint8)
        self._labels = np.empty(room, dtype=np.int32)
        self.targets = self._targets
        self.kinds = self._kinds
        self.labels = self._labels
        self.room = room
        self.count = 0
        counts = np.empty(stop - start, dtype=np.int64)
        out: cython.longlong[::1] = counts
        first: cython.Py_ssize_t = start
        i: cython.Py_ssize_t
        before: cython.Py_ssize_t
        with cython.nogil:
            for i in range(out.shape[0]):
                before = self.count
                self.read_object(first + i)
                out[i] = self.count - before
        n = self.count
        return counts, self._targets[:n].copy(), self._kinds[:n].copy(), self._labels[:n].copy()

    # -- emitting -----------------------------------------------------------------------------

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def emit_node(self, node: cython.int, kind: cython.int, label: cython.int) -> cython.void:
        if node < 0 or self.count >= self.room:
            return
        self.targets[self.count] = node
        self.kinds[self.count] = kind
        self.labels[self.count] = label
        self.count += 1

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def emit(self, address: cython.ulonglong, kind: cython.int, label: cython.int) -> cython.bint:
        node: cython.int
        if address < 4096:
            return False
        node = self.objects.node(address)
        self.emit_node(node, kind, label)
        return node >= 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def at(self, offset: cython.longlong) -> cython.ulonglong:
        return self.memory.words[offset >> 3]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def signed32(self, offset: cython.longlong) -> cython.longlong:
        return cython.cast(cython.pointer(cython.int), self.memory.bytes + offset)[0]

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def address_of(self, offset: cython.longlong) -> cython.ulonglong:
        return self.pages[offset >> 12] + cython.cast(cython.ulonglong, offset & 4095)

    # -- one object ---------------------------------------------------------------------------

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def read_object(self, node: cython.Py_ssize_t) -> cython.void:
        place: cython.longlong = self.offsets[node]
        row: cython.int = self.rows[node]
        shape: cython.longlong = self.types[row, C_SHAPE]
        traits: cython.longlong = self.types[row, C_TRAITS]
        if shape == TUPLE_SHAPE:
            self.items(place + self.layout.tuple_items, self.at(place + 16), INDEX)
        elif shape == LIST_SHAPE:
            self.array(self.at(place + self.layout.list_items), self.at(place + self.layout.list_size))
        elif shape == DICT_SHAPE:
            self.dictionary(place)
        elif shape == SET_SHAPE:
            self.hash_set(place)
        elif shape == DEQUE_SHAPE:
            self.deque(place)
        elif shape == TYPE_SHAPE:
            self.shared_keys(place)
        elif shape == FRAME_SHAPE:
            self.frame_object(place)
        elif shape == GENERATOR_SHAPE:
            self.generator(place)
        elif shape == RUNNING_FRAME_SHAPE:
            self.running_frame(place)
            return
        if self.types[row, C_WORDS_TO] > self.types[row, C_WORDS_FROM]:
            self.fields(place, row, traits)
        if traits & MANAGED_DICT:
            self.managed_attributes(place, row, traits)
        elif self.types[row, C_DICT_OFFSET]:
            self.instance_dict(place, row)
        if traits & COUNTS_TYPE:
            self.emit(self.at(place + 8), TYPE, -1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def fields(self, place: cython.longlong, row: cython.int, traits: cython.longlong) -> cython.void:
        """The words of the fixed part that no shape has read, and the items where they may be pointers."""
        base: cython.longlong = self.types[row, C_LABELS]
        offset: cython.longlong = self.types[row, C_WORDS_FROM]
        end: cython.longlong = self.types[row, C_WORDS_TO]
        label: cython.int
        if (
            self.types[row, C_SHAPE] == TYPE_SHAPE
            and not self.at(place + self.layout.type_flags) & self.layout.flag_heaptype
        ):
            end = self.layout.type_sizeof  # a static type is the shorter struct
        while offset < end:
            label = self.word_label[base + (offset >> 3)]
            if label >= 0:
                self.emit(self.at(place + offset), self.word_kind[base + (offset >> 3)], label)
            elif label == UNKNOWN_WORD:
                self.word(self.at(place + offset), cython.cast(cython.int, offset), traits, 0)
            offset += 8
        if traits & SCANS_ITEMS:
            self.items(place + self.types[row, C_BASIC], self.at(place + 16), C_FIELD)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def word(
        self, address: cython.ulonglong, label: cython.int, traits: cython.longlong, depth: cython.int
    ) -> cython.void:
        if not self.emit(address, C_FIELD, label) and traits & FOLLOWS and depth < BLOCK_DEPTH:
            self.block(address, traits, depth)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def items(self, place: cython.longlong, length: cython.ulonglong, kind: cython.int) -> cython.void:
        """Inline items; that they fit was checked when the object was accepted."""
        i: cython.longlong
        end: cython.longlong = cython.cast(cython.longlong, length)
        if end < 0 or place + end * 8 > self.memory.size:
            return
        for i in range(end):
            self.emit(self.at(place + i * 8), kind, cython.cast(cython.int, i))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def array(self, address: cython.ulonglong, length: cython.ulonglong) -> cython.void:
        place: cython.longlong
        if length == 0 or length > cython.cast(cython.ulonglong, self.room) or address & 7:
            return
        place = self.memory.span(address, length * 8)
        if place >= 0:
            self.items(place, length, INDEX)

    # -- dicts, sets, deques --------------------------------------------------------------------

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def entries(
        self,
        keys: cython.ulonglong,
        count: cython.pointer(cython.longlong),
        stride: cython.pointer(cython.longlong),
    ) -> cython.longlong:
        """Offset of a keys object's first entry, -1 if it is torn; ``count`` and ``stride`` of entries."""
        place: cython.longlong
        index_bytes: cython.ulonglong
        size: cython.ulonglong
        used: cython.ulonglong
        if keys & 7:
            return -1
        place = self.memory.span(keys, self.layout.dictkeys_indices)
        if place < 0:
            return -1
        used = self.at(place + self.layout.dictkeys_nentries)
        stride[0] = 24
        if self.layout.dictkeys_size >= 0:
            size = self.at(place + self.layout.dictkeys_size)
            index_bytes = size if size <= 0xFF else size * 2 if size <= 0xFFFF else size * 4
        else:
            if self.memory.bytes[place + self.layout.dictkeys_kind]:
                stride[0] = 16
            index_bytes = self.memory.bytes[place + self.layout.dictkeys_log2_index_bytes]
            if index_bytes > 40:
                return -1
            index_bytes = cython.cast(cython.ulonglong, 1) << index_bytes
        if used > cython.cast(cython.ulonglong, self.room) or index_bytes > cython.cast(
            cython.ulonglong, self.memory.size
        ):
            return -1
        count[0] = cython.cast(cython.longlong, used)
        keys += self.layout.dictkeys_indices + index_bytes
        return (
            self.memory.span(keys, used * stride[0])
            if used
            else self.memory.where(keys & ~cython.cast(cython.ulonglong, 7))
        )

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def dictionary(self, place: cython.longlong) -> cython.void:
        keys: cython.ulonglong = self.at(place + self.layout.dict_keys)
        values: cython.ulonglong = self.at(place + self.layout.dict_values)
        count: cython.longlong = 0
        stride: cython.longlong = 24
        entry: cython.longlong
        key: cython.int
        value: cython.ulonglong
        i: cython.longlong
        if values:
            # 3.13: values that are part of the instance are the instance's to show.
            if self.layout.dictvalues_embedded >= 0:
                entry = self.memory.where(values)
                if entry < 0 or self.memory.bytes[entry + self.layout.dictvalues_embedded]:
                    return
            self.values(keys, values + cython.cast(cython.ulonglong, max(0, self.layout.dictvalues_values)), KEY)
            return
        entry = self.entries(keys, cython.address(count), cython.address(stride))
        if entry < 0:
            return
        for i in range(count):
            value = self.at(entry + stride - 8)
            if value:
                key = self.objects.node(self.at(entry + stride - 16))
                self.emit_node(key, DICT_KEY, -1)
                self.emit(value, KEY | UNRESOLVED, key)
            entry += stride

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def values(self, keys: cython.ulonglong, values: cython.ulonglong, kind: cython.int) -> cython.void:
        """The values of a split dict or an instance, whose keys are shared by its class."""
        count: cython.longlong = 0
        stride: cython.longlong = 24
        entry: cython.longlong = self.entries(keys, cython.address(count), cython.address(stride))
        place: cython.longlong
        value: cython.ulonglong
        i: cython.longlong
        if entry < 0 or count == 0 or values & 7:
            return
        place = self.memory.span(values, cython.cast(cython.ulonglong, count) * 8)
        if place < 0:
            return
        for i in range(count):
            value = self.at(place + i * 8)
            if value:
                self.emit(value, kind | UNRESOLVED, self.objects.node(self.at(entry + i * stride + stride - 16)))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def shared_keys(self, place: cython.longlong) -> cython.void:
        """A heap type owns the attribute names that its instances share."""
        count: cython.longlong = 0
        stride: cython.longlong = 24
        entry: cython.longlong
        i: cython.longlong
        keys: cython.ulonglong
        if not self.at(place + self.layout.type_flags) & self.layout.flag_heaptype:
            return
        keys = self.at(place + self.layout.heaptype_cached_keys)
        entry = self.entries(keys, cython.address(count), cython.address(stride)) if keys else -1
        if entry < 0:
            return
        for i in range(count):
            self.emit(self.at(entry + i * stride + stride - 16), DICT_KEY, -1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def hash_set(self, place: cython.longlong) -> cython.void:
        slots: cython.ulonglong = self.at(place + self.layout.set_mask) + 1
        table: cython.ulonglong = self.at(place + self.layout.set_table)
        entry: cython.longlong
        i: cython.longlong
        if slots == 0 or slots > cython.cast(cython.ulonglong, self.room) or table & 7:
            return
        entry = self.memory.span(table, slots * 16)
        if entry < 0:
            return
        for i in range(cython.cast(cython.longlong, slots)):
            # A deleted entry holds a dummy key and the hash -1, which no object has.
            if self.at(entry + 8) != ~cython.cast(cython.ulonglong, 0):
                self.emit(self.at(entry), ITEM, -1)
            entry += 16

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def deque(self, place: cython.longlong) -> cython.void:
        left: cython.ulonglong = self.at(place + self.layout.deque_leftindex)
        length: cython.ulonglong = self.at(place + 16)
        block: cython.ulonglong = self.at(place + self.layout.deque_leftblock)
        at: cython.longlong
        i: cython.longlong
        if left >= cython.cast(cython.ulonglong, DEQUE_BLOCK_ITEMS) or length > cython.cast(
            cython.ulonglong, self.room
        ):
            return
        at = -1 if block & 7 else self.memory.span(block, self.layout.deque_block_sizeof)
        for i in range(cython.cast(cython.longlong, length)):
            if at < 0:
                return
            self.emit(
                self.at(at + self.layout.deque_block_data + cython.cast(cython.longlong, left) * 8),
                INDEX,
                cython.cast(cython.int, i),
            )
            left += 1
            if left == cython.cast(cython.ulonglong, DEQUE_BLOCK_ITEMS):
                left = 0
                block = self.at(at + self.layout.deque_block_rightlink)
                at = -1 if block & 7 else self.memory.span(block, self.layout.deque_block_sizeof)

    # -- instance attributes ----------------------------------------------------------------------

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
        if self.layout.instance_dict_or_values != -1:
            word = self.at(place + self.layout.instance_dict_or_values)
            if word & 1:
                self.values(keys, word + 1, ATTR)
            else:
                self.emit(word, DICT, -1)
            return
        if self.layout.instance_values_ptr != -1:
            word = self.at(place + self.layout.instance_values_ptr)
            if word:
                self.values(keys, word, ATTR)
        elif traits & INLINE_VALUES:
            inner = place + self.types[row, C_BASIC]
            if inner + 16 <= self.memory.size and self.memory.bytes[inner + self.layout.dictvalues_valid]:
                self.values(
                    keys,
                    self.address_of(place) + self.types[row, C_BASIC] + self.layout.dictvalues_values,
                    ATTR,
                )
        self.emit(self.at(place + self.layout.instance_managed_dict), DICT, -1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def instance_dict(self, place: cython.longlong, row: cython.int) -> cython.void:
        offset: cython.longlong = self.types[row, C_DICT_OFFSET]
        items: cython.longlong
        if offset < 0:
            # Variable-sized: counted from the object's end (typeobject.c, _PyObject_DictPointer).
            items = cython.cast(cython.longlong, self.at(place + 16))
            if self.layout.long_tag >= 0 and self.types[row, C_COUNT] == 2:
                items = items >> 3
            if items < 0:
                items = -items
            offset += (self.types[row, C_BASIC] + items * self.types[row, C_ITEM] + 7) & ~7
        if offset < 16 or place + offset + 8 > self.memory.size or (offset & 7):
            return
        self.emit(self.at(place + offset), DICT, -1)

    # -- frames -----------------------------------------------------------------------------------

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def generator(self, place: cython.longlong) -> cython.void:
        state: cython.uchar
        if self.layout.generator_iframe < 0:
            return
        state = self.memory.bytes[place + self.layout.generator_frame_state]
        if state == 0 or state >= 128:  # executing, or negative: created, suspended
            self.running_frame(place + self.layout.generator_iframe)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def frame_object(self, place: cython.longlong) -> cython.void:
        owned: cython.ulonglong
        if self.layout.frame_interp_frame < 0:
            self.frame_of_310(place)
            return
        owned = self.at(place + self.layout.frame_interp_frame)
        if owned == self.address_of(place) + self.layout.frame_frame_data:
            self.running_frame(place + self.layout.frame_frame_data)
        elif owned and not self.emit(owned, INTERNAL, self.frame_label[4]) and self.layout.generator_iframe >= 0:
            # The frame of a generator lies inside the generator object.
            self.emit(owned - self.layout.generator_iframe, INTERNAL, self.frame_label[4])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def running_frame(self, place: cython.longlong) -> cython.void:
        """An interpreter frame of 3.11+: on a thread's data stack, in a generator, or in a frame object."""
        code: cython.longlong
        names: cython.ulonglong
        kinds: cython.ulonglong
        total: cython.longlong
        top: cython.longlong
        if place + self.layout.iframe_localsplus > self.memory.size:
            return
        self.emit(self.at(place + self.layout.iframe_func), INTERNAL, self.frame_label[0])
        self.emit(self.at(place + self.layout.iframe_code), INTERNAL, self.frame_label[1])
        self.emit(self.at(place + self.layout.iframe_locals), INTERNAL, self.frame_label[2])
        self.emit(self.at(place + self.layout.iframe_frame_obj), INTERNAL, self.frame_label[3])
        code = self.memory.span(self.at(place + self.layout.iframe_code), self.layout.code_localspluskinds + 8)
        if code < 0 or self.objects.node_at_offset(code) < 0:
            return
        total = self.signed32(code + self.layout.code_nlocalsplus)
        names = self.at(code + self.layout.code_localsplusnames)
        kinds = self.at(code + self.layout.code_localspluskinds)
        top = self.signed32(place + self.layout.iframe_stacktop)
        if total < 0 or total > FRAME_WORDS_LIMIT:
            return
        self.locals(place + self.layout.iframe_localsplus, names, kinds, total)
        if top >= total:
            self.stack(place + self.layout.iframe_localsplus + total * 8, top - total, STACK)
        elif top < 0:
            self.stack(
                place + self.layout.iframe_localsplus + total * 8,
                self.signed32(code + self.layout.code_stacksize),
                STACK | UNRESOLVED,
            )

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def locals(
        self, place: cython.longlong, names: cython.ulonglong, kinds: cython.ulonglong, total: cython.longlong
    ) -> cython.void:
        name: cython.longlong = self.memory.span(
            names + self.layout.tuple_items, cython.cast(cython.ulonglong, total) * 8
        )
        flag: cython.longlong = self.memory.span(kinds + self.layout.bytes_sval, cython.cast(cython.ulonglong, total))
        kind: cython.int
        i: cython.longlong
        if name < 0 or flag < 0 or names & 7 or place + total * 8 > self.memory.size:
            return
        for i in range(total):
            kind = LOCAL
            if self.memory.bytes[flag + i] & (self.layout.code_kind_cell | self.layout.code_kind_free):
                kind = CELL
            self.emit(self.at(place + i * 8), kind | UNRESOLVED, self.objects.node(self.at(name + i * 8)))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def stack(self, place: cython.longlong, depth: cython.longlong, kind: cython.int) -> cython.void:
        i: cython.longlong
        if depth < 0 or depth > FRAME_WORDS_LIMIT or place + depth * 8 > self.memory.size:
            return
        for i in range(depth):
            self.emit(self.at(place + i * 8), kind, cython.cast(cython.int, i))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def frame_of_310(self, place: cython.longlong) -> cython.void:
        code: cython.longlong = self.memory.span(self.at(place + self.layout.frame_code), self.layout.code_cellvars + 8)
        slot: cython.longlong = place + self.layout.frame_localsplus
        depth: cython.longlong = self.signed32(place + self.layout.frame_stackdepth)
        if code < 0 or self.objects.node_at_offset(code) < 0:
            return
        slot = self.named(slot, self.at(code + self.layout.code_varnames), LOCAL)
        slot = self.named(slot, self.at(code + self.layout.code_cellvars), CELL)
        slot = self.named(slot, self.at(code + self.layout.code_freevars), CELL)
        if depth >= 0:
            self.stack(slot, depth, STACK)
        else:
            self.stack(slot, self.signed32(code + self.layout.code_stacksize), STACK | UNRESOLVED)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def named(self, place: cython.longlong, names: cython.ulonglong, kind: cython.int) -> cython.longlong:
        """One slot for each name of a tuple; returns where the next slots begin."""
        length: cython.ulonglong = self.memory.word(names + 16)
        name: cython.longlong
        i: cython.longlong
        if length > cython.cast(cython.ulonglong, FRAME_WORDS_LIMIT) or names & 7:
            return place
        name = self.memory.span(names + self.layout.tuple_items, length * 8)
        if name < 0 or place + cython.cast(cython.longlong, length) * 8 > self.memory.size:
            return place
        for i in range(cython.cast(cython.longlong, length)):
            self.emit(self.at(place + i * 8), kind | UNRESOLVED, self.objects.node(self.at(name + i * 8)))
        return place + cython.cast(cython.longlong, length) * 8

    # -- memory that C code keeps for itself --------------------------------------------------------

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def block(self, address: cython.ulonglong, traits: cython.longlong, depth: cython.int) -> cython.void:
        """The malloc block at ``address``, once: the first object that leads to it is its holder."""
        place: cython.longlong
        size: cython.longlong
        i: cython.longlong
        if address & 15 or address < 4096:
            return
        place = self.memory.where(address)
        if place < 0 or self.claimed[place >> 7] & (1 << ((place >> 4) & 7)):
            return
        if self.objects.node(address + 16) >= 0 or self.objects.node(address + 32) >= 0:
            return  # an object with its head
        size = self.pymalloc_block(address)
        if size == 0:
            size = self.glibc_chunk(address)
        if size <= 0 or self.memory.span(address, size) < 0:
            return
        self.claimed[place >> 7] |= 1 << ((place >> 4) & 7)
        for i in range(size >> 3):
            self.word(self.at(place + i * 8), -1, traits, depth + 1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pymalloc_block(self, address: cython.ulonglong) -> cython.longlong:
        """Size of the block that begins here; 0 if this is no pool, -1 if no block begins here (obmalloc.c)."""
        pool: cython.ulonglong = address & ~cython.cast(cython.ulonglong, POOL_BYTES - 1)
        place: cython.longlong = self.memory.span(pool, POOL_HEAD)
        size: cython.longlong
        free: cython.ulonglong
        if place < 0 or address - pool < cython.cast(cython.ulonglong, POOL_HEAD):
            return 0
        size = (self.signed32(place + 36) + 1) * 16
        free = self.at(place + 8)
        if size < 16 or size > 512 or self.signed32(place + 44) != POOL_BYTES - size:
            return 0
        if free and (free < pool or free >= pool + POOL_BYTES):
            return 0
        return size if (address - pool - POOL_HEAD) % size == 0 else -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def glibc_chunk(self, address: cython.ulonglong) -> cython.longlong:
        """Usable size of the glibc chunk that begins here, -1 if none does (malloc.c: size and flags before it)."""
        head: cython.ulonglong = self.memory.word(address - 8)
        size: cython.ulonglong = head & ~cython.cast(cython.ulonglong, 7)
        if size < 32 or size & 15 or size > cython.cast(cython.ulonglong, BLOCK_LIMIT):
            return -1
        if head & 2:  # a mapping of its own
            return cython.cast(cython.longlong, size) - 16
        if not self.memory.word(address - 8 + size) & 1:  # the next chunk says this one is free
            return -1
        return cython.cast(cython.longlong, size) - 8


def name_closures(objects: Objects, layout: Layout, functions, first_ref, target, kind, label):
    """Names the cells of closures: items of a function's closure tuple become ``CELL`` references, in place.

    ``functions``: addresses (uint64). Labels are nodes of name strings, unresolved.
    """
    address: cython.ulonglong[::1] = functions
    first: cython.longlong[::1] = first_ref
    kinds: cython.uchar[::1] = kind
    labels: cython.int[::1] = label
    memory: Memory = objects.memory
    closure: cython.int
    code: cython.ulonglong
    names: cython.ulonglong
    skip: cython.ulonglong
    count: cython.longlong
    i: cython.Py_ssize_t
    j: cython.longlong
    with cython.nogil:
        for i in range(address.shape[0]):
            closure = objects.node(memory.word(address[i] + layout.function_closure))
            if closure < 0:
                continue
            code = memory.word(address[i] + layout.function_code)
            count = first[closure + 1] - first[closure]
            # Free variables are named last in 3.11+, in a tuple of their own before.
            if layout.code_localsplusnames >= 0:
                names = memory.word(code + layout.code_localsplusnames)
            else:
                names = memory.word(code + layout.code_freevars)
            skip = memory.word(names + 16)
            if count > FRAME_WORDS_LIMIT or skip < cython.cast(cython.ulonglong, count) or skip > FRAME_WORDS_LIMIT:
                continue
            skip -= cython.cast(cython.ulonglong, count)
            for j in range(count):
                if kinds[first[closure] + j] == INDEX:
                    kinds[first[closure] + j] = CELL | UNRESOLVED
                    labels[first[closure] + j] = objects.node(memory.word(names + layout.tuple_items + (skip + j) * 8))
