"""Where the objects are: words that name a known type, in the place of ``ob_type``.

The scan knows one thing of CPython: an object begins with a reference count
and a pointer to its type. Everything else is there to refuse what only looks
like an object: freed blocks (a free-list pointer or a zero in the place of the
count), torn collector links, and word pairs inside another object.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.memory import Memory

from leakscope.kernels import _columns


@cython.final
@cython.cclass
class AddressTable:
    """A small open-addressing hash from addresses to their index."""

    _keys: object
    _rows: object
    keys: cython.pointer(cython.ulonglong)
    rows: cython.pointer(cython.int)
    mask: cython.ulonglong

    def __init__(self, addresses):
        size = 1 << max(6, (len(addresses) * 4).bit_length())
        self._keys = np.zeros(size, dtype=np.uint64)
        self._rows = np.full(size, -1, dtype=np.int32)
        keys_view: cython.ulonglong[::1] = self._keys
        rows_view: cython.int[::1] = self._rows
        self.keys = cython.address(keys_view[0])
        self.rows = cython.address(rows_view[0])
        self.mask = size - 1
        view: cython.ulonglong[::1] = np.ascontiguousarray(addresses, dtype=np.uint64)
        i: cython.Py_ssize_t
        slot: cython.ulonglong
        for i in range(view.shape[0]):
            slot = mix(view[i]) & self.mask
            while self.keys[slot]:
                slot = (slot + 1) & self.mask
            self.keys[slot] = view[i]
            self.rows[slot] = cython.cast(cython.int, i)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def row(self, address: cython.ulonglong) -> cython.int:
        """Index of ``address`` in the array this was made of, -1 if it is not in it."""
        slot: cython.ulonglong = mix(address) & self.mask
        while self.keys[slot]:
            if self.keys[slot] == address:
                return self.rows[slot]
            slot = (slot + 1) & self.mask
        return -1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def mix(address: cython.ulonglong) -> cython.ulonglong:
    # Fibonacci hashing; the high half of the product depends on every bit of the address.
    return (address * cython.cast(cython.ulonglong, 0x9E3779B97F4A7C15)) >> 32


def find_type_like(
    memory: Memory,
    basicsize: cython.longlong,
    flags: cython.longlong,
    name: cython.longlong,
    ready: cython.ulonglong,
    largest: cython.ulonglong,
    length: cython.longlong,
    start,
    stop,
):
    """Buffer offsets (int64) in ``[start, stop)`` of what looks like a type object; what its own type is, nobody asks.

    ``basicsize``, ``flags`` and ``name``: where a type of ``length`` bytes has these fields; ``ready``: a bit of the
    flags that must be set; ``largest``: the end of sensible basic sizes.
    """
    found = _columns.empty((stop - start) // 8, np.int64)
    out: cython.longlong[::1] = found
    count: cython.Py_ssize_t = 0
    i: cython.longlong
    first: cython.longlong = start >> 3
    last: cython.longlong = min(stop, memory.size - length + 8) >> 3
    size: cython.ulonglong
    refs: cython.ulonglong
    with cython.nogil:
        for i in range(first, last):
            size = memory.words[i + (basicsize >> 3)]
            if size < 8 or size >= largest or not memory.words[i + (flags >> 3)] & ready:
                continue
            refs = memory.words[i]
            if refs and refs < cython.cast(cython.ulonglong, 1) << 33 and memory.words[i + (name >> 3)]:
                out[count] = i << 3
                count += 1
    return found[:count]


def mark_objects(
    memory: Memory,
    pages,
    type_addresses,
    has_gc,
    is_heap_type,
    heads,
    least,
    static_pages,
    stack_pages,
    glibc,
    start,
    stop,
):
    """Candidates for objects in a part of the buffer.

    ``type_addresses``: uint64, ``has_gc`` and ``is_heap_type``: uint8 per type;
    ``heads`` uint8 and ``least`` int64 per type: bytes of an object's block before and after its
    address. ``static_pages``: uint8 per page, 1 for .data and .bss, where objects are aligned
    to 8 bytes, have no collector head, and are never of a heap type. ``stack_pages``: uint8 per page, 1 where a C
    stack may lie, whose words are objects only in a block of an allocator. ``glibc``: whether that may be glibc's.
    Returns ``(offsets, type_indices)``, ascending.
    """
    table: AddressTable = AddressTable(type_addresses)
    gc: cython.uchar[::1] = has_gc
    on_heap: cython.uchar[::1] = is_heap_type
    head: cython.uchar[::1] = heads
    size: cython.longlong[::1] = least
    address: cython.ulonglong[::1] = pages
    static: cython.uchar[::1] = static_pages
    stack: cython.uchar[::1] = stack_pages
    has_chunks: cython.bint = glibc
    low: cython.ulonglong = int(type_addresses.min())
    high: cython.ulonglong = int(type_addresses.max())
    # Static pages are looked at every 8 bytes; what is not touched of these arrays costs nothing.
    offsets = _columns.empty((stop - start) // 8 + 1, np.int64)
    rows = _columns.empty((stop - start) // 8 + 1, np.int32)
    out: cython.longlong[::1] = offsets
    out_row: cython.int[::1] = rows
    count: cython.Py_ssize_t = 0
    page: cython.longlong
    offset: cython.longlong
    end: cython.longlong
    step: cython.int
    row: cython.int
    word: cython.ulonglong
    place: cython.ulonglong
    on_stack: cython.bint
    first: cython.longlong = start >> 12
    last: cython.longlong = stop >> 12
    with cython.nogil:
        for page in range(first, last):
            step = 8 if static[page] else 16
            offset = page << 12
            end = offset + 4096
            while offset < end:
                word = memory.words[(offset >> 3) + 1] if offset + 8 < memory.size else 0
                if low <= word and word <= high:
                    row = table.row(word)
                    if row < 0 or not plausible(memory, offset, gc[row], static[page]):
                        row = -1
                    elif static[page]:
                        row = -1 if on_heap[row] else row
                    else:
                        place = address[page] + cython.cast(cython.ulonglong, offset & 4095)
                        on_stack = stack[page] and table.row(place) < 0
                        if not fits_block(
                            memory, place, head[row], size[row], gc[row], on_heap[row], on_stack, has_chunks
                        ):
                            row = -1
                    if row >= 0:
                        out[count] = offset
                        out_row[count] = row
                        count += 1
                offset += step
    return offsets[:count], rows[:count]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def plausible(memory: Memory, offset: cython.longlong, gc: cython.uchar, static: cython.uchar) -> cython.bint:
    """Whether the count, and the collector's link before the object, can be those of a live object."""
    refs: cython.ulonglong = memory.words[offset >> 3]
    link: cython.ulonglong
    if refs == 0 or refs >> 33:
        return False
    if static:
        return True
    # A non-PIE executable has its heap below 4 GiB, where free-list pointers look like counts.
    if refs >= 0x10000 and not refs & 15 and memory.where(refs) >= 0:
        return False
    if gc:
        if offset < 16:
            return False
        link = memory.words[(offset >> 3) - 2]
        # Bit 0 is a mark while a collection runs. A tracked object links to another one.
        if link and (link & 6 or memory.where(link & ~cython.cast(cython.ulonglong, 1)) < 0):
            return False
    return True


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def fits_block(
    memory: Memory,
    address: cython.ulonglong,
    head: cython.uchar,
    least: cython.longlong,
    gc: cython.uchar,
    on_heap: cython.uchar,
    on_stack: cython.bint,
    has_chunks: cython.bint,
) -> cython.bint:
    """Whether the object begins an allocator's block that is large enough for it.

    Outside pymalloc's pools there is nothing to compare with. But where a stack is, or where the collector's list
    knows nothing of the object, only a block of glibc's can tell it from words of a stack. Other allocators have
    nothing before their blocks: then what is in no list may be an object, and what a list denies is none.
    """
    start: cython.ulonglong = address - head
    block: cython.longlong = memory.pool_block(address)
    if block:
        return memory.begins_block(start, block) and head + least <= block
    if not on_stack and (not gc or linked_back(memory, address, on_heap)):
        return True
    if not has_chunks:
        return not on_stack and memory.word(address - 16) == 0
    return memory.mapped_chunk(start) >= head + least or memory.glibc_chunk(start) >= head + least


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def linked_back(memory: Memory, address: cython.ulonglong, on_heap: cython.uchar) -> cython.bint:
    """False if the next in the collector's list knows nothing of the object.

    So it is with what greenlets leave of a stack that was copied to the heap. While a collection runs, the link
    back may be a count, which bit 1 says. In no list at all are tuples and dicts that hold nothing to collect, but
    hardly ever the instance of a class.
    """
    following: cython.ulonglong = memory.word(address - 16) & ~cython.cast(cython.ulonglong, 1)
    back: cython.ulonglong
    if following == 0:
        return not on_heap
    back = memory.word(following + 8)
    return back & 2 or (back & ~cython.cast(cython.ulonglong, 3)) == address - 16


def addresses_of(pages, offsets, static_pages):
    """``(addresses uint64, static uint8)`` of the objects at these buffer offsets; ``static_pages`` uint8 per page."""
    page: cython.ulonglong[::1] = pages
    fixed: cython.uchar[::1] = static_pages
    place: cython.longlong[::1] = offsets
    addresses = _columns.empty(len(offsets), np.uint64)
    static = _columns.empty(len(offsets), np.uint8)
    out: cython.ulonglong[::1] = addresses
    out_static: cython.uchar[::1] = static
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            out[i] = page[place[i] >> 12] + cython.cast(cython.ulonglong, place[i] & 4095)
            out_static[i] = fixed[place[i] >> 12]
    return addresses, static
