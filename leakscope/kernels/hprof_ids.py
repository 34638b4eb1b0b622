"""From the ids of a heap dump's objects to their numbers, and numbers that stand anywhere in the dump."""

import cython
import numpy as np


@cython.final
@cython.cclass
class Ids:
    """``Ids(ids)``: ascending uint64, unique. A table of beginnings by the upper bits, then a short binary search."""

    def __init__(self, ids):
        self._ids = np.ascontiguousarray(ids, dtype=np.uint64)
        self.count = len(self._ids)
        self.low = int(self._ids[0]) if self.count else 0
        self.high = int(self._ids[self.count - 1]) if self.count else 0
        span = self.high - self.low if self.count else 0
        shift = 0
        while (int(span) >> shift) > 2 * len(self._ids):
            shift += 1
        self.shift = shift
        self.ids = cython.cast(cython.p_ulonglong, cython.cast(cython.size_t, self._ids.ctypes.data))
        self._starts = np.empty((int(span) >> shift) + 2, dtype=np.int32)
        self.starts = cython.cast(cython.p_int, cython.cast(cython.size_t, self._starts.ctypes.data))
        self.begin(len(self._starts))

    @cython.cfunc
    @cython.exceptval(check=False)
    def begin(self, buckets: cython.longlong) -> cython.void:
        """Where the ids of each bucket begin; behind the last one, where they end."""
        i: cython.int
        bucket: cython.longlong = 0
        own: cython.longlong
        for i in range(self.count):
            own = (self.ids[i] - self.low) >> self.shift
            while bucket <= own:
                self.starts[bucket] = i
                bucket += 1
        while bucket < buckets:
            self.starts[bucket] = self.count
            bucket += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def node(self, id: cython.ulonglong) -> cython.int:
        """The object's number, -1 if there is none."""
        low: cython.int
        high: cython.int
        middle: cython.int
        bucket: cython.ulonglong
        if self.count == 0 or id < self.low or id > self.high:
            return -1
        bucket = (id - self.low) >> self.shift
        low = self.starts[bucket]
        high = self.starts[bucket + 1]
        while low < high:
            middle = (low + high) >> 1
            if self.ids[middle] < id:
                low = middle + 1
            else:
                high = middle
        return low if low < self.count and self.ids[low] == id else -1

    def find(self, wanted):
        """By id (uint64): its object's number (int32), -1 if there is none."""
        wanted = np.ascontiguousarray(wanted, dtype=np.uint64)
        asked: cython.const[cython.ulonglong][::1] = wanted
        nodes = np.empty(len(wanted), dtype=np.int32)
        found: cython.int[::1] = nodes
        i: cython.Py_ssize_t
        with cython.nogil:
            for i in range(asked.shape[0]):
                found[i] = self.node(asked[i]) if i == 0 or asked[i] != asked[i - 1] else found[i - 1]
        return nodes


def numbers_at(data, places, width):
    """The big-endian numbers (uint64) of ``width`` bytes at these offsets of ``data`` (uint8); 0 beyond its end."""
    byte: cython.const[cython.uchar][::1] = data
    place: cython.longlong[::1] = np.ascontiguousarray(places, dtype=np.int64)
    numbers = np.zeros(len(places), dtype=np.uint64)
    out: cython.ulonglong[::1] = numbers
    wide: cython.int = width
    size: cython.longlong = len(data)
    value: cython.ulonglong
    i: cython.Py_ssize_t
    j: cython.int
    with cython.nogil:
        for i in range(place.shape[0]):
            if place[i] < 0 or place[i] + wide > size:
                continue
            value = 0
            for j in range(wide):
                value = value << 8 | byte[place[i] + j]
            out[i] = value
    return numbers
