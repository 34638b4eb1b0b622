"""Which candidates for objects stay: those that fit their memory and do not lie inside another one."""

import cython
from cython.cimports.leakscope.kernels.memory import Memory


def keep_outermost(memory: Memory, pages, offsets, rows, basic, itemsize, count_rule, heads, static_pages, free_from):
    """Moves the candidates that are objects to the front of ``offsets`` and ``rows``; returns ``(count, free_from)``.

    An object fits its memory, inline items included, and does not begin inside the one before. ``pages``: uint64, as in
    ``MemoryImage``: an object must not span a hole. Per type: ``basic``, ``itemsize`` int64 and ``count_rule`` uint8: 0
    no items, 1 ``abs(ob_size)``, 2 the digits of an ``int`` since 3.12 (``lv_tag >> 3``); ``heads`` uint8: bytes that
    belong to an object before its address. ``static_pages``: uint8 per page, where nothing is dropped nor drops others
    (a static type is shorter than the heap types that share its row). ``free_from``: where the object before the first
    candidate ends. What some allocators give out again still looks like the large object that was there: one that
    reaches over an object that the collector's list is sure of, or among whose items one begins, is none, unless it is
    sure itself.
    """
    page: cython.ulonglong[::1] = pages
    place: cython.longlong[::1] = offsets
    row: cython.int[::1] = rows
    size: cython.longlong[::1] = basic
    item: cython.longlong[::1] = itemsize
    rule: cython.uchar[::1] = count_rule
    before: cython.uchar[::1] = heads
    static: cython.uchar[::1] = static_pages
    taken_until: cython.longlong = free_from
    end: cython.longlong
    items: cython.longlong
    count: cython.Py_ssize_t = 0
    total: cython.Py_ssize_t = place.shape[0]
    sure: cython.Py_ssize_t = 0
    i: cython.Py_ssize_t
    with cython.nogil:
        for i in range(total):
            if not static[place[i] >> 12]:
                end = inline_end(memory, cython.address(page[0]), place[i], size[row[i]], item[row[i]], rule[row[i]])
                if end < 0 or place[i] - before[row[i]] < taken_until:
                    continue
                # The hash of bytes is no type's address: it is the next object, and this the slack of the one before.
                if not before[row[i]] and item[row[i]] == 1 and i + 1 < total and place[i + 1] == place[i] + 16:
                    continue
                # The next that is sure; it never goes back, so that all looks ahead together are one pass.
                sure = max(sure, i + 1)
                while (
                    sure < total
                    and place[sure] < end
                    and not (before[row[sure]] and is_linked(memory, address_at(page, place[sure])))
                ):
                    sure += 1
                items = place[i] + size[row[i]] if before[row[i]] and item[row[i]] == 8 else end
                if (
                    (sure < total and place[sure] < end)
                    or is_among(memory, place, i + 1, items, end)
                    or is_among(memory, place, i + 2, items, end)
                ) and not (before[row[i]] and is_linked(memory, address_at(page, place[i]))):
                    continue
                taken_until = end
            place[count] = place[i]
            row[count] = row[i]
            count += 1
    return count, taken_until


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def address_at(page: cython.ulonglong[::1], place: cython.longlong) -> cython.ulonglong:
    """The address of a buffer offset."""
    return page[place >> 12] + cython.cast(cython.ulonglong, place & 4095)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_among(
    memory: Memory,
    place: cython.longlong[::1],
    i: cython.Py_ssize_t,
    items: cython.longlong,
    end: cython.longlong,
) -> cython.bint:
    """Whether candidate ``i`` begins among the items in ``[items, end)``, which are addresses and no counts."""
    if i >= place.shape[0] or place[i] < items or place[i] >= end:
        return False
    return memory.where(memory.words[place[i] >> 3]) < 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_linked(memory: Memory, address: cython.ulonglong) -> cython.bint:
    """Whether both neighbours in the collector's list lead to the object: stale memory has none that do."""
    following: cython.ulonglong = memory.word(address - 16) & ~cython.cast(cython.ulonglong, 1)
    previous: cython.ulonglong = memory.word(address - 8) & ~cython.cast(cython.ulonglong, 3)
    if following == 0 or previous == 0 or memory.word(previous) & ~cython.cast(cython.ulonglong, 1) != address - 16:
        return False
    return memory.word(following + 8) & ~cython.cast(cython.ulonglong, 3) == address - 16


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def inline_end(
    memory: Memory,
    page: cython.p_ulonglong,
    place: cython.longlong,
    size: cython.longlong,
    itemsize: cython.longlong,
    rule: cython.uchar,
) -> cython.longlong:
    """Where an object ends in the buffer, -1 if it does not fit."""
    items: cython.longlong
    last: cython.longlong
    if rule and place + 24 <= memory.size:
        items = cython.cast(cython.longlong, memory.words[(place >> 3) + 2])
        if rule == 2:
            items = items >> 3
        if items < 0:
            items = -items
        if items < 0 or items > memory.size:
            return -1
        size += items * itemsize
    if size <= 0 or place + size > memory.size:
        return -1
    last = (place + size - 1) >> 12
    if page[last] - page[place >> 12] != cython.cast(cython.ulonglong, last - (place >> 12)) << 12:
        return -1
    return place + size
