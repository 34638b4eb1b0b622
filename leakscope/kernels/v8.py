"""Reads the tables of numbers and texts in a V8 heap snapshot, which is JSON, without a JSON parser."""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.masks import Blake2b


def integers(data, position, stop, out):
    """``(count, position)``: fills ``out`` (int64) with the numbers from ``position`` on, up to ``stop`` at most.

    ``data`` (uint8) holds whole numbers of at most 18 digits, commas between them and blanks around them. A position
    of -1 - p says that at p stands something else.
    """
    byte: cython.const[cython.uchar][::1] = data
    number: cython.longlong[::1] = out
    at: cython.longlong = position
    end: cython.longlong = stop
    room: cython.Py_ssize_t = number.shape[0]
    count: cython.Py_ssize_t = 0
    value: cython.longlong
    digits: cython.int
    c: cython.uchar
    with cython.nogil:
        while count < room:
            while at < end and is_between(byte[at]):
                at += 1
            if at >= end:
                break
            value = 0
            digits = 0
            while at < end:
                c = byte[at]
                if c < 48 or c > 57:
                    break
                value = value * 10 + (c - 48)
                digits += 1
                at += 1
            if digits == 0 or digits > 18:
                at = -1 - at
                break
            number[count] = value
            count += 1
    return count, at


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_between(c: cython.uchar) -> cython.bint:
    return c == 44 or c == 10 or c == 13 or c == 32 or c == 9


def texts(data, start, stop, room):
    """``(begins, ends)`` (int64) of the quoted texts between ``start`` and ``stop``, quotes left out; at most ``room``.

    Where something else than texts, commas and blanks stands, the last entry of both is -1 - its position.
    """
    byte: cython.const[cython.uchar][::1] = data
    begins = np.empty(room, dtype=np.int64)
    ends = np.empty(room, dtype=np.int64)
    begin: cython.longlong[::1] = begins
    last: cython.longlong[::1] = ends
    limit: cython.Py_ssize_t = begin.shape[0]
    count: cython.Py_ssize_t = 0
    at: cython.longlong = start
    end: cython.longlong = stop
    bad: cython.longlong = 0
    with cython.nogil:
        while count < limit:
            while at < end and is_between(byte[at]):
                at += 1
            if at >= end:
                break
            if byte[at] != 34:
                bad = -1 - at
                break
            at += 1
            begin[count] = at
            while at < end and byte[at] != 34:
                at += 2 if byte[at] == 92 else 1
            if at >= end:
                bad = -1 - end
                break
            last[count] = at
            count += 1
            at += 1
    if bad and count < limit:
        begin[count] = bad
        last[count] = bad
        count += 1
    return begins[:count].copy(), ends[:count].copy()


def matching_quotes(data, start, stop):
    """How many quotes stand between ``start`` and ``stop``: at least twice the number of texts."""
    byte: cython.const[cython.uchar][::1] = data
    at: cython.longlong
    low: cython.longlong = start
    high: cython.longlong = stop
    count: cython.longlong = 0
    with cython.nogil:
        for at in range(low, high):
            count += byte[at] == 34
    return count


def mask_texts(data, begins, ends):
    """48-bit BLAKE2b masks (uint64) of the texts between ``begins`` and ``ends``; all ones for those with escapes."""
    byte: cython.const[cython.uchar][::1] = data
    begin: cython.longlong[::1] = begins
    last: cython.longlong[::1] = ends
    masks = np.empty(len(begins), dtype=np.uint64)
    out: cython.ulonglong[::1] = masks
    hash: Blake2b = Blake2b()
    i: cython.Py_ssize_t
    at: cython.longlong
    with cython.nogil:
        for i in range(begin.shape[0]):
            hash.begin()
            for at in range(begin[i], last[i]):
                if byte[at] == 92:
                    break
                hash.add(byte[at])
            else:
                out[i] = hash.end()
                continue
            out[i] = cython.cast(cython.ulonglong, -1)
    return masks


