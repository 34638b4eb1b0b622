"""Hides the texts of dict keys behind their BLAKE2b hash (RFC 7693), so that equal keys stay equal.

``hashlib`` has the same function, for one object at a time; a heap has millions of keys.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.memory import Memory

DIGEST_BYTES = cython.declare(cython.int, 6)
LONGEST = cython.declare(cython.longlong, 1 << 16)
_IV = [
    0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
    0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
]  # fmt: skip
_SIGMA = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]


@cython.final
@cython.cclass
class Blake2b:
    """One hash at a time: ``begin``, ``add`` bytes, ``end``."""

    def __init__(self):
        i: cython.int
        for i in range(8):
            self.iv[i] = _IV[i]
        for i in range(160):
            self.sigma[i] = _SIGMA[i // 16][i % 16]

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def begin(self) -> cython.void:
        i: cython.int
        for i in range(8):
            self.h[i] = self.iv[i]
        self.h[0] ^= 0x01010000 ^ DIGEST_BYTES
        self.filled = 0
        self.total = 0

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def add(self, byte: cython.uchar) -> cython.void:
        if self.filled == 128:  # the last block is compressed with another flag, so only now
            self.compress(False)
            self.filled = 0
        cython.cast(cython.p_uchar, self.m)[self.filled] = byte
        self.filled += 1
        self.total += 1

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def end(self) -> cython.ulonglong:
        """The first ``DIGEST_BYTES`` bytes of the hash, the first one highest."""
        i: cython.int
        digest: cython.ulonglong = 0
        for i in range(self.filled, 128):
            cython.cast(cython.p_uchar, self.m)[i] = 0
        self.compress(True)
        for i in range(DIGEST_BYTES):
            digest = digest << 8 | ((self.h[0] >> (8 * i)) & 255)
        return digest

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def compress(self, last: cython.bint) -> cython.void:
        v = cython.declare(cython.ulonglong[16])
        m: cython.p_ulonglong = self.m
        s: cython.p_uchar
        i: cython.int
        turn: cython.int
        for i in range(8):
            v[i] = self.h[i]
            v[i + 8] = self.iv[i]
        v[12] ^= self.total
        if last:
            v[14] = ~v[14]
        for turn in range(12):
            s = self.sigma + 16 * (turn if turn < 10 else turn - 10)
            mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]])
            mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]])
            mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]])
            mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]])
            mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]])
            mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]])
            mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]])
            mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]])
        for i in range(8):
            self.h[i] ^= v[i] ^ v[i + 8]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def mix(
    v: cython.p_ulonglong,
    a: cython.int, b: cython.int, c: cython.int, d: cython.int,
    x: cython.ulonglong, y: cython.ulonglong,
) -> cython.void:  # fmt: skip
    v[a] += v[b] + x
    v[d] = rotated(v[d] ^ v[a], 32)
    v[c] += v[d]
    v[b] = rotated(v[b] ^ v[c], 24)
    v[a] += v[b] + y
    v[d] = rotated(v[d] ^ v[a], 16)
    v[c] += v[d]
    v[b] = rotated(v[b] ^ v[c], 63)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def rotated(word: cython.ulonglong, right: cython.int) -> cython.ulonglong:
    return (word >> right) | (word << (64 - right))


def mask_texts(memory: Memory, layout: Layout, offsets):
    """Hashes (uint64, 48 bits used) of the UTF-8 texts of the ``str`` objects at these buffer offsets.

    All ones where a text cannot be read or is longer than 65,536 characters.
    """
    place: cython.longlong[::1] = offsets
    masks = np.empty(len(offsets), dtype=np.uint64)
    out: cython.ulonglong[::1] = masks
    hasher: Blake2b = Blake2b()
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            out[i] = mask_text(memory, layout, hasher, place[i])
    return masks


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def text_width(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    """Bytes per character of the ``str`` at this buffer offset: 1, 2 or 4; 0 if it is none."""
    width: cython.longlong = (memory.signed32(place + layout.unicode_state) & layout.unicode_kind_mask) >> 2
    return width if width in (1, 2, 4) else 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def text_start(memory: Memory, layout: Layout, place: cython.longlong) -> cython.longlong:
    """Buffer offset of the characters of the ``str`` at this buffer offset; -1 if they are not all there."""
    state: cython.longlong = memory.signed32(place + layout.unicode_state)
    length: cython.ulonglong = memory.at(place + layout.unicode_length)
    width: cython.longlong = text_width(memory, layout, place)
    start: cython.longlong
    if width == 0 or length > cython.cast(cython.ulonglong, memory.size):
        return -1
    if not state & layout.unicode_compact_mask:
        start = memory.span(memory.at(place + layout.unicode_data), length * width)
    elif state & layout.unicode_ascii_mask:
        start = place + layout.unicode_ascii_sizeof
    else:
        start = place + layout.unicode_compact_sizeof
    return -1 if start + cython.cast(cython.longlong, length) * width > memory.size else start


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def mask_text(memory: Memory, layout: Layout, hasher: Blake2b, place: cython.longlong) -> cython.ulonglong:
    length: cython.ulonglong = memory.at(place + layout.unicode_length)
    width: cython.longlong = text_width(memory, layout, place)
    start: cython.longlong
    i: cython.longlong
    if length > cython.cast(cython.ulonglong, LONGEST):
        return ~cython.cast(cython.ulonglong, 0)
    start = text_start(memory, layout, place)
    if start < 0:
        return ~cython.cast(cython.ulonglong, 0)
    hasher.begin()
    for i in range(cython.cast(cython.longlong, length)):
        if width == 1:
            add_character(hasher, memory.byte(start + i))
        elif width == 2:
            add_character(hasher, memory.byte(start + 2 * i) | memory.byte(start + 2 * i + 1) << 8)
        else:
            add_character(hasher, memory.signed32(start + 4 * i))
    return hasher.end()


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def add_character(hasher: Blake2b, code: cython.longlong) -> cython.void:
    """UTF-8 (RFC 3629); lone surrogates like any other, as ``surrogatepass`` does."""
    if code < 0x80:
        hasher.add(cython.cast(cython.uchar, code))
        return
    if code < 0x800:
        hasher.add(cython.cast(cython.uchar, 0xC0 | (code >> 6)))
    else:
        if code < 0x10000:
            hasher.add(cython.cast(cython.uchar, 0xE0 | (code >> 12)))
        else:
            hasher.add(cython.cast(cython.uchar, 0xF0 | ((code >> 18) & 7)))
            hasher.add(cython.cast(cython.uchar, 0x80 | ((code >> 12) & 63)))
        hasher.add(cython.cast(cython.uchar, 0x80 | ((code >> 6) & 63)))
    hasher.add(cython.cast(cython.uchar, 0x80 | (code & 63)))
