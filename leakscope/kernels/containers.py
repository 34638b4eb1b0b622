"""References out of dicts, sets and deques (dictobject.c, setobject.c, _collectionsmodule.c of 3.10 to 3.13)."""

import cython
from cython.cimports.leakscope.kernels.sink import Sink

from leakscope.kernels import _shapes

KEY = cython.declare(cython.int, 2)
INDEX = cython.declare(cython.int, 3)
ITEM = cython.declare(cython.int, 4)
DICT_KEY = cython.declare(cython.int, 5)
UNRESOLVED = cython.declare(cython.int, _shapes.UNRESOLVED)
DEQUE_BLOCK_ITEMS = cython.declare(cython.int, 64)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def entries(
    sink: Sink,
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
    place = sink.memory.span(keys, sink.layout.dictkeys_indices)
    if place < 0:
        return -1
    used = sink.memory.at(place + sink.layout.dictkeys_nentries)
    stride[0] = 24
    if sink.layout.dictkeys_size >= 0:
        size = sink.memory.at(place + sink.layout.dictkeys_size)
        index_bytes = size if size <= 0xFF else size * 2 if size <= 0xFFFF else size * 4
    else:
        if sink.memory.byte(place + sink.layout.dictkeys_kind):
            stride[0] = 16
        index_bytes = sink.memory.byte(place + sink.layout.dictkeys_log2_index_bytes)
        if index_bytes > 40:
            return -1
        index_bytes = cython.cast(cython.ulonglong, 1) << index_bytes
    if used > cython.cast(cython.ulonglong, sink.room) or index_bytes > cython.cast(cython.ulonglong, sink.memory.size):
        return -1
    count[0] = cython.cast(cython.longlong, used)
    keys += sink.layout.dictkeys_indices + index_bytes
    return (
        sink.memory.span(keys, used * stride[0])
        if used
        else sink.memory.where(keys & ~cython.cast(cython.ulonglong, 7))
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def dictionary(sink: Sink, place: cython.longlong) -> cython.void:
    keys: cython.ulonglong = sink.memory.at(place + sink.layout.dict_keys)
    values: cython.ulonglong = sink.memory.at(place + sink.layout.dict_values)
    count: cython.longlong = 0
    stride: cython.longlong = 24
    entry: cython.longlong
    key: cython.int
    value: cython.ulonglong
    _: cython.longlong
    if values:
        # 3.13: values that are part of the instance are the instance's to show.
        if sink.layout.dictvalues_embedded >= 0:
            entry = sink.memory.where(values)
            if entry < 0 or sink.memory.byte(entry + sink.layout.dictvalues_embedded):
                return
        shared_values(sink, keys, values + cython.cast(cython.ulonglong, max(0, sink.layout.dictvalues_values)), KEY)
        return
    entry = entries(sink, keys, cython.address(count), cython.address(stride))
    if entry < 0 or not sink.spend(cython.cast(cython.ulonglong, count)):
        return
    for _ in range(count):
        value = sink.memory.at(entry + stride - 8)
        if value:
            key = sink.objects.node(sink.memory.at(entry + stride - 16))
            sink.emit_node(key, DICT_KEY, -1)
            sink.emit(value, KEY | UNRESOLVED if key >= 0 else ITEM, key)
        entry += stride


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shared_values(sink: Sink, keys: cython.ulonglong, values: cython.ulonglong, kind: cython.int) -> cython.void:
    """The values of a split dict or an instance, whose keys are shared by its class."""
    count: cython.longlong = 0
    stride: cython.longlong = 24
    entry: cython.longlong = entries(sink, keys, cython.address(count), cython.address(stride))
    place: cython.longlong
    value: cython.ulonglong
    i: cython.longlong
    if entry < 0 or count == 0 or values & 7 or not sink.spend(cython.cast(cython.ulonglong, count)):
        return
    place = sink.memory.span(values, cython.cast(cython.ulonglong, count) * 8)
    if place < 0:
        return
    for i in range(count):
        value = sink.memory.at(place + i * 8)
        if value:
            sink.emit(value, kind | UNRESOLVED, sink.objects.node(sink.memory.at(entry + i * stride + stride - 16)))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shared_keys(sink: Sink, place: cython.longlong) -> cython.void:
    """A heap type owns the attribute names that its instances share."""
    count: cython.longlong = 0
    stride: cython.longlong = 24
    entry: cython.longlong
    i: cython.longlong
    keys: cython.ulonglong
    if not sink.memory.at(place + sink.layout.type_flags) & sink.layout.flag_heaptype:
        return
    keys = sink.memory.at(place + sink.layout.heaptype_cached_keys)
    entry = entries(sink, keys, cython.address(count), cython.address(stride)) if keys else -1
    if entry < 0 or not sink.spend(cython.cast(cython.ulonglong, count)):
        return
    for i in range(count):
        sink.emit(sink.memory.at(entry + i * stride + stride - 16), DICT_KEY, -1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def hash_set(sink: Sink, place: cython.longlong) -> cython.void:
    slots: cython.ulonglong = sink.memory.at(place + sink.layout.set_mask) + 1
    table: cython.ulonglong = sink.memory.at(place + sink.layout.set_table)
    entry: cython.longlong
    _: cython.longlong
    if slots == 0 or slots > cython.cast(cython.ulonglong, sink.room) or table & 7:
        return
    entry = sink.memory.span(table, slots * 16)
    if entry < 0 or not sink.spend(slots):
        return
    for _ in range(cython.cast(cython.longlong, slots)):
        # A deleted entry holds a dummy key and the hash -1, which no object has.
        if sink.memory.at(entry + 8) != ~cython.cast(cython.ulonglong, 0):
            sink.emit(sink.memory.at(entry), ITEM, -1)
        entry += 16


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def deque(sink: Sink, place: cython.longlong) -> cython.void:
    left: cython.ulonglong = sink.memory.at(place + sink.layout.deque_leftindex)
    length: cython.ulonglong = sink.memory.at(place + 16)
    block: cython.ulonglong = sink.memory.at(place + sink.layout.deque_leftblock)
    at: cython.longlong
    i: cython.longlong
    if left >= cython.cast(cython.ulonglong, DEQUE_BLOCK_ITEMS) or length > cython.cast(cython.ulonglong, sink.room):
        return
    at = -1 if block & 7 or not sink.spend(length) else sink.memory.span(block, sink.layout.deque_block_sizeof)
    for i in range(cython.cast(cython.longlong, length)):
        if at < 0:
            return
        sink.emit(
            sink.memory.at(at + sink.layout.deque_block_data + cython.cast(cython.longlong, left) * 8),
            INDEX,
            cython.cast(cython.int, i),
        )
        left += 1
        if left == cython.cast(cython.ulonglong, DEQUE_BLOCK_ITEMS):
            left = 0
            block = sink.memory.at(at + sink.layout.deque_block_rightlink)
            at = -1 if block & 7 else sink.memory.span(block, sink.layout.deque_block_sizeof)
