"""Where the readers of references put what they find, and how they look at memory."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Objects

from leakscope.kernels import _columns

INDEX = cython.declare(cython.int, 3)


@cython.final
@cython.cclass
class Sink:
    """References of one reader, in order of discovery; ``pages`` uint64 as in ``MemoryImage``,
    ``frame_label`` int32[5] as in ``ReferenceReader``.

    Every reference comes from a word of its own in the copied memory, so the words
    bound their number; untouched pages of the arrays cost nothing.
    """

    def __init__(self, objects: Objects, layout: Layout, pages, frame_label):
        self.objects = objects
        self.memory = objects.memory
        self.layout = layout
        self.pages = pages
        self.frame_label = frame_label
        self.room = self.memory.size // 8 + 1
        self._targets = _columns.empty(self.room, np.int32)
        self._kinds = _columns.empty(self.room, np.uint8)
        self._labels = _columns.empty(self.room, np.int32)
        self.targets = self._targets
        self.kinds = self._kinds
        self.labels = self._labels
        self.count = 0
        self.budget = self.room * 4

    def taken(self):
        """``(targets int32, kinds uint8, labels int32)`` so far; the reader is at its end."""
        n = self.count
        return self._targets[:n], self._kinds[:n], self._labels[:n]

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
    def address_of(self, offset: cython.longlong) -> cython.ulonglong:
        return self.pages[offset >> 12] + cython.cast(cython.ulonglong, offset & 4095)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def spend(self, words: cython.ulonglong) -> cython.bint:
        """Whether so many words may still be read: a torn heap in which many lists share one array stays linear."""
        if words > cython.cast(cython.ulonglong, self.room):
            return False
        self.budget -= cython.cast(cython.longlong, words)
        return self.budget >= 0

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def items(self, place: cython.longlong, length: cython.ulonglong, kind: cython.int) -> cython.void:
        """Inline items; that they fit was checked when the object was accepted."""
        i: cython.longlong
        end: cython.longlong = cython.cast(cython.longlong, length)
        if not self.spend(length) or place + end * 8 > self.memory.size:
            return
        for i in range(end):
            self.emit(self.memory.at(place + i * 8), kind, cython.cast(cython.int, i))

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
