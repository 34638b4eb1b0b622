"""Finds every type object of a heap, and what its instances' builtin base is.

A type is an object whose type is ``type``, or a metaclass: a type with the
type-subclass flag. What looks like a type is searched for in all memory, then asked for its own type.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from leakscope.cpython.memory import HeapMemory
from leakscope.errors import UnsupportedTargetError
from leakscope.kernels import _columns
from leakscope.kernels._arrays import Int64s, UInt64s
from leakscope.kernels.scan import find_type_like

_LARGEST_BASIC = 1 << 20
_THREADS = 2
_PART_BYTES = 32 << 20


@dataclass(frozen=True)
class Type:
    """One type object; numbers are its C fields."""

    address: int
    name: str
    """``module.QualName``, ``builtins.`` left out."""
    base: int
    basic: int
    item: int
    flags: int
    dict_offset: int
    weak_offset: int
    members: int
    dealloc: int
    dict: int
    cached_keys: int
    metatype: int
    heap: bool


@dataclass(frozen=True)
class TypeTable:
    """All types by address, each before none of its subclasses in particular."""

    types: list[Type]

    @cached_property
    def row(self) -> dict[int, int]:
        """Index in ``types`` by address."""
        return {found.address: row for row, found in enumerate(self.types)}

    def bases(self, found: Type) -> Iterator[Type]:
        """The type itself, then its ``tp_base`` chain, without going round in torn circles."""
        seen: set[int] = set()
        current: Type | None = found
        while current is not None and current.address not in seen:
            seen.add(current.address)
            yield current
            row = self.row.get(current.base)
            current = self.types[row] if row is not None else None

    @cached_property
    def class_statement_dealloc(self) -> int:
        """``subtype_dealloc``: the ``tp_dealloc`` of classes written in Python, by far the most frequent one."""
        found = np.array([t.dealloc for t in self.types if t.heap], np.uint64)
        values, counts = np.unique(found, return_counts=True)
        return int(values[np.argmax(counts)]) if len(values) else 0


def find_types(heap: HeapMemory) -> TypeTable:
    """Every ready type object, ascending by address. Raises UnsupportedTargetError if ``type`` is not to be found."""
    type_type = next((m.symbols["PyType_Type"] for m in heap.image.modules if "PyType_Type" in m.symbols), 0)
    if not heap.word(type_type + heap.layout.type_basicsize):
        raise UnsupportedTargetError(
            "The type `type` was not found in the process's memory",
            "The interpreter's symbols do not fit its memory; `leakscope doctor PID` shows what was found.",
        )
    places = _ready_types(heap, type_type)
    if not len(places):
        raise UnsupportedTargetError("No type was found in the process's memory", "Take the snapshot again.")
    return _read_types(heap, places)


def _ready_types(heap: HeapMemory, type_type: int) -> Int64s:
    """Buffer offsets of the instances of ``type`` and of metaclasses that look like types that are ready for use."""
    places = _type_like(heap)
    type_of, address = _column(heap, places, heap.layout.object_type), _addresses(heap, places)
    flags = _column(heap, places, heap.layout.type_flags)
    is_metatype = (flags & np.uint64(heap.layout.flag_type_subclass)) != 0
    is_type = type_of == address  # h11 has classes like that
    metatypes = np.append(address[is_type & is_metatype], np.uint64(type_type))
    while len(metatypes):
        found = np.isin(type_of, metatypes) & ~is_type
        is_type |= found
        metatypes = address[found & is_metatype]
    ready: Int64s = places[is_type]
    return ready


def _type_like(heap: HeapMemory) -> Int64s:
    """What looks like a type, found by two threads."""
    layout, memory = heap.layout, heap.paged
    parts = max(_THREADS, memory.size // _PART_BYTES)
    bounds = [memory.size * part // parts & ~4095 for part in range(parts)] + [memory.size]

    def find(part: int) -> Int64s:
        _columns.STORE.make_way(_PART_BYTES)
        return find_type_like(
            memory, layout.type_basicsize, layout.type_flags, layout.type_name, layout.flag_ready, _LARGEST_BASIC,
            layout.type_sizeof, bounds[part], bounds[part + 1],
        )  # fmt: skip

    with ThreadPoolExecutor(_THREADS) as pool:
        return np.concatenate(list(pool.map(find, range(parts))))


def _column(heap: HeapMemory, places: Int64s, offset: int) -> UInt64s:
    words = heap.image.buffer.view(np.uint64)
    column: UInt64s = words[(places + offset) >> 3]
    return column


def _addresses(heap: HeapMemory, places: Int64s) -> UInt64s:
    found: UInt64s = heap.image.pages[places >> 12] + (places & 4095).astype(np.uint64)
    return found


def _read_types(heap: HeapMemory, places: Int64s) -> TypeTable:
    layout = heap.layout
    fields = ("name", "base", "basicsize", "itemsize", "flags", "dictoffset", "weaklistoffset", "members")
    columns = [_column(heap, places, getattr(layout, f"type_{field}")) for field in (*fields, "dealloc", "dict")]
    rows = np.stack([_addresses(heap, places), *columns, _column(heap, places, layout.object_type)], axis=1)
    types = [_read_type(heap, *row) for row in rows.tolist()]
    return TypeTable(_named(heap, types))


def _read_type(
    heap: HeapMemory, address: int, name: int, base: int, basic: int, item: int, flags: int, dict_offset: int,
    weak_offset: int, members: int, dealloc: int, namespace: int, metatype: int,
) -> Type:  # fmt: skip
    is_heap = bool(flags & heap.layout.flag_heaptype)
    cached = heap.word(address + heap.layout.heaptype_cached_keys) if is_heap else 0
    return Type(
        address, heap.c_string(name) or "?", base, basic, item if item < _LARGEST_BASIC else 0, flags,
        _signed(dict_offset), _signed(weak_offset), members, dealloc, namespace, cached, metatype, is_heap,
    )  # fmt: skip


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def _named(heap: HeapMemory, types: list[Type]) -> list[Type]:
    """Full names. A static type has its module in ``tp_name``, a heap type in its namespace's ``__module__``."""
    names: list[Type] = []
    module_keys: set[int] = set()
    for found in types:
        if not found.heap:
            names.append(replace(found, name=found.name.removeprefix("builtins.")))
            continue
        qualified = heap.text(heap.word(found.address + heap.layout.heaptype_qualname)) or found.name
        module = _module_of(heap, found.dict, module_keys)
        names.append(replace(found, name=qualified if module in (None, "builtins") else f"{module}.{qualified}"))
    return names


def _module_of(heap: HeapMemory, namespace: int, module_keys: set[int]) -> str | None:
    """Value of ``__module__``; the key is interned, so that its address is remembered in ``module_keys``."""
    for key, value in heap.dict_items(namespace):
        if key in module_keys or heap.text(key, 11) == "__module__":
            module_keys.add(key)
            return heap.text(value)
    return None
