"""From an address in the target to a place in the copied pages, and to an object's number.

``Memory`` is a two-level page table (1 GiB, then 4 KiB): it stays in cache and
does not care how far apart the mappings lie. ``Objects`` is a bitmap with one
bit per 8 bytes and a running count per 64 bits, so that the number of the
object at an address costs two more look-ups and 1/43 of the heap in memory.
"""

import cython
import numpy as np

POOL_BYTES = cython.declare(cython.int, 16384)  # obmalloc.c, 3.10 to 3.13: POOL_BITS is 14
POOL_HEAD = cython.declare(cython.int, 48)
BLOCK_LIMIT = cython.declare(cython.int, 1 << 24)
_PAGES_PER_GIANT = 1 << 18
_GIANTS = 1 << 17  # 47 bits of user address space


@cython.final
@cython.cclass
class Memory:
    """Pages of another process: ``Memory(buffer, pages)`` as in ``target.image.MemoryImage``."""

    def __init__(self, buffer, pages):
        if len(buffer) != len(pages) << 12 or len(pages) >= 1 << 31:
            raise ValueError("buffer and page list disagree")
        if (
            np.any(pages >> np.uint64(47))
            or np.any(pages & np.uint64(4095))
            or not np.all(pages[1:] > pages[: len(pages) - 1])
        ):
            raise ValueError("page list is not ascending user-space pages")
        giants, first = np.unique(pages >> np.uint64(30), return_index=True)
        directory = np.full(_GIANTS, -1, dtype=np.int32)
        directory[giants.astype(np.int64)] = np.arange(len(giants), dtype=np.int32)
        tables = np.full((max(1, len(giants)), _PAGES_PER_GIANT), -1, dtype=np.int32)
        bounds = [*first.tolist(), len(pages)]
        for row in range(len(giants)):
            part = pages[bounds[row] : bounds[row + 1]]
            slots = ((part >> np.uint64(12)) & np.uint64(_PAGES_PER_GIANT - 1)).astype(np.int64)
            tables[row, slots] = np.arange(bounds[row], bounds[row + 1], dtype=np.int32)
        self.buffer = buffer
        self._directory = directory
        self._tables = tables
        self.size = len(buffer)
        buffer_view: cython.uchar[::1] = buffer if len(buffer) else np.zeros(8, dtype=np.uint8)
        directory_view: cython.int[::1] = directory
        tables_view: cython.int[:, ::1] = tables
        self.bytes = cython.address(buffer_view[0])
        self.words = cython.cast(cython.pointer(cython.ulonglong), self.bytes)
        self.directory = cython.address(directory_view[0])
        self.tables = cython.address(tables_view[0, 0])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def where(self, address: cython.ulonglong) -> cython.longlong:
        """Offset of ``address`` in the buffer, -1 where the page is not there."""
        giant: cython.int
        frame: cython.int
        if address >> 47:
            return -1
        giant = self.directory[address >> 30]
        if giant < 0:
            return -1
        frame = self.tables[(cython.cast(cython.longlong, giant) << 18) + ((address >> 12) & 0x3FFFF)]
        if frame < 0:
            return -1
        return (cython.cast(cython.longlong, frame) << 12) + cython.cast(cython.longlong, address & 4095)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def span(self, address: cython.ulonglong, length: cython.ulonglong) -> cython.longlong:
        """Offset of ``address`` if all ``length`` bytes lie in the buffer side by side, else -1."""
        start: cython.longlong = self.where(address)
        if start < 0 or length <= 4096 - (address & 4095):
            return start
        if length > cython.cast(cython.ulonglong, self.size):
            return -1
        # Pages are ascending and unique: the same distance at both ends means no hole between.
        if self.where(address + length - 1) != start + cython.cast(cython.longlong, length) - 1:
            return -1
        return start

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def word(self, address: cython.ulonglong) -> cython.ulonglong:
        """The aligned 64-bit word at ``address``; 0 where it cannot be read."""
        offset: cython.longlong
        if address & 7:
            return 0
        offset = self.where(address)
        return self.words[offset >> 3] if offset >= 0 else 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def at(self, offset: cython.longlong) -> cython.ulonglong:
        """The 64-bit word at a buffer offset (a multiple of 8); 0 outside. A torn type may promise too much."""
        if offset < 0 or offset + 8 > self.size:
            return 0
        return self.words[offset >> 3]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def signed32(self, offset: cython.longlong) -> cython.longlong:
        """The signed 32-bit integer at a buffer offset; 0 outside."""
        if offset < 0 or offset + 4 > self.size:
            return 0
        return cython.cast(cython.pointer(cython.int), self.bytes + offset)[0]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def byte(self, offset: cython.longlong) -> cython.uchar:
        """The byte at a buffer offset; 0 outside."""
        if offset < 0 or offset >= self.size:
            return 0
        return self.bytes[offset]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pool_block(self, address: cython.ulonglong) -> cython.longlong:
        """Size of the blocks of the pymalloc pool around ``address``, 0 if there is none (obmalloc.c)."""
        pool: cython.ulonglong = address & ~cython.cast(cython.ulonglong, POOL_BYTES - 1)
        place: cython.longlong = self.span(pool, POOL_HEAD)
        size: cython.longlong
        free: cython.ulonglong
        if place < 0 or address - pool < cython.cast(cython.ulonglong, POOL_HEAD):
            return 0
        size = (self.signed32(place + 36) + 1) * 16
        if size < 16 or size > 512 or self.signed32(place + 44) != POOL_BYTES - size:
            return 0
        free = self.at(place + 8)
        return size if free == 0 or (pool <= free and free < pool + POOL_BYTES) else 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def begins_block(self, address: cython.ulonglong, size: cython.longlong) -> cython.bint:
        """Whether a block of ``size`` bytes of the pool around ``address`` begins there."""
        at: cython.longlong = cython.cast(cython.longlong, address & (POOL_BYTES - 1)) - POOL_HEAD
        return at >= 0 and at % size == 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def glibc_chunk(self, address: cython.ulonglong) -> cython.longlong:
        """Usable size of the glibc chunk that begins here, -1 if none does (malloc.c: size and flags before it)."""
        size: cython.ulonglong = self.word(address - 8) & ~cython.cast(cython.ulonglong, 7)
        if size < 32 or size & 15 or size > cython.cast(cython.ulonglong, BLOCK_LIMIT):
            return -1
        if self.mapped_chunk(address) > 0:
            return cython.cast(cython.longlong, size) - 16
        if not self.word(address - 8 + size) & 1:  # the next chunk says this one is free
            return -1
        return cython.cast(cython.longlong, size) - 8

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def mapped_chunk(self, address: cython.ulonglong) -> cython.longlong:
        """Usable size of the glibc chunk that begins here and is a mapping of its own, -1 if none does."""
        head: cython.ulonglong = self.word(address - 8)
        size: cython.ulonglong = head & ~cython.cast(cython.ulonglong, 7)
        if (address & 4095) != 16 or head & 7 != 2 or size & 4095 or size == 0 or size >> 47:
            return -1
        return cython.cast(cython.longlong, size) - 16

    def gather(self, addresses):
        """The aligned 64-bit words (uint64) at an array of addresses, 0 where one cannot be read."""
        view: cython.ulonglong[::1] = np.require(addresses, np.uint64, "CW")
        words = np.empty(len(addresses), dtype=np.uint64)
        out: cython.ulonglong[::1] = words
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(view.shape[0]):
                out[i] = self.word(view[i])
        return words

    def read(self, address, length):
        """``length`` bytes at ``address``, or None if not all of them are there."""
        offset: cython.longlong
        if length < 0 or length > self.size or address < 0 or address >> 47:
            return None
        offset = self.span(address, length)
        return self.buffer[offset : offset + length].tobytes() if offset >= 0 else None


