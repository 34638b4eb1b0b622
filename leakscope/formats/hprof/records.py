"""The tables of a heap dump as columns, and the texts that its records refer to."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.layout import MAX_ROWS
from leakscope.formats.order import ascending
from leakscope.graph.heap import Addresses, Int32s, Int64s
from leakscope.kernels import hprof
from leakscope.kernels.hprof_ids import Ids

Bytes = npt.NDArray[np.uint8]
MAGIC = b"JAVA PROFILE "
VERSIONS = (b"1.0.1", b"1.0.2")
CLASS, INSTANCE, OBJECTS, NUMBERS = 0x20, 0x21, 0x22, 0x23
"""Tags of objects: a class, an instance, an array of objects, an array of numbers."""
PRIMITIVES = {4: "boolean", 5: "char", 6: "float", 7: "double", 8: "byte", 9: "short", 10: "int", 11: "long"}
REFERENCE = 2
"""The type of a field that refers to an object."""
_ID_END = np.uint64(1 << 63)
_LONGEST_HEADER = 64
_REASONS = {
    hprof.CUT_OFF: "the record at offset {at:,} is cut off: was there no space left when it was written?",
    hprof.BAD_TAG: "at offset {at:,} stands a record of an unknown kind (0x{tag:02x})",
    hprof.BAD_HEAP_TAG: "at offset {at:,} stands an object of an unknown kind (0x{tag:02x})",
    hprof.BAD_TYPE: "at offset {at:,} stands a value of an unknown type",
    hprof.BAD_LENGTH: "the record at offset {at:,} has an impossible length",
    hprof.NO_END: "it ends at offset {at:,}, before its heap does: was there no space left when it was written?",
}


class Malformed(ValueError):  # noqa: N818 - a finding about a file
    """Not what a heap dump is; the text says in which way, and at which offset."""


@dataclass(frozen=True)
class Header:
    """How a dump begins."""

    id_bytes: int
    captured_at: float
    """Epoch seconds."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Records:
    """All tables of a dump; columns as in ``kernels.hprof.COLUMNS``, those of objects ascending by id, unique."""

    data: Bytes
    header: Header
    columns: dict[str, npt.NDArray[Any]]
    ids: Ids
    elements: int
    """Entries of all arrays of objects."""
    doubled: int
    """Objects that are left out because another one has their id."""

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    @property
    def objects(self) -> int:
        """How many."""
        return len(self.columns["id"])

    def with_ids(self, ids: Addresses) -> Records:
        """With the same ids in memory that others need as well: a copy less of what is as large as any column."""
        self.columns["id"] = ids
        return replace(self, ids=Ids(ids))

    def find(self, ids: Addresses) -> Int32s:
        """By id: its object's number, -1 for none."""
        return self.ids.find(ids)


def read_header(data: Bytes) -> Header:
    """Malformed if the dump is none, or of another version."""
    beginning = data[:_LONGEST_HEADER].tobytes()
    name, end, rest = beginning.partition(b"\0")
    if not name.startswith(MAGIC) or not end:
        raise Malformed("it does not begin as one")
    if name[len(MAGIC) :] not in VERSIONS:
        raise Malformed(f"version {name[len(MAGIC) :].decode('ascii', 'replace')!r} is unknown")
    if len(rest) < 12:
        raise Malformed("it ends within its header")
    id_bytes, high, low = struct.unpack(">III", rest[:12])
    if id_bytes not in (4, 8):
        raise Malformed(f"ids of {id_bytes} bytes are unknown")
    return Header(id_bytes, (high << 32 | low) / 1000, len(name) + 13)


def read_records(data: Bytes) -> Records:
    """All tables. Malformed where the dump is damaged."""
    header = read_header(data)
    walk = hprof.Walk(data, header.id_bytes)
    counts = walk.count(header.size)
    if counts is None:
        tag = int(data[walk.at]) if walk.at < len(data) else 0
        raise Malformed(_REASONS[walk.reason].format(at=walk.at, tag=tag))
    if counts[hprof.OBJECTS] > MAX_ROWS // 2:
        raise Malformed(f"it has {int(counts[hprof.OBJECTS]):,} objects, more than can be numbered")
    if not counts[hprof.CLASSES]:
        raise Malformed("it has no classes: no heap was dumped into it")
    columns: dict[str, npt.NDArray[Any]] = walk.fill(header.size, counts)
    doubled = _sort_objects(columns)
    return Records(data, header, columns, Ids(columns["id"]), int(counts[hprof.ELEMENTS]), doubled)


def _sort_objects(columns: dict[str, npt.NDArray[Any]]) -> int:
    """Objects by id; of several with one id the first stays. Returns how many are left out."""
    id: Addresses = columns["id"]
    impossible = np.flatnonzero((id == 0) | (id >= _ID_END))
    if len(impossible):
        at = int(columns["place"][impossible[0]])
        raise Malformed(f"the object at offset {at:,} has an impossible id")
    if bool((id[1:] > id[:-1]).all()):
        return 0
    order, ordered = ascending(id)
    first = np.ones(len(id), dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    order, columns["id"] = order[first], ordered[first]
    for name in ("place", "tag", "key"):
        columns[name] = columns[name][order]
    return len(first) - len(order)


class Texts:
    """The names in a dump: of classes, fields, methods and files. Decoded when they are asked for."""

    def __init__(self, records: Records) -> None:
        order = np.argsort(records["string_id"], kind="stable")
        self._id: Addresses = records["string_id"][order]
        self._place: Int64s = records["string_place"][order]
        self._bytes: Int32s = records["string_bytes"][order]
        self._data = records.data

    def all_of(self, ids: Addresses) -> list[str]:
        """By id its text, ``?`` where the dump has none."""
        used, where = np.unique(ids, return_inverse=True)
        row = np.searchsorted(self._id, used).clip(max=max(len(self._id) - 1, 0))
        known = self._id[row] == used if len(self._id) else np.zeros(len(used), dtype=np.bool_)
        texts = [self._text(at) if there else "?" for at, there in zip(row.tolist(), known.tolist(), strict=True)]
        return [texts[at] for at in where.tolist()]

    def _text(self, row: int) -> str:
        begin = int(self._place[row])
        return decoded(self._data[begin : begin + int(self._bytes[row])].tobytes())


def decoded(raw: bytes) -> str:
    """The text behind Java's modified UTF-8; what is no character is replaced."""
    if raw.isascii():
        return raw.decode("ascii")
    try:
        text = raw.replace(b"\xc0\x80", b"\0").decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
