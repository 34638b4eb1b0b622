"""Masks of the texts of a JVM heap dump, as ``masks.py`` makes them for CPython's."""

import cython
from cython.cimports.leakscope.kernels.masks import Blake2b, add_character

LATIN1, UTF16_LITTLE, UTF16_BIG = range(3)
"""How the characters of a text are kept."""
_LATIN1 = cython.declare(cython.int, 0)
_LITTLE = cython.declare(cython.int, 1)
LONGEST = cython.declare(cython.longlong, 1 << 16)


def mask_texts(data, begins, lengths, codings, masks):
    """Fills ``masks`` (uint64) with 48-bit BLAKE2b masks of the UTF-8 of texts; all ones for over 65,536 characters.

    ``begins`` (int64): offsets in ``data`` (uint8); ``lengths`` (int64): in characters of the text's own coding
    (uint8, ``LATIN1`` ...). A begin of -1, or an end behind ``data``, stands for no text.
    """
    byte: cython.const[cython.uchar][::1] = data
    begin: cython.longlong[::1] = begins
    length: cython.longlong[::1] = lengths
    coding: cython.const[cython.uchar][::1] = codings
    out: cython.ulonglong[::1] = masks
    size: cython.longlong = len(data)
    hasher: Blake2b = Blake2b()
    i: cython.Py_ssize_t
    at: cython.longlong
    end: cython.longlong
    code: cython.longlong
    low: cython.longlong
    big: cython.int
    with cython.nogil:
        for i in range(begin.shape[0]):
            out[i] = cython.cast(cython.ulonglong, -1)
            at = begin[i]
            end = at + length[i] * (1 if coding[i] == _LATIN1 else 2)
            if at < 0 or length[i] < 0 or length[i] > LONGEST or end > size:
                continue
            hasher.begin()
            big = 0 if coding[i] == _LITTLE else 1
            while at < end:
                if coding[i] == _LATIN1:
                    add_character(hasher, byte[at])
                    at += 1
                    continue
                code = byte[at + 1 - big] << 8 | byte[at + big]
                at += 2
                if 0xD800 <= code < 0xDC00 and at < end:
                    low = byte[at + 1 - big] << 8 | byte[at + big]
                    if 0xDC00 <= low < 0xE000:
                        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                        at += 2
                add_character(hasher, code)
            out[i] = hasher.end()