def mask_ropes(data, begins, ends, names, is_text, firsts, seconds, ropes):
    """As ``mask_texts``, of texts in pieces: of each node in ``ropes`` (int32).

    By node: which of the texts it is, ``names`` (int32), if ``is_text`` (uint8) says so; the pieces of a rope,
    ``firsts`` and ``seconds`` (int32), -1 for others. All ones also for what has hundreds of pieces, lacks one, or has
    a long one.
    """
    byte: cython.const[cython.uchar][::1] = data
    begin: cython.longlong[::1] = begins
    last: cython.longlong[::1] = ends
    name: cython.int[::1] = names
    whole: cython.const[cython.uchar][::1] = is_text
    first: cython.int[::1] = firsts
    second: cython.int[::1] = seconds
    rope: cython.int[::1] = ropes
    masks = np.full(len(ropes), 0xFFFFFFFFFFFFFFFF, dtype=np.uint64)
    out: cython.ulonglong[::1] = masks
    room = np.empty(258, dtype=np.int32)
    pending: cython.int[::1] = room
    hash: Blake2b = Blake2b()
    i: cython.Py_ssize_t
    at: cython.longlong
    count: cython.int
    pieces: cython.int
    node: cython.int
    with cython.nogil:
        for i in range(rope.shape[0]):
            hash.begin()
            pending[0] = rope[i]
            count = 1
            pieces = 0
            while 0 < count < 257 and pieces < 512:
                count -= 1
                pieces += 1
                node = pending[count]
                if node >= 0 and first[node] >= 0:
                    pending[count] = second[node]
                    pending[count + 1] = first[node]
                    count += 2
                    continue
                if node < 0 or not whole[node] or last[name[node]] - begin[name[node]] > 65536:
                    count = 257
                    break
                for at in range(begin[name[node]], last[name[node]]):
                    if byte[at] == 92:
                        count = 257
                        break
                    hash.add(byte[at])
            if count == 0:
                out[i] = hash.end()
    return masks


def whole_numbers(data, begins, ends):
    """The number that each text is (int32), -1 where it is none, or has more than nine digits."""
    byte: cython.const[cython.uchar][::1] = data
    begin: cython.longlong[::1] = begins
    last: cython.longlong[::1] = ends
    numbers = np.full(len(begins), -1, dtype=np.int32)
    out: cython.int[::1] = numbers
    i: cython.Py_ssize_t
    at: cython.longlong
    value: cython.int
    with cython.nogil:
        for i in range(begin.shape[0]):
            if last[i] == begin[i] or last[i] - begin[i] > 9:
                continue
            value = 0
            for at in range(begin[i], last[i]):
                if byte[at] < 48 or byte[at] > 57:
                    break
                value = value * 10 + (byte[at] - 48)
            else:
                out[i] = value
    return numbers


def with_words(data, begins, ends, words, within):
    """Whether ``words`` (bytes) begin among the first ``within`` bytes of each text (uint8)."""
    byte: cython.const[cython.uchar][::1] = data
    begin: cython.longlong[::1] = begins
    last: cython.longlong[::1] = ends
    wanted: cython.const[cython.uchar][::1] = np.frombuffer(words, dtype=np.uint8)
    size: cython.Py_ssize_t = wanted.shape[0]
    most: cython.Py_ssize_t = within
    found = np.zeros(len(begins), dtype=np.uint8)
    out: cython.uchar[::1] = found
    i: cython.Py_ssize_t
    j: cython.Py_ssize_t
    at: cython.longlong
    with cython.nogil:
        for i in range(begin.shape[0]):
            for at in range(begin[i], min(begin[i] + most, last[i] - size + 1)):
                for j in range(size):
                    if byte[at + j] != wanted[j]:
                        break
                else:
                    out[i] = 1
                    break
    return found