@cython.final
@cython.cclass
class Objects:
    """Which addresses are objects. ``offsets``: ascending buffer offsets, multiples of 8."""

    def __init__(self, memory: Memory, offsets):
        bits = np.zeros((memory.size >> 9) + 1, dtype=np.uint64)
        ranks = np.zeros(len(bits), dtype=np.int32)
        bits_view: cython.ulonglong[::1] = bits
        ranks_view: cython.int[::1] = ranks
        places: cython.longlong[::1] = offsets
        i: cython.Py_ssize_t
        done: cython.Py_ssize_t = 0
        with cython.nogil:
            for i in range(places.shape[0]):
                bits_view[places[i] >> 9] |= cython.cast(cython.ulonglong, 1) << ((places[i] >> 3) & 63)
            for i in range(ranks_view.shape[0]):
                while done < places.shape[0] and places[done] < i << 9:
                    done += 1
                ranks_view[i] = cython.cast(cython.int, done)
        self.memory = memory
        self._bits = bits
        self._ranks = ranks
        self.bits = cython.address(bits_view[0])
        self.ranks = cython.address(ranks_view[0])
        self.count = len(offsets)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def node_at_offset(self, offset: cython.longlong) -> cython.int:
        """Number of the object at a buffer offset (a multiple of 8), -1 if none begins there."""
        word: cython.longlong = offset >> 9
        bit: cython.ulonglong = cython.cast(cython.ulonglong, 1) << ((offset >> 3) & 63)
        if not self.bits[word] & bit:
            return -1
        return self.ranks[word] + popcount(self.bits[word] & (bit - 1))

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def node(self, address: cython.ulonglong) -> cython.int:
        """Number of the object that begins at ``address``, -1 if none does."""
        offset: cython.longlong
        if address & 7:
            return -1
        offset = self.memory.where(address)
        return self.node_at_offset(offset) if offset >= 0 else -1

    def lookup(self, addresses):
        """Object numbers (int32) of an array of addresses, -1 where none begins."""
        view: cython.ulonglong[::1] = np.require(addresses, np.uint64, "CW")
        found = np.empty(len(addresses), dtype=np.int32)
        out: cython.int[::1] = found
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(view.shape[0]):
                out[i] = self.node(view[i])
        return found


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def popcount(x: cython.ulonglong) -> cython.int:
    """Bits set; the classic sideways addition, since not every x86-64 has the instruction."""
    x = x - ((x >> 1) & cython.cast(cython.ulonglong, 0x5555555555555555))
    x = (x & cython.cast(cython.ulonglong, 0x3333333333333333)) + (
        (x >> 2) & cython.cast(cython.ulonglong, 0x3333333333333333)
    )
    x = (x + (x >> 4)) & cython.cast(cython.ulonglong, 0x0F0F0F0F0F0F0F0F)
    x = x + (x >> 8)
    x = x + (x >> 16)
    return cython.cast(cython.int, (x + (x >> 32)) & 127)
