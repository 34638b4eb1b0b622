"""Values of single objects, for whoever asks for one field: never read for the graph itself.

Layouts: longobject.c, floatobject.c, bytesobject.c, and the packed dates of
Include/datetime.h.
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from leakscope.cpython.attributes import attributes, type_of
from leakscope.cpython.layouts import layout_for
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.shapes import members
from leakscope.cpython.threads import read_int
from leakscope.cpython.types import TypeTable, find_types
from leakscope.target.image import MemoryImage

_LONGEST = 1 << 16


@dataclass(frozen=True)
class NoValue:
    """An object whose class has no value that can be read, or whose bytes are torn."""

    type: str


Value: TypeAlias = bool | int | float | str | bytes | datetime.datetime | NoValue | None


class ValueReader:
    """Reads values and attributes out of one image. Raises UnsupportedTargetError as ``find_types`` does."""

    def __init__(self, image: MemoryImage) -> None:
        self._heap = HeapMemory(image, layout_for(image.version))
        self._table: TypeTable = find_types(self._heap)

    def value(self, address: int) -> Value:
        """The value of the object at ``address``, by the nearest of its bases that has one."""
        found = type_of(self._heap, self._table, address)
        if found is None:
            return NoValue("?")
        for base in self._table.bases(found):
            if base.name in _READERS:
                try:
                    return _READERS[base.name](self._heap, address)
                except (struct.error, ValueError, TypeError):
                    break
        return NoValue(found.name)

    def attributes(self, address: int) -> dict[str, int]:
        """Addresses of an instance's attribute values by name: dict, inline values and slots."""
        found = type_of(self._heap, self._table, address)
        if found is None:
            return {}
        named = {
            name: self._heap.word(address + offset)
            for base in self._table.bases(found)
            for offset, name in members(self._heap, base)
        }
        for key, value in attributes(self._heap, found, address):
            named[self._heap.text(key, 200) or "?"] = value
        return {name: value for name, value in named.items() if value}


def _int(heap: HeapMemory, address: int) -> Value:
    value = read_int(heap, address)
    return NoValue("int") if value is None else value


def _bool(heap: HeapMemory, address: int) -> Value:
    return bool(read_int(heap, address))


def _float(heap: HeapMemory, address: int) -> Value:
    value: float = struct.unpack("<d", heap.read(address + heap.layout.float_value, 8) or b"")[0]
    return value


def _str(heap: HeapMemory, address: int) -> Value:
    text = heap.text(address)
    return NoValue("str") if text is None else text


def _bytes(heap: HeapMemory, address: int) -> Value:
    size = heap.word(address + heap.layout.var_size)
    raw = heap.read(address + heap.layout.bytes_sval, min(size, _LONGEST))
    return NoValue("bytes") if raw is None else raw


def _datetime(heap: HeapMemory, address: int) -> Value:
    """Naive, or with a ``datetime.timezone``; other zones are refused, not guessed."""
    layout = heap.layout
    raw = heap.read(address + layout.datetime_data, 10) or b""
    year, month, day, hour, minute, second, high, low = struct.unpack(">H5BHB", raw)
    zone = None
    if heap.byte(address + layout.datetime_hastzinfo):
        zone = _timezone(heap, heap.word(address + layout.datetime_tzinfo))
    fold = heap.byte(address + layout.datetime_fold)
    return datetime.datetime(year, month, day, hour, minute, second, high << 8 | low, tzinfo=zone, fold=fold & 1)


def _timezone(heap: HeapMemory, address: int) -> datetime.timezone:
    layout = heap.layout
    name = heap.c_string(heap.word(heap.word(address + layout.object_type) + layout.type_name))
    if name != "datetime.timezone":
        raise ValueError("only fixed offsets can be told from outside")
    offset = heap.word(address + layout.timezone_offset)
    days, seconds, micro = struct.unpack("<iii", heap.read(offset + layout.timedelta_days, 12) or b"")
    return datetime.timezone(datetime.timedelta(days, seconds, micro))


_READERS: dict[str, Callable[[HeapMemory, int], Value]] = {
    "NoneType": lambda heap, address: None,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "bytes": _bytes,
    "datetime.datetime": _datetime,
}
