"""References that C code keeps in memory of its own: one malloc block behind the object, and a few behind that."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.sink import Sink

from leakscope.kernels import _shapes

C_FIELD = cython.declare(cython.int, 11)
OWNS_STATE = cython.declare(cython.int, _shapes.Trait.OWNS_STATE)
FOLLOWS = cython.declare(cython.int, _shapes.Trait.FOLLOWS)
BLOCK_DEPTH = cython.declare(cython.int, 2)


@cython.final
@cython.cclass
class Blocks:
    """Follows words of unknown C structures; each block is read once, for the first object that leads to it.

    ``states``: addresses (uint64) of blocks that are kept for their owners.
    """

    def __init__(self, sink: Sink, states):
        reserved: cython.ulonglong[::1] = states
        i: cython.Py_ssize_t
        place: cython.longlong
        self.sink = sink
        self.claimed = np.zeros((sink.memory.size >> 7) + 1, dtype=np.uint8)
        for i in range(reserved.shape[0]):
            place = sink.memory.where(reserved[i])
            if place >= 0:
                self.claimed[place >> 7] |= 1 << ((place >> 4) & 7)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def word(
        self, address: cython.ulonglong, label: cython.int, traits: cython.longlong, depth: cython.int
    ) -> cython.void:
        if address == self.owner:
            return  # a structure's way back to its object is borrowed
        if not self.sink.emit(address, C_FIELD, label) and traits & FOLLOWS and depth < BLOCK_DEPTH:
            self.block(address, traits, depth)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def block(self, address: cython.ulonglong, traits: cython.longlong, depth: cython.int) -> cython.void:
        """The malloc block at ``address``, once: the first object that leads to it is its holder."""
        place: cython.longlong
        size: cython.longlong
        i: cython.longlong
        owned: cython.bint
        if address & 15 or address < 4096:
            return
        place = self.sink.memory.where(address)
        owned = traits & OWNS_STATE and depth == 0
        if place < 0 or (not owned and self.claimed[place >> 7] & (1 << ((place >> 4) & 7))):
            return
        if self.sink.objects.node(address + 16) >= 0 or self.sink.objects.node(address + 32) >= 0:
            return  # an object with its head
        size = self.pymalloc_block(address)
        if size == 0:
            size = self.sink.memory.glibc_chunk(address)
        if size <= 0 or self.sink.memory.span(address, size) < 0 or not self.sink.spend(size >> 3):
            return
        self.claimed[place >> 7] |= 1 << ((place >> 4) & 7)
        for i in range(size >> 3):
            self.word(self.sink.memory.at(place + i * 8), -1, traits, depth + 1)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def pymalloc_block(self, address: cython.ulonglong) -> cython.longlong:
        """Size of the block that begins here; 0 if this is no pool, -1 if no block begins here."""
        size: cython.longlong = self.sink.memory.pool_block(address)
        if size == 0:
            return 0
        return size if self.sink.memory.begins_block(address, size) else -1
