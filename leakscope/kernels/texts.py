"""Compares and copies short texts of a foreign heap, a column at a time; long ones are never looked at.

Places are buffer offsets of ``str`` objects, -1 for none.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.masks import text_start, text_width
from cython.cimports.leakscope.kernels.memory import Memory
from cython.cimports.leakscope.kernels.values import Numbers


def short_texts(memory: Memory, numbers: Numbers, places, longest):
    """By place one row of ``longest`` bytes (uint8): the characters of its text, zeros behind them.

    All zeros for texts that are longer or have a character beyond U+00FF, and where no text stands.
    """
    place: cython.longlong[::1] = places
    limit: cython.ulonglong = longest
    texts = np.zeros((len(places), longest), dtype=np.uint8)
    out: cython.uchar[:, ::1] = texts
    size: cython.ulonglong
    at: cython.longlong
    i: cython.Py_ssize_t
    j: cython.longlong
    with cython.nogil:
        for i in range(place.shape[0]):
            if place[i] < 0:
                continue
            size = memory.at(place[i] + numbers.texts.unicode_length)
            if size > limit or text_width(memory, numbers.texts, place[i]) != 1:
                continue
            at = text_start(memory, numbers.texts, place[i])
            if at < 0:
                continue
            for j in range(cython.cast(cython.longlong, size)):
                out[i, j] = cython.cast(cython.uchar, memory.byte(at + j))
    return texts


def match_texts(memory: Memory, numbers: Numbers, places, characters, starts):
    """By place (int32): which of the wanted texts stands there, -1 none.

    ``characters`` (uint32): code points of all wanted texts, text ``i`` from ``starts[i]`` to ``starts[i + 1]``.
    """
    place: cython.longlong[::1] = places
    wanted: cython.uint[::1] = characters
    start: cython.longlong[::1] = starts
    found = np.full(len(places), -1, dtype=np.int32)
    out: cython.int[::1] = found
    # Texts of a length stand in a list, so that a heap's long texts are never looked at.
    lengths = np.diff(starts)
    longest: cython.ulonglong = int(lengths.max(initial=0))
    heads = np.full(int(longest) + 1, -1, dtype=np.int32)
    links = np.full(len(lengths), -1, dtype=np.int32)
    for row in range(len(lengths) - 1, -1, -1):
        links[row] = heads[lengths[row]]
        heads[lengths[row]] = row
    head: cython.int[::1] = heads
    after: cython.int[::1] = links
    size: cython.ulonglong
    row_at: cython.int
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            if place[i] < 0:
                continue
            size = memory.at(place[i] + numbers.texts.unicode_length)
            row_at = head[size] if size <= longest else -1
            while row_at >= 0:
                if same(memory, numbers, place[i], wanted, start[row_at], cython.cast(cython.longlong, size)):
                    out[i] = row_at
                    break
                row_at = after[row_at]
    return found


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def same(
    memory: Memory,
    numbers: Numbers,
    place: cython.longlong,
    wanted: cython.uint[::1],
    first: cython.longlong,
    size: cython.longlong,
) -> cython.bint:
    at: cython.longlong = text_start(memory, numbers.texts, place)
    width: cython.longlong = text_width(memory, numbers.texts, place)
    code: cython.uint
    i: cython.longlong
    if at < 0:
        return False
    for i in range(size):
        if width == 1:
            code = memory.byte(at + i)
        elif width == 2:
            code = memory.byte(at + 2 * i) | memory.byte(at + 2 * i + 1) << 8
        else:
            code = cython.cast(cython.uint, memory.signed32(at + 4 * i))
        if code != wanted[first + i]:
            return False
    return True
