"""A set of addresses of the own process, and then their numbers in ascending order.

One bit per 8 bytes for each page of 4 KiB that has an object: a page is one
cache line, and an address costs one probe of a table of pages. ``mark`` first,
``seal`` once, ``number`` afterwards.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.inprocess_abi import own_ascending, own_bits
from cython.cimports.libc.stdlib import calloc, free, qsort, realloc

_FIRST_ROOM = cython.declare(cython.int, 1 << 14)
_MIX = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)


@cython.cfunc
def zeros(count: cython.Py_ssize_t, dtype):
    """As ``numpy.zeros``, which lets other threads run while it has memory cleared."""
    return np.frombuffer(bytearray(count * np.dtype(dtype).itemsize), dtype)


@cython.final
@cython.cclass
class Numbers:
    """``failed`` becomes true where memory ran out; nothing that was asked after that counts."""

    def __cinit__(self):
        self.room = _FIRST_ROOM
        self.keys = cython.cast(cython.pointer(cython.size_t), calloc(self.room, cython.sizeof(cython.size_t)))
        self.slots = cython.cast(cython.p_int, calloc(self.room, cython.sizeof(cython.int)))
        self.page = cython.NULL
        self.bits = cython.NULL
        self.before = cython.NULL
        self.pages = self.pages_room = 0
        self.last_key = 0
        self.last_slot = -1
        self.count = 0
        self.failed = self.keys == cython.NULL or self.slots == cython.NULL
        if self.failed:
            raise MemoryError("no memory for the table of pages")

    def __dealloc__(self):
        free(self.keys)
        free(self.slots)
        free(self.page)
        free(self.bits)
        free(self.before)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def mark(self, address: cython.p_void) -> cython.bint:
        """Whether the address is new; it is in the set afterwards."""
        where: cython.size_t = cython.cast(cython.size_t, address)
        slot: cython.int = self.insert((where >> 12) + 1)
        word: cython.size_t
        bit: cython.ulonglong
        if slot < 0:
            return False
        word = (cython.cast(cython.size_t, slot) << 3) + ((where >> 9) & 7)
        bit = cython.cast(cython.ulonglong, 1) << ((where >> 3) & 63)
        if self.bits[word] & bit:
            return False
        self.bits[word] |= bit
        self.count += 1
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def unmark(self, address: cython.p_void) -> cython.void:
        where: cython.size_t = cython.cast(cython.size_t, address)
        slot: cython.int = self.find((where >> 12) + 1)
        word: cython.size_t
        bit: cython.ulonglong = cython.cast(cython.ulonglong, 1) << ((where >> 3) & 63)
        if slot >= 0:
            word = (cython.cast(cython.size_t, slot) << 3) + ((where >> 9) & 7)
            if self.bits[word] & bit:
                self.bits[word] &= ~bit
                self.count -= 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def number(self, address: cython.p_void) -> cython.int:
        """The place of the address among all, after ``seal``; -1 if it is not in the set."""
        where: cython.size_t = cython.cast(cython.size_t, address)
        slot: cython.int = self.find((where >> 12) + 1)
        word: cython.size_t
        bit: cython.ulonglong
        if slot < 0:
            return -1
        word = (cython.cast(cython.size_t, slot) << 3) + ((where >> 9) & 7)
        bit = cython.cast(cython.ulonglong, 1) << ((where >> 3) & 63)
        if not self.bits[word] & bit:
            return -1
        return self.before[word] + own_bits(self.bits[word] & (bit - 1))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def find(self, key: cython.size_t) -> cython.int:
        """The page's slot, -1 if it has none. ``key`` is its number and one more, never 0."""
        at: cython.size_t
        if key == self.last_key:
            return self.last_slot
        at = cython.cast(cython.size_t, (key * _MIX) >> 32) & cython.cast(cython.size_t, self.room - 1)
        while self.keys[at]:
            if self.keys[at] == key:
                self.last_key = key
                self.last_slot = self.slots[at]
                return self.last_slot
            at = (at + 1) & cython.cast(cython.size_t, self.room - 1)
        return -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def insert(self, key: cython.size_t) -> cython.int:
        """The page's slot, made if it has none; -1 where memory ran out."""
        slot: cython.int = self.find(key)
        at: cython.size_t
        i: cython.int
        if slot >= 0:
            return slot
        if self.pages == self.pages_room:
            self.grow()
        if self.failed:
            return -1
        at = cython.cast(cython.size_t, (key * _MIX) >> 32) & cython.cast(cython.size_t, self.room - 1)
        while self.keys[at]:
            at = (at + 1) & cython.cast(cython.size_t, self.room - 1)
        slot = self.pages
        self.pages += 1
        self.keys[at] = key
        self.slots[at] = slot
        self.page[slot] = key
        for i in range(8):
            self.bits[(cython.cast(cython.size_t, slot) << 3) + i] = 0
        return slot

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def grow(self) -> cython.void:
        """Room for twice as many pages, in a table at most half full."""
        pages: cython.int = 1 << 12 if self.pages_room == 0 else self.pages_room * 2
        room: cython.int = max(self.room, pages * 4)
        page: cython.p_void = realloc(self.page, cython.cast(cython.size_t, pages) * cython.sizeof(cython.size_t))
        bits: cython.p_void
        keys: cython.pointer(cython.size_t)
        slots: cython.p_int
        at: cython.size_t
        i: cython.int
        self.failed = True
        if page == cython.NULL:
            return
        self.page = cython.cast(cython.pointer(cython.size_t), page)
        bits = realloc(self.bits, cython.cast(cython.size_t, pages) * 64)
        if bits == cython.NULL:
            return
        self.bits = cython.cast(cython.pointer(cython.ulonglong), bits)
        keys = cython.cast(cython.pointer(cython.size_t), calloc(room, cython.sizeof(cython.size_t)))
        slots = cython.cast(cython.p_int, calloc(room, cython.sizeof(cython.int)))
        if keys == cython.NULL or slots == cython.NULL:
            free(keys)
            free(slots)
            return
        for i in range(self.pages):
            at = cython.cast(cython.size_t, (self.page[i] * _MIX) >> 32) & cython.cast(cython.size_t, room - 1)
            while keys[at]:
                at = (at + 1) & cython.cast(cython.size_t, room - 1)
            keys[at] = self.page[i]
            slots[at] = i
        free(self.keys)
        free(self.slots)
        self.keys = keys
        self.slots = slots
        self.room = room
        self.pages_room = pages
        self.failed = False

    def seal(self):
        """The addresses in ascending order (uint64); MemoryError where memory ran out.

        NumPy would sort without the GIL, and another thread would free what lies at these addresses.
        """
        if not self.failed:
            self.before = cython.cast(cython.p_int, calloc(max(1, self.pages) * 8, cython.sizeof(cython.int)))
        if self.failed or self.before == cython.NULL:
            raise MemoryError("no memory for the numbers of all objects")
        keys = np.empty(self.pages, dtype=np.uint64)
        key: cython.ulonglong[::1] = keys
        addresses = np.empty(self.count, dtype=np.uint64)
        out: cython.ulonglong[::1] = addresses
        i: cython.Py_ssize_t
        done: cython.int = 0
        for i in range(self.pages):
            key[i] = self.page[i]
        if self.pages:
            qsort(cython.address(key[0]), self.pages, cython.sizeof(cython.ulonglong), own_ascending)
        for i in range(self.pages):
            done = self.number_page(key[i], out, done)
        return addresses

    @cython.cfunc
    @cython.exceptval(check=False)
    def number_page(self, key: cython.size_t, out: cython.ulonglong[::1], done: cython.int) -> cython.int:
        """Puts the addresses of one page out from ``done`` on; how many are out then."""
        first: cython.size_t = cython.cast(cython.size_t, self.find(key)) << 3
        word: cython.size_t
        rest: cython.ulonglong
        for word in range(first, first + 8):
            self.before[word] = done
            rest = self.bits[word]
            while rest:
                out[done] = (
                    ((key - 1) << 12)
                    + ((word & 7) << 9)
                    + (cython.cast(cython.ulonglong, own_bits((rest & (~rest + 1)) - 1)) << 3)
                )
                done += 1
                rest &= rest - 1
        return done


@cython.final
@cython.cclass
class Pile:
    """Pointers, last in first out or by place; ``failed`` as in ``Numbers``."""

    def __cinit__(self):
        self.items = cython.NULL
        self.count = self.room = 0
        self.failed = False

    def __dealloc__(self):
        free(self.items)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def push(self, item: cython.p_void) -> cython.void:
        items: cython.p_void
        room: cython.Py_ssize_t
        if self.count == self.room:
            room = max(1024, self.room * 2)
            items = realloc(self.items, room * cython.sizeof(cython.p_void))
            if items == cython.NULL:
                self.failed = True
                return
            self.items = cython.cast(cython.pp_void, items)
            self.room = room
        self.items[self.count] = item
        self.count += 1
