"""Walks the records of a JVM heap dump (HPROF): once to check and count them, once more to fill columns.

The format is that of HotSpot's heapDumper.cpp; all numbers are big-endian.
"""

import cython
import numpy as np

STRINGS, LOADED, FRAMES, TRACES, STACKED, ROOTS, OBJECTS, CLASSES, STATICS, FIELDS, ELEMENTS, COUNTS = range(12)
CUT_OFF, BAD_TAG, BAD_HEAP_TAG, BAD_TYPE, BAD_LENGTH, NO_END = range(1, 7)
"""Why ``Walk.reason`` stopped; 0: it did not."""
CUT_OFF_ = cython.declare(cython.int, 1)
BAD_TAG_ = cython.declare(cython.int, 2)
BAD_HEAP_TAG_ = cython.declare(cython.int, 3)
BAD_TYPE_ = cython.declare(cython.int, 4)
BAD_LENGTH_ = cython.declare(cython.int, 5)
NO_END_ = cython.declare(cython.int, 6)
COLUMNS = {
    "string_id": (np.uint64, STRINGS), "string_place": (np.int64, STRINGS), "string_bytes": (np.int32, STRINGS),
    "loaded_serial": (np.int64, LOADED), "loaded_id": (np.uint64, LOADED), "loaded_name": (np.uint64, LOADED),
    "frame_id": (np.uint64, FRAMES), "frame_method": (np.uint64, FRAMES), "frame_file": (np.uint64, FRAMES),
    "frame_class": (np.int64, FRAMES), "frame_line": (np.int64, FRAMES),
    "trace_serial": (np.int64, TRACES), "trace_first": (np.int64, TRACES), "trace_frames": (np.int64, TRACES),
    "stacked": (np.uint64, STACKED),
    "root_tag": (np.uint8, ROOTS), "root_id": (np.uint64, ROOTS), "root_thread": (np.int64, ROOTS),
    "root_frame": (np.int64, ROOTS),
    "id": (np.uint64, OBJECTS), "place": (np.int64, OBJECTS), "tag": (np.uint8, OBJECTS), "key": (np.uint64, OBJECTS),
    "class_id": (np.uint64, CLASSES), "class_super": (np.uint64, CLASSES), "class_loader": (np.uint64, CLASSES),
    "class_signers": (np.uint64, CLASSES), "class_domain": (np.uint64, CLASSES),
    "class_statics": (np.int64, CLASSES), "class_fields": (np.int64, CLASSES),
    "static_name": (np.uint64, STATICS), "static_type": (np.uint8, STATICS), "static_place": (np.int64, STATICS),
    "field_name": (np.uint64, FIELDS), "field_type": (np.uint8, FIELDS),
}  # fmt: skip
"""Type of each column, and which count is its length. ``place`` is the offset of a record's tag, of a static's value;
``key`` an instance's or array's class, or a primitive array's type; ``class_statics`` and ``class_fields`` say where
each class's begin in their columns."""


