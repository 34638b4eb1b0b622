"""Reads one attribute of one instance, in every form in which 3.10 to 3.13 keep them."""

from __future__ import annotations

from collections.abc import Iterator

from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.types import Type, TypeTable


def type_of(heap: HeapMemory, table: TypeTable, address: int) -> Type | None:
    """The type of the object at ``address``; None if there is none."""
    row = table.row.get(heap.word(address + heap.layout.object_type))
    return table.types[row] if row is not None else None


def instance_dict(heap: HeapMemory, found: Type, address: int) -> int:
    """Address of the instance's ``__dict__`` object; 0 if it has none, or none yet."""
    layout = heap.layout
    if layout.flag_managed_dict > 0 and found.flags & layout.flag_managed_dict:
        if layout.instance_dict_or_values != -1:
            word = heap.word(address + layout.instance_dict_or_values)
            return 0 if word & 1 else word
        return heap.word(address + layout.instance_managed_dict)
    return heap.word(address + found.dict_offset) if found.dict_offset > 0 else 0


def attributes(heap: HeapMemory, found: Type, address: int) -> Iterator[tuple[int, int]]:
    """``(name address, value address)`` of the attributes in the instance's dict or its inline values."""
    layout = heap.layout
    values = 0
    if layout.flag_managed_dict > 0 and found.flags & layout.flag_managed_dict:
        if layout.instance_dict_or_values != -1:
            word = heap.word(address + layout.instance_dict_or_values)
            values = word + 1 if word & 1 else 0
        elif layout.instance_values_ptr != -1:
            values = heap.word(address + layout.instance_values_ptr)
        elif found.flags & layout.flag_inline_values and heap.byte(address + found.basic + layout.dictvalues_valid):
            values = address + found.basic + layout.dictvalues_values
    if values:
        yield from heap.split_items(found.cached_keys, values)
    namespace = instance_dict(heap, found, address)
    if namespace:
        yield from heap.dict_items(namespace)


def attribute(heap: HeapMemory, table: TypeTable, address: int, name: str) -> int:
    """Address of the value of ``object.name`` in its own dict; 0 if it has no such attribute there."""
    found = type_of(heap, table, address)
    if found is None:
        return 0
    return next((v for k, v in attributes(heap, found, address) if heap.text(k, 256) == name), 0)
