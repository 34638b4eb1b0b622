"""Own sizes as ``sys.getsizeof`` counts them, from the ``__sizeof__`` of each builtin base in 3.10 to 3.13."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Memory

from leakscope.kernels import _columns, _shapes

LIST_SHAPE = cython.declare(cython.int, _shapes.Shape.LIST)
DICT_SHAPE = cython.declare(cython.int, _shapes.Shape.DICT)
SET_SHAPE = cython.declare(cython.int, _shapes.Shape.SET)
DEQUE_SHAPE = cython.declare(cython.int, _shapes.Shape.DEQUE)
TYPE_SHAPE = cython.declare(cython.int, _shapes.Shape.TYPE)
FRAME_SHAPE = cython.declare(cython.int, _shapes.Shape.FRAME)
GENERATOR_SHAPE = cython.declare(cython.int, _shapes.Shape.GENERATOR)
RUNNING_FRAME_SHAPE = cython.declare(cython.int, _shapes.Shape.RUNNING_FRAME)
STR_SHAPE = cython.declare(cython.int, _shapes.Shape.STR)
INT_SHAPE = cython.declare(cython.int, _shapes.Shape.INT)
BYTEARRAY_SHAPE = cython.declare(cython.int, _shapes.Shape.BYTEARRAY)
CODE_SHAPE = cython.declare(cython.int, _shapes.Shape.CODE)
ARRAY_SHAPE = cython.declare(cython.int, _shapes.Shape.ARRAY)
ORDERED_DICT = cython.declare(cython.int, _shapes.Trait.ORDERED_DICT)
C_SHAPE = cython.declare(cython.int, _shapes.Column.SHAPE)
C_TRAITS = cython.declare(cython.int, _shapes.Column.TRAITS)
C_BASIC = cython.declare(cython.int, _shapes.Column.BASIC)
C_ITEM = cython.declare(cython.int, _shapes.Column.ITEM)
C_COUNT = cython.declare(cython.int, _shapes.Column.COUNT)
C_HEAD = cython.declare(cython.int, _shapes.Column.HEAD)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def bounded(memory: Memory, bytes: cython.ulonglong) -> cython.longlong:
    """A size read from the heap; one that is larger than all memory is torn and counts nothing."""
    return cython.cast(cython.longlong, bytes) if bytes <= cython.cast(cython.ulonglong, memory.size) else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def keys_slots(memory: Memory, layout: Layout, place: cython.longlong) -> cython.ulonglong:
    """Slots of a dict's hash table; entries are two thirds of it (``USABLE_FRACTION``)."""
    if layout.dictkeys_size >= 0:
        return memory.at(place + layout.dictkeys_size)
    if memory.byte(place + layout.dictkeys_log2_size) > 40:
        return 0
    return cython.cast(cython.ulonglong, 1) << memory.byte(place + layout.dictkeys_log2_size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def keys_bytes(memory: Memory, layout: Layout, keys: cython.ulonglong, shared: cython.bint) -> cython.longlong:
    """``_PyDict_KeysSize``; 0 for keys that others share, unless ``shared``."""
    place: cython.longlong = -1 if keys & 7 else memory.span(keys, layout.dictkeys_indices)
    slots: cython.ulonglong
    index: cython.ulonglong
    if place < 0 or (not shared and memory.at(place + layout.dictkeys_refcnt) != 1):
        return 0
    slots = keys_slots(memory, layout, place)
    if slots > cython.cast(cython.ulonglong, memory.size):
        return 0
    if layout.dictkeys_size >= 0:
        index = slots if slots <= 0xFF else slots * 2 if slots <= 0xFFFF else slots * 4
        return layout.dictkeys_sizeof + bounded(memory, index + slots * 2 // 3 * 24)
    index = memory.byte(place + layout.dictkeys_log2_index_bytes)
    if index > 40:
        return 0
    index = cython.cast(cython.ulonglong, 1) << index
    return layout.dictkeys_sizeof + bounded(
        memory, index + slots * 2 // 3 * (16 if memory.byte(place + layout.dictkeys_kind) else 24)
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shared_values(memory: Memory, layout: Layout, keys: cython.ulonglong) -> cython.longlong:
    """How many values an instance has room for: ``USABLE_FRACTION(DK_SIZE)``, since 3.11 what is used and usable."""
    place: cython.longlong = -1 if keys & 7 else memory.span(keys, layout.dictkeys_indices)
    if place < 0:
        return 0
    if layout.dictkeys_size >= 0:
        return bounded(memory, keys_slots(memory, layout, place) * 2 // 3)
    return bounded(
        memory,
        memory.at(place + layout.dictkeys_nentries) + memory.at(place + layout.dictkeys_usable),
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def dict_bytes(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    keys: cython.ulonglong = memory.at(place + layout.dict_keys)
    total: cython.longlong = keys_bytes(memory, layout, keys, False)
    if memory.at(place + layout.dict_values):
        total += shared_values(memory, layout, keys) * 8
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def str_bytes(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    state: cython.longlong = memory.signed32(place + layout.unicode_state)
    length: cython.longlong = bounded(memory, memory.at(place + layout.unicode_length))
    width: cython.longlong = (state & layout.unicode_kind_mask) >> 2
    total: cython.longlong
    utf8: cython.ulonglong
    if state & layout.unicode_compact_mask and state & layout.unicode_ascii_mask:
        return layout.unicode_ascii_sizeof + length + 1
    utf8 = memory.at(place + layout.unicode_utf8)
    if state & layout.unicode_compact_mask:
        total = layout.unicode_compact_sizeof + (length + 1) * width
    else:
        total = layout.unicode_sizeof + (length + 1) * width
        if utf8 == memory.at(place + layout.unicode_data):
            return total
    if utf8:
        total += bounded(memory, memory.at(place + layout.unicode_utf8_length)) + 1
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def frame_bytes(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    """Locals and stack of an interpreter frame of 3.11+, by its code object."""
    code: cython.longlong = memory.span(
        memory.at(place + layout.iframe_code) & ~cython.cast(cython.ulonglong, 7),
        layout.code_nlocalsplus + 8,
    )
    slots: cython.longlong
    if code < 0:
        return 0
    slots = memory.signed32(code + layout.code_nlocalsplus) + memory.signed32(code + layout.code_stacksize)
    return slots * 8 if 0 <= slots <= 1 << 20 else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def frame_object_bytes(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    """A frame object with room for locals and stack, whether they are its own or still a thread's."""
    code: cython.longlong
    frame: cython.longlong
    if layout.frame_interp_frame < 0:
        code = memory.where(memory.at(place + layout.frame_code))
        # ob_size of a 3.10 frame: locals, cells, free variables and stack.
        return layout.frame_localsplus + (bounded(memory, memory.at(place + 16) * 8) if code >= 0 else 0)
    frame = memory.span(memory.at(place + layout.frame_interp_frame), layout.iframe_localsplus)
    return (
        layout.frame_frame_data + layout.iframe_localsplus + (frame_bytes(memory, layout, frame) if frame >= 0 else 0)
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def int_bytes(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    """Digits of 4 bytes; since 3.11 at least one is counted."""
    digits: cython.longlong = cython.cast(cython.longlong, memory.at(place + 16))
    if layout.long_tag >= 0:
        digits = digits >> 3
    if digits < 0:
        digits = -digits
    if digits == 0 and layout.minor >= 11:
        digits = 1
    return layout.long_digits + bounded(memory, digits * 4)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def extra_bytes(memory: Memory, layout: Layout, place: cython.longlong, shape: cython.longlong) -> cython.longlong:
    """What the builtin base's ``__sizeof__`` adds to ``tp_basicsize`` and items."""
    word: cython.ulonglong
    at: cython.longlong
    if shape == DICT_SHAPE:
        return dict_bytes(memory, layout, place)
    if shape == LIST_SHAPE:
        if memory.at(place + layout.list_allocated) == ~cython.cast(cython.ulonglong, 0):
            return -8  # a list that is being sorted: sys.getsizeof counts its -1 too
        return bounded(memory, memory.at(place + layout.list_allocated) * 8)
    if shape == SET_SHAPE:
        word = memory.at(place + layout.set_mask)
        return bounded(memory, (word + 1) * 16) if word >= 8 else 0
    if shape == DEQUE_SHAPE:
        word = memory.at(place + layout.deque_leftindex) + memory.at(place + 16)
        return bounded(memory, (word + 63) // 64 * layout.deque_block_sizeof)
    if shape == BYTEARRAY_SHAPE:
        return bounded(memory, memory.at(place + layout.bytearray_alloc))
    if shape == ARRAY_SHAPE:
        at = memory.where(memory.at(place + layout.array_descr))
        if at >= 0 and 0 < memory.signed32(at + 4) <= 16:
            return bounded(memory, memory.at(place + layout.array_allocated) * memory.signed32(at + 4))
    return 0


def own_sizes(memory: Memory, layout: Layout, offsets, rows, types):
    """``sys.getsizeof`` of each object, int64 bytes. Arguments as for ``ReferenceReader``."""
    place: cython.longlong[::1] = offsets
    row: cython.int[::1] = rows
    table: cython.longlong[:, ::1] = types
    sizes = _columns.empty(len(offsets), np.int64)
    out: cython.longlong[::1] = sizes
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            out[i] = own_size(memory, layout, place[i], table, row[i])
    return sizes


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def own_size(
    memory: Memory, layout: Layout, place: cython.longlong, table: cython.longlong[:, ::1], row: cython.int
) -> cython.longlong:
    shape: cython.longlong = table[row, C_SHAPE]
    total: cython.longlong = table[row, C_HEAD] + table[row, C_BASIC]
    items: cython.longlong
    if shape == STR_SHAPE:
        return table[row, C_HEAD] + str_bytes(memory, layout, place)
    if shape == TYPE_SHAPE:
        if not memory.at(place + layout.type_flags) & layout.flag_heaptype:
            # 3.11 and 3.12 count a collector's head for static types, which have none.
            return layout.type_sizeof + (table[row, C_HEAD] if 11 <= layout.minor <= 12 else 0)
        return (
            table[row, C_HEAD]
            + layout.heaptype_sizeof
            + keys_bytes(memory, layout, memory.at(place + layout.heaptype_cached_keys), True)
        )
    if shape == RUNNING_FRAME_SHAPE:
        return layout.iframe_localsplus + frame_bytes(memory, layout, place)
    if shape == GENERATOR_SHAPE and layout.generator_iframe >= 0:
        total = table[row, C_HEAD] + layout.generator_iframe + layout.iframe_localsplus
        return total + frame_bytes(memory, layout, place + layout.generator_iframe)
    if shape == FRAME_SHAPE:
        return table[row, C_HEAD] + frame_object_bytes(memory, layout, place)
    if shape == INT_SHAPE:
        return table[row, C_HEAD] + int_bytes(memory, layout, place)
    if table[row, C_COUNT]:
        items = cython.cast(cython.longlong, memory.at(place + 16))
        total += bounded(memory, cython.cast(cython.ulonglong, (-items if items < 0 else items) * table[row, C_ITEM]))
    if table[row, C_TRAITS] & ORDERED_DICT:
        total += bounded(memory, memory.at(place + layout.odict_fast_nodes_size) * 8)
        total += bounded(memory, memory.at(place + layout.dict_used) * layout.odict_node_sizeof)
    if shape == CODE_SHAPE:
        total = (total + 7) & ~7
    return total + extra_bytes(memory, layout, place, shape)
