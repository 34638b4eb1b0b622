"""Numbers that C code keeps in its objects and no attribute shows: descriptors, states, limits, lengths.

``declared`` lists those of the standard library and of a few others. Beside them, every whole number that a C type
publishes in its ``tp_members`` is there under its own name (``closed`` of a psycopg2 connection): its type and offset
are certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.cpython.layouts import Layout
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.native import Mask, inherited
from leakscope.graph.heap import HeapGraph, Int32s, Int64s
from leakscope.graph.values import Value, Values
from leakscope.kernels._arrays import UInt64s


@dataclass(frozen=True)
class CNumber:
    """Where one number lies in the instances of one C type."""

    offset: int
    width: int
    """Bytes; negative for a signed number."""
    behind: int = -1
    """If not -1, the word at this offset of the object points at the structure that ``offset`` is of."""
    is_flag: bool = False
    """Only whether it is zero counts: a pointer, or a C truth value."""


_AFTER_HEAD = 16
"""The first field behind ``PyObject_HEAD``, in release builds with the GIL."""


def declared(layout: Layout) -> dict[tuple[str, str], CNumber]:
    """By ``(type, field)``. Offsets without a name in ``layout`` are of private structs, verified on live objects."""
    size = CNumber(layout.var_size, -8)
    state = CNumber(layout.future_state, 4)
    # sqlite3.Connection and mmap.mmap begin with the pointer that closing sets to NULL.
    pointer = CNumber(_AFTER_HEAD, 8, is_flag=True)
    descriptor = CNumber(_AFTER_HEAD, -4)
    return {
        ("_socket.socket", "fd"): descriptor,
        ("_io.FileIO", "fd"): descriptor,
        ("select.epoll", "fd"): descriptor,
        ("sqlite3.Connection", "open"): pointer,
        ("mmap.mmap", "open"): pointer,
        ("_asyncio.Future", "state"): state,
        ("_asyncio.Task", "state"): state,
        ("_thread.lock", "locked"): CNumber(layout.lock_locked, 1, is_flag=True),
        ("_thread.RLock", "locked"): CNumber(layout.rlock_count, 8, is_flag=True),
        ("functools._lru_cache_wrapper", "maxsize"): CNumber(layout.lru_cache_maxsize, -8),
        ("collections.deque", "maxsize"): CNumber(layout.deque_maxlen, -8),
        ("functools._lru_cache_wrapper", "len"): CNumber(layout.dict_used, -8, behind=layout.lru_cache_cache),
        ("dict", "len"): CNumber(layout.dict_used, -8),
        ("set", "len"): CNumber(layout.set_used, -8),
        ("frozenset", "len"): CNumber(layout.set_used, -8),
        ("str", "len"): CNumber(layout.unicode_length, -8),
        **{(name, "len"): size for name in ("list", "tuple", "bytes", "bytearray", "collections.deque")},
        ("_thread._ThreadHandle", "exiting"): CNumber(57, 1, behind=_AFTER_HEAD, is_flag=True),
        **_of_libraries(layout),
    }


def _of_libraries(layout: Layout) -> dict[tuple[str, str], CNumber]:
    """By ``(type, field)``; verified on live objects of greenlet 3.5 and grpcio 1.85 (``tests/catalogue``)."""
    # A greenlet's C++ part: virtual table, self, exc_info, the interpreter's _PyErr_StackItem, two arguments, stack.
    stack = 24 + layout.exc_item_sizeof + 16
    started, until = CNumber(stack, 8, behind=32, is_flag=True), CNumber(stack + 8, -8, behind=32)
    return {
        ("greenlet.greenlet", "active"): started,
        ("greenlet.greenlet", "stack_stop"): until,
        ("grpc._cython.cygrpc.Channel", "open"): CNumber(32, 8, behind=_AFTER_HEAD, is_flag=True),
        ("grpc._cython.cygrpc.AioChannel", "status"): CNumber(40, -4),
    }


_WIDTH_OF_MEMBER = {0: -2, 1: -4, 2: -8, 8: -1, 9: 1, 10: 2, 11: 4, 12: 8, 14: 1, 17: -8, 18: 8, 19: -8}
"""``T_SHORT`` .. ``T_PYSSIZET`` of structmember.h, the whole numbers among them; widths as in ``CNumber``."""
_MOST_MEMBERS = 256
_MOST_BYTES = 1 << 20


class NumberTable:
    """Which numbers the types of a graph have, by the name of the field."""

    def __init__(self, heap: HeapMemory, graph: HeapGraph, native: Mask) -> None:
        self._heap = heap
        self._graph = graph
        self._native = native
        # Each interpreter of a process has types of its own, of the same names.
        self._declared: dict[str, dict[str, CNumber]] = {}
        for (name, field), number in declared(heap.layout).items():
            self._declared.setdefault(name, {})[field] = number

    @cached_property
    def _by_field(self) -> dict[str, dict[int, CNumber]]:
        """By field and row of the types that say it themselves."""
        found: dict[str, dict[int, CNumber]] = {}
        types = self._graph.types
        for row in np.flatnonzero(self._native).tolist():
            for field, number in _members(self._heap, int(self._graph.address[types.node[row]])):
                found.setdefault(field, {})[row] = number
            for field, number in self._declared.get(types.name[row], {}).items():
                found.setdefault(field, {})[row] = number
        return found

    def rows(self, field: str) -> Int64s:
        """By row of the types: the row of the base that says where ``field`` is; -1 where none does."""
        own = np.full(len(self._graph.types.name), -1, np.int64)
        said = list(self._by_field.get(field, ()))
        own[said] = said
        return inherited(self._graph.types, own, -1)

    def read(self, rows: Int32s, places: Int64s, field: str) -> Values:
        """INT, or BOOL for flags; MISSING where the type in row ``rows`` has no such field or ``places`` are -1."""
        kind, number = np.zeros(len(rows), np.uint8), np.full(len(rows), np.nan)
        says = self.rows(field)[rows]
        for row, each in self._by_field.get(field, {}).items():
            mine = np.flatnonzero((says == row) & (places >= 0))
            raw, there = self._raw(places[mine], each)
            kind[mine[there]] = Value.BOOL if each.is_flag else Value.INT
            number[mine[there]] = (raw != 0 if each.is_flag else raw)[there]
        return Values(kind, number)

    def _raw(self, places: Int64s, each: CNumber) -> tuple[npt.NDArray[np.integer], Mask]:
        """The numbers, and which of them are there."""
        if each.behind >= 0:
            pointer, there = self._words(places + each.behind)
            words = self._heap.paged.gather(pointer + np.uint64(each.offset // 8 * 8))
            shift = np.full(len(places), each.offset % 8 * 8, np.uint64)
            there &= pointer != 0
        else:
            words, there = self._words(places + each.offset)
            shift = ((places + each.offset) % 8 * 8).astype(np.uint64)
        above = np.uint64(64 - abs(each.width) * 8)
        lifted = words >> shift << above
        return (lifted.view(np.int64) >> above.astype(np.int64) if each.width < 0 else lifted >> above), there

    def _words(self, at: Int64s) -> tuple[UInt64s, Mask]:
        """The words around these buffer offsets, and which of them lie in the buffer."""
        words = self._heap.image.buffer.view(np.uint64)
        there: Mask = (at >= 0) & (at // 8 < len(words))
        return words[np.where(there, at // 8, 0)], there


def _members(heap: HeapMemory, address: int) -> Iterator[tuple[str, CNumber]]:
    """The whole numbers among the ``tp_members`` of the type at ``address``, by their names."""
    layout = heap.layout
    at = heap.word(address + layout.type_members)
    for _ in range(_MOST_MEMBERS if at else 0):
        name = heap.word(at + layout.member_name)
        if not name:
            return
        width = _WIDTH_OF_MEMBER.get(heap.int32(at + layout.member_type))
        offset = heap.word(at + layout.member_offset)
        text = heap.c_string(name) or ""
        # __dictoffset__ and its like speak of the type, not of its instances.
        if width and offset < _MOST_BYTES and offset % abs(width) == 0 and not text.startswith("__"):
            yield text, CNumber(offset, width)
        at += layout.member_sizeof