@cython.final
@cython.cclass
class Walk:
    """``Walk(data, id_bytes)``: the dump (uint8) and how wide its ids are, 4 or 8.

    ``counts`` (int64[COUNTS]) after ``count``; ``reason`` and ``at`` (offset) say what is wrong with it.
    """

    def __init__(self, data, id_bytes):
        i: cython.int
        self._kept = np.ascontiguousarray(data, dtype=np.uint8)
        self.data = cython.cast(cython.p_uchar, cython.cast(cython.size_t, self._kept.ctypes.data))
        self.size = len(self._kept)
        self.width = id_bytes
        for i in range(16):
            self.sizes[i] = 0
        for code, width in ((2, id_bytes), (4, 1), (5, 2), (6, 4), (7, 8), (8, 1), (9, 2), (10, 4), (11, 8)):
            self.sizes[code] = width

    def count(self, start):
        """Checks and counts all records from ``start`` on: ``counts``, or None and a ``reason``."""
        self.filling = False
        self._begin()
        self.records(start)
        return None if self.reason else np.array([self.n[i] for i in range(COUNTS)], dtype=np.int64)

    def fill(self, start, counts):
        """All columns by name, as ``COLUMNS`` says; ``counts`` of the same dump."""
        self.columns = {name: np.empty(int(counts[of]), dtype=kind) for name, (kind, of) in COLUMNS.items()}
        self._point()
        self.filling = True
        self._begin()
        self.records(start)
        return self.columns

    def _begin(self):
        i: cython.int
        self.reason = 0
        self.at = 0
        for i in range(12):
            self.n[i] = 0

    def _point(self):
        """Pointers to the columns, by type in the order of their names in ``COLUMNS``."""
        u64: cython.int = 0
        i64: cython.int = 0
        u8: cython.int = 0
        for column in self.columns.values():
            address: cython.size_t = column.ctypes.data
            if column.dtype == np.uint64:
                self.u64[u64] = cython.cast(cython.p_ulonglong, address)
                u64 += 1
            elif column.dtype == np.int64:
                self.i64[i64] = cython.cast(cython.p_longlong, address)
                i64 += 1
            elif column.dtype == np.uint8:
                self.u8[u8] = cython.cast(cython.p_uchar, address)
                u8 += 1
            else:
                self.string_bytes = cython.cast(cython.p_int, address)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def number(self, at: cython.longlong, width: cython.int) -> cython.ulonglong:
        p: cython.p_uchar = self.data + at
        if width == 2:
            return cython.cast(cython.ulonglong, p[0]) << 8 | p[1]
        high: cython.uint = (cython.cast(cython.uint, p[0]) << 24) | (p[1] << 16) | (p[2] << 8) | p[3]
        if width == 4:
            return high
        low: cython.uint = (cython.cast(cython.uint, p[4]) << 24) | (p[5] << 16) | (p[6] << 8) | p[7]
        return cython.cast(cython.ulonglong, high) << 32 | low

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def id(self, at: cython.longlong) -> cython.ulonglong:
        return self.number(at, self.width)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def stop(self, reason: cython.int, at: cython.longlong) -> cython.longlong:
        self.reason = reason
        self.at = at
        return -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def records(self, at: cython.longlong) -> cython.void:
        """Top-level records; those of dumps go to ``heap``."""
        tag: cython.uchar
        length: cython.longlong
        end: cython.longlong
        parted: cython.bint = False  # between the first part of a heap and the record that ends it
        while at < self.size and at >= 0:
            if at + 9 > self.size:
                self.stop(CUT_OFF_, at)
                return
            tag = self.data[at]
            length = self.number(at + 5, 4)
            end = at + 9 + length
            if tag == 0x0C and length == 0:
                end = self.size
            elif tag == 0x0C and end < self.size:
                # Of dumps over 4 GB, old JVMs wrote the lower half of the length of their one record.
                end += (self.size - end) >> 32 << 32
            if end > self.size:
                self.stop(CUT_OFF_, at)
                return
            if tag == 0x1C or tag == 0x2C:
                parted = tag == 0x1C
            if tag == 0x0C or tag == 0x1C:
                at = self.heap(at + 9, end, tag == 0x0C and length == 0)
                continue
            if not self.record(tag, at, length):
                return
            at = end
        if parted and not self.reason:
            self.stop(NO_END_, self.size)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def record(self, tag: cython.uchar, at: cython.longlong, length: cython.longlong) -> cython.bint:
        """Any other record; False if it is damaged."""
        body: cython.longlong = at + 9
        w: cython.int = self.width
        row: cython.longlong
        i: cython.longlong
        count: cython.longlong
        if tag == 0x01:
            if length < w:
                return self.stop(BAD_LENGTH_, at) > 0
            row = self.n[0]
            self.n[0] = row + 1
            if self.filling:
                self.u64[0][row] = self.id(body)
                self.i64[0][row] = body + w
                self.string_bytes[row] = cython.cast(cython.int, length - w if length - w < 65536 else 65536)
        elif tag == 0x02:
            if length < 8 + 2 * w:
                return self.stop(BAD_LENGTH_, at) > 0
            row = self.n[1]
            self.n[1] = row + 1
            if self.filling:
                self.i64[1][row] = self.number(body, 4)
                self.u64[1][row] = self.id(body + 4)
                self.u64[2][row] = self.id(body + 8 + w)
        elif tag == 0x04:
            if length < 8 + 4 * w:
                return self.stop(BAD_LENGTH_, at) > 0
            row = self.n[2]
            self.n[2] = row + 1
            if self.filling:
                self.u64[3][row] = self.id(body)
                self.u64[4][row] = self.id(body + w)
                self.u64[5][row] = self.id(body + 3 * w)
                self.i64[2][row] = self.number(body + 4 * w, 4)
                self.i64[3][row] = cython.cast(cython.int, self.number(body + 4 * w + 4, 4))
        elif tag == 0x05:
            count = self.number(body + 8, 4) if length >= 12 else 0
            if length < 12 or 12 + count * w > length:
                return self.stop(BAD_LENGTH_, at) > 0
            row = self.n[3]
            self.n[3] = row + 1
            if self.filling:
                self.i64[4][row] = self.number(body, 4)
                self.i64[5][row] = self.n[4]
                self.i64[6][row] = count
                for i in range(count):
                    self.u64[6][self.n[4] + i] = self.id(body + 12 + i * w)
            self.n[4] += count
        elif tag not in (0x03, 0x06, 0x07, 0x0A, 0x0B, 0x0D, 0x0E, 0x2C):
            return self.stop(BAD_TAG_, at) > 0
        return True

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def heap(self, at: cython.longlong, end: cython.longlong, open_ended: cython.bint) -> cython.longlong:
        """The records inside a dump; returns where they end, -1 if one is damaged."""
        tag: cython.uchar
        while at < end:
            tag = self.data[at]
            if tag == 0x20:
                at = self.class_dump(at, end)
            elif tag == 0x21 or tag == 0x22 or tag == 0x23:
                at = self.object_dump(tag, at, end)
            elif tag == 0x2C and open_ended:
                return at
            else:
                at = self.root(tag, at, end)
            if at < 0:
                return -1
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def root(self, tag: cython.uchar, at: cython.longlong, end: cython.longlong) -> cython.longlong:
        w: cython.int = self.width
        extra: cython.int
        row: cython.longlong
        if tag == 0xFF or tag == 0x05 or tag == 0x07:
            extra = 0
        elif tag == 0x01:
            extra = w
        elif tag == 0x02 or tag == 0x03 or tag == 0x08:
            extra = 8
        elif tag == 0x04 or tag == 0x06:
            extra = 4
        else:
            return self.stop(BAD_HEAP_TAG_, at)
        if at + 1 + w + extra > end:
            return self.stop(CUT_OFF_, at)
        row = self.n[5]
        self.n[5] = row + 1
        if self.filling:
            self.u8[0][row] = tag
            self.u64[7][row] = self.id(at + 1)
            self.i64[7][row] = self.number(at + 1 + w, 4) if extra and tag != 0x01 else -1
            self.i64[8][row] = cython.cast(cython.int, self.number(at + 5 + w, 4)) if extra == 8 and tag != 0x01 else -1
        return at + 1 + w + extra

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def object_dump(self, tag: cython.uchar, at: cython.longlong, end: cython.longlong) -> cython.longlong:
        w: cython.int = self.width
        body: cython.longlong = at + 5 + w
        head: cython.longlong
        size: cython.longlong
        key: cython.ulonglong
        row: cython.longlong
        head = body + (4 + w if tag != 0x23 else 5)
        if head > end:
            return self.stop(CUT_OFF_, at)
        if tag == 0x21:
            key = self.id(body)
            size = self.number(body + w, 4)
        elif tag == 0x22:
            key = self.id(body + 4)
            size = self.number(body, 4)
            self.n[10] += size
            size *= w
        else:
            key = self.data[body + 4]
            if key < 4 or key > 11:
                return self.stop(BAD_TYPE_, at)
            size = cython.cast(cython.longlong, self.number(body, 4)) * self.sizes[key]
        if head + size > end:
            return self.stop(CUT_OFF_, at)
        row = self.n[6]
        self.n[6] = row + 1
        if self.filling:
            self.u64[8][row] = self.id(at + 1)
            self.i64[9][row] = at
            self.u8[1][row] = tag
            self.u64[9][row] = key
        return head + size

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def class_dump(self, at: cython.longlong, end: cython.longlong) -> cython.longlong:
        w: cython.int = self.width
        body: cython.longlong = at + 5 + w
        place: cython.longlong = body + 6 * w + 4
        row: cython.longlong
        if place + 2 > end:
            return self.stop(CUT_OFF_, at)
        row = self.n[6]
        self.n[6] = row + 1
        if self.filling:
            self.u64[8][row] = self.id(at + 1)
            self.i64[9][row] = at
            self.u8[1][row] = 0x20
            self.u64[9][row] = 0
        row = self.n[7]
        self.n[7] = row + 1
        if self.filling:
            self.u64[10][row] = self.id(at + 1)
            self.u64[11][row] = self.id(body)
            self.u64[12][row] = self.id(body + w)
            self.u64[13][row] = self.id(body + 2 * w)
            self.u64[14][row] = self.id(body + 3 * w)
            self.i64[10][row] = self.n[8]
            self.i64[11][row] = self.n[9]
        place = self.values(place, end, 2, False)
        if place >= 0:
            place = self.values(place, end, w, True)
        return self.declared(place, end) if place >= 0 else -1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def values(
        self, at: cython.longlong, end: cython.longlong, name_bytes: cython.int, statics: cython.bint
    ) -> cython.longlong:
        """A class's constants, or its static fields: how many, then of each a name, a type and a value."""
        count: cython.longlong
        _: cython.longlong
        code: cython.uchar
        row: cython.longlong
        if at + 2 > end:
            return self.stop(CUT_OFF_, at)
        count = self.number(at, 2)
        at += 2
        for _ in range(count):
            if at + name_bytes + 1 > end:
                return self.stop(CUT_OFF_, at)
            code = self.data[at + name_bytes]
            if code > 11 or self.sizes[code] == 0:
                return self.stop(BAD_TYPE_, at + name_bytes)
            if at + name_bytes + 1 + self.sizes[code] > end:
                return self.stop(CUT_OFF_, at)
            if statics:
                row = self.n[8]
                self.n[8] = row + 1
                if self.filling:
                    self.u64[15][row] = self.id(at)
                    self.u8[2][row] = code
                    self.i64[12][row] = at + name_bytes + 1
            at += name_bytes + 1 + self.sizes[code]
        return at

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def declared(self, at: cython.longlong, end: cython.longlong) -> cython.longlong:
        """A class's instance fields: how many, then of each a name and a type."""
        count: cython.longlong
        _: cython.longlong
        code: cython.uchar
        row: cython.longlong
        w: cython.int = self.width
        if at + 2 > end:
            return self.stop(CUT_OFF_, at)
        count = self.number(at, 2)
        at += 2
        if at + count * (w + 1) > end:
            return self.stop(CUT_OFF_, at)
        for _ in range(count):
            code = self.data[at + w]
            if code > 11 or self.sizes[code] == 0:
                return self.stop(BAD_TYPE_, at + w)
            row = self.n[9]
            self.n[9] = row + 1
            if self.filling:
                self.u64[16][row] = self.id(at)
                self.u8[3][row] = code
            at += w + 1
        return at
