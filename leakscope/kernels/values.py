"""Reads what objects are worth in the copied pages: numbers, lengths, moments; and hashes of what identifies them.

Layouts: longobject.c, floatobject.c, bytesobject.c, unicodeobject.c and the packed dates of Include/datetime.h.
Places are buffer offsets of objects, -1 for none. Whatever contradicts itself is MISSING.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.layout import Layout
from cython.cimports.leakscope.kernels.masks import Blake2b, mask_text, text_start
from cython.cimports.leakscope.kernels.memory import Memory

MISSING = cython.declare(cython.uchar, 0)  # graph.values.Value
NONE = cython.declare(cython.uchar, 1)
BOOL = cython.declare(cython.uchar, 2)
INT = cython.declare(cython.uchar, 3)
FLOAT = cython.declare(cython.uchar, 4)
TEXT = cython.declare(cython.uchar, 5)
BYTES = cython.declare(cython.uchar, 6)
AWARE = cython.declare(cython.uchar, 7)
NAIVE = cython.declare(cython.uchar, 8)
DURATION = cython.declare(cython.uchar, 9)
TORN = cython.declare(cython.longlong, -(1 << 62))
LONGEST = cython.declare(cython.longlong, 1 << 16)
MOST_DIGITS = cython.declare(cython.int, 64)
NAN = cython.declare(cython.double, float("nan"))


@cython.final
@cython.cclass
class Numbers:
    """Offsets of ``cpython.layouts.Layout`` that only values need, and the address of ``datetime.timezone``."""

    def __init__(self, numbers, texts: Layout, timezone):
        self.texts = texts
        self.var_size = numbers.var_size
        self.float_value = numbers.float_value
        self.datetime_data = numbers.datetime_data
        self.datetime_fold = numbers.datetime_fold
        self.datetime_hastzinfo = numbers.datetime_hastzinfo
        self.datetime_tzinfo = numbers.datetime_tzinfo
        self.timedelta_days = numbers.timedelta_days
        self.timedelta_seconds = numbers.timedelta_seconds
        self.timedelta_microseconds = numbers.timedelta_microseconds
        self.timezone_offset = numbers.timezone_offset
        self.object_type = numbers.object_type
        self.timezone = timezone


def places_of(memory: Memory, addresses):
    """Buffer offsets (int64) of ``addresses`` (uint64), -1 where the page is not there or the address is odd."""
    asked: cython.ulonglong[::1] = addresses
    places = np.empty(len(addresses), dtype=np.int64)
    out: cython.longlong[::1] = places
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(asked.shape[0]):
            out[i] = -1 if asked[i] & 7 else memory.where(asked[i])
    return places


def read_values(memory: Memory, numbers: Numbers, places, forms):
    """``(kind, number, zone, fold)`` of the objects at ``places``, which by their types are ``forms`` (uint8 Value).

    NAIVE stands for any datetime in ``forms``. ``zone`` (uint64) is the address of a tzinfo that is no
    ``datetime.timezone``, else 0: the kind is AWARE then, and the number the local time as if it were UTC.
    """
    place: cython.longlong[::1] = places
    form: cython.uchar[::1] = forms
    kinds = np.empty(len(places), dtype=np.uint8)
    values = np.full(len(places), np.nan)
    zones = np.zeros(len(places), dtype=np.uint64)
    folds = np.zeros(len(places), dtype=np.uint8)
    kind: cython.uchar[::1] = kinds
    value: cython.double[::1] = values
    zone: cython.ulonglong[::1] = zones
    fold: cython.uchar[::1] = folds
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            kind[i] = form[i] if place[i] >= 0 else MISSING
            if kind[i] == BOOL or kind[i] == INT:
                kind[i] = integer(memory, numbers, place[i], kind[i], cython.address(value[i]))
            elif kind[i] == FLOAT:
                value[i] = real(memory, place[i] + numbers.float_value)
            elif kind[i] == TEXT or kind[i] == BYTES:
                kind[i] = length(memory, numbers, place[i], kind[i], cython.address(value[i]))
            elif kind[i] == NAIVE:
                fold[i] = memory.byte(place[i] + numbers.datetime_fold) & 1
                kind[i] = moment(memory, numbers, place[i], cython.address(value[i]), cython.address(zone[i]))
            elif kind[i] == DURATION:
                value[i] = seconds(memory, numbers, place[i])
    return kinds, values, zones, folds


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def real(memory: Memory, offset: cython.longlong) -> cython.double:
    if offset < 0 or offset + 8 > memory.size:
        return NAN
    return cython.cast(cython.pointer(cython.double), memory.bytes + offset)[0]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def digit_count(memory: Memory, numbers: Numbers, place: cython.longlong) -> cython.longlong:
    """How many 30-bit digits an int has, negative for negative ones; TORN if they are not all there."""
    word: cython.ulonglong
    count: cython.longlong
    negative: cython.bint
    if numbers.texts.long_tag >= 0:
        word = memory.at(place + numbers.texts.long_tag)
        count = 0 if word & 3 == 1 else cython.cast(cython.longlong, word >> 3)
        negative = word & 3 == 2
    else:
        word = memory.at(place + numbers.var_size)
        negative = word >> 63 != 0
        count = cython.cast(cython.longlong, 0 - word if negative else word)
    if count < 0 or count > memory.size >> 2 or place + numbers.texts.long_digits + 4 * count > memory.size:
        return TORN
    return -count if negative else count


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def integer(
    memory: Memory, numbers: Numbers, place: cython.longlong, kind: cython.uchar, value: cython.p_double
) -> cython.uchar:
    """``kind``, and the value in float64: NaN from 2**63 on; MISSING if the digits are none."""
    count: cython.longlong = digit_count(memory, numbers, place)
    size: cython.longlong = -count if count < 0 else count
    magnitude: cython.ulonglong = 0
    digit: cython.ulonglong
    i: cython.longlong
    if count == TORN:
        return MISSING
    if size > 3:
        return kind
    for i in range(size):
        digit = cython.cast(cython.ulonglong, memory.signed32(place + numbers.texts.long_digits + 4 * i))
        if digit >> 30:
            return MISSING
        if i == 2 and digit >> 3:
            return kind
        magnitude |= digit << (30 * i)
    value[0] = cython.cast(cython.double, magnitude)
    if count < 0:
        value[0] = -value[0]
    return kind


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def length(
    memory: Memory, numbers: Numbers, place: cython.longlong, kind: cython.uchar, value: cython.p_double
) -> cython.uchar:
    """``kind``, and how many characters or bytes; MISSING if they are not all there."""
    size: cython.ulonglong
    if kind == TEXT:
        if text_start(memory, numbers.texts, place) < 0:
            return MISSING
        size = memory.at(place + numbers.texts.unicode_length)
    else:
        size = memory.at(place + numbers.var_size)
        if size > cython.cast(cython.ulonglong, memory.size - place):
            return MISSING
    value[0] = cython.cast(cython.double, size)
    return kind


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def moment(
    memory: Memory, numbers: Numbers, place: cython.longlong, value: cython.p_double, zone: cython.p_ulonglong
) -> cython.uchar:
    """NAIVE or AWARE, with epoch seconds; ``zone`` is set where only the caller can tell the offset from UTC."""
    at: cython.longlong = place + numbers.datetime_data
    year: cython.longlong = memory.byte(at) << 8 | memory.byte(at + 1)
    month: cython.longlong = memory.byte(at + 2)
    day: cython.longlong = memory.byte(at + 3)
    hour: cython.longlong = memory.byte(at + 4)
    minute: cython.longlong = memory.byte(at + 5)
    second: cython.longlong = memory.byte(at + 6)
    micro: cython.longlong = memory.byte(at + 7) << 16 | memory.byte(at + 8) << 8 | memory.byte(at + 9)
    tzinfo: cython.ulonglong
    offset: cython.longlong
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= 31):
        return MISSING
    if hour > 23 or minute > 59 or second > 59 or micro > 999_999:
        return MISSING
    micro += (days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) * 1_000_000
    value[0] = cython.cast(cython.double, micro) / 1e6
    if not memory.byte(place + numbers.datetime_hastzinfo):
        return NAIVE
    tzinfo = memory.at(place + numbers.datetime_tzinfo)
    if numbers.timezone and memory.word(tzinfo + numbers.object_type) == numbers.timezone:
        offset = memory.where(memory.word(tzinfo + numbers.timezone_offset))
        if offset < 0:
            return MISSING
        micro -= microseconds(memory, numbers, offset)
        value[0] = cython.cast(cython.double, micro) / 1e6
    else:
        zone[0] = tzinfo
    return AWARE


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def days_since_1970(year: cython.longlong, month: cython.longlong, day: cython.longlong) -> cython.longlong:
    """Of the Gregorian calendar, with years that begin in March, so that leap days come last."""
    month = (month + 9) % 12
    year -= month // 10
    return year * 365 + year // 4 - year // 100 + year // 400 + (month * 306 + 5) // 10 + day - 1 - 719468


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def microseconds(memory: Memory, numbers: Numbers, place: cython.longlong) -> cython.longlong:
    """Of a timedelta that is an offset from UTC; any other may be too long for 64 bits."""
    whole: cython.longlong = memory.signed32(place + numbers.timedelta_days) * 86400
    whole += memory.signed32(place + numbers.timedelta_seconds)
    return whole * 1_000_000 + memory.signed32(place + numbers.timedelta_microseconds)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def seconds(memory: Memory, numbers: Numbers, place: cython.longlong) -> cython.double:
    """Of a timedelta, as ``total_seconds``."""
    days: cython.longlong = memory.signed32(place + numbers.timedelta_days)
    whole: cython.longlong
    if -100_000_000 < days < 100_000_000:
        return cython.cast(cython.double, microseconds(memory, numbers, place)) / 1e6
    whole = days * 86400 + memory.signed32(place + numbers.timedelta_seconds)
    return whole + memory.signed32(place + numbers.timedelta_microseconds) / 1e6


def mask_values(memory: Memory, numbers: Numbers, places, kinds):
    """48-bit BLAKE2b hashes (uint64) of TEXT as UTF-8, BYTES as they are, INT as decimal text; all ones for others.

    All ones too for what is longer than 65,536 characters or bytes, or an int of more than 1,920 bits.
    """
    place: cython.longlong[::1] = places
    kind: cython.uchar[::1] = kinds
    masks = np.full(len(places), ~np.uint64(0))
    out: cython.ulonglong[::1] = masks
    hasher: Blake2b = Blake2b()
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(place.shape[0]):
            if place[i] < 0:
                continue
            if kind[i] == TEXT:
                out[i] = mask_text(memory, numbers.texts, hasher, place[i])
            elif kind[i] == BYTES:
                out[i] = mask_bytes(memory, numbers, hasher, place[i])
            elif kind[i] == INT:
                out[i] = mask_integer(memory, numbers, hasher, place[i])
    return masks


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def mask_bytes(memory: Memory, numbers: Numbers, hasher: Blake2b, place: cython.longlong) -> cython.ulonglong:
    size: cython.ulonglong = memory.at(place + numbers.var_size)
    start: cython.longlong = place + numbers.texts.bytes_sval
    i: cython.longlong
    if size > cython.cast(cython.ulonglong, LONGEST) or start + cython.cast(cython.longlong, size) > memory.size:
        return ~cython.cast(cython.ulonglong, 0)
    hasher.begin()
    for i in range(cython.cast(cython.longlong, size)):
        hasher.add(memory.byte(start + i))
    return hasher.end()


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def mask_integer(memory: Memory, numbers: Numbers, hasher: Blake2b, place: cython.longlong) -> cython.ulonglong:
    """Long division by ten of the 30-bit digits, least first; a text of at most 579 characters."""
    text = cython.declare(cython.uchar[640])
    digits = cython.declare(cython.uint[64])
    count: cython.longlong = digit_count(memory, numbers, place)
    size: cython.int
    written: cython.int = 0
    i: cython.int
    rest: cython.ulonglong
    if count == TORN or count > MOST_DIGITS or count < -MOST_DIGITS:
        return ~cython.cast(cython.ulonglong, 0)
    size = cython.cast(cython.int, -count if count < 0 else count)
    for i in range(size):
        digits[i] = cython.cast(cython.uint, memory.signed32(place + numbers.texts.long_digits + 4 * i)) & 0x3FFFFFFF
    while size > 0:
        rest = 0
        for i in range(size - 1, -1, -1):
            rest = rest << 30 | digits[i]
            digits[i] = cython.cast(cython.uint, rest // 10)
            rest = rest % 10
        text[written] = cython.cast(cython.uchar, 48 + rest)
        written += 1
        while size > 0 and digits[size - 1] == 0:
            size -= 1
    hasher.begin()
    if count < 0:
        hasher.add(45)
    if written == 0:
        hasher.add(48)
    for i in range(written - 1, -1, -1):
        hasher.add(text[i])
    return hasher.end()
