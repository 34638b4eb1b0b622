"""The classes of a dump: the table of types, and where the fields of instances stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.origins import origin_of, written
from leakscope.formats.hprof.records import CLASS, NUMBERS, PRIMITIVES, REFERENCE, Malformed, Records, Texts
from leakscope.graph.heap import Int8s, Int32s, Int64s, Types
from leakscope.kernels.hprof_ids import Ids

FRAME, UNKNOWN, CLASS_OF_CLASSES = "frame", "?", "java.lang.Class"
_LARGEST_INSTANCE = 1 << 30
"""Bytes. Java's class files allow 65,535 fields each, and nobody derives a thousand times from such a class."""
WIDTHS = {4: 1, 5: 2, 6: 4, 7: 8, 8: 1, 9: 2, 10: 4, 11: 8}


@dataclass(frozen=True)
class Fields:
    """Declared fields, by class in the order of the types' rows: parallel arrays."""

    first: Int64s
    """By row (and one more): where its fields begin."""
    row: Int32s
    name: Int32s
    """Index into the graph's names."""
    type: Int8s
    at: Int32s
    """Offset among the bytes that the class itself adds to an instance."""


@dataclass(frozen=True)
class Classes:
    """Rows as in ``types``; classes of the dump first, then what has no class object in it."""

    types: Types
    order: list[int]
    """Rows, each after its base."""
    fields: Fields
    own_bytes: Int64s
    """Bytes that each class adds to an instance's data, as the dump has them."""
    all_bytes: Int64s
    """With those of all its bases."""
    references: Int64s
    """Fields of an instance that refer to objects, those of bases included."""
    static_bytes: Int64s
    """Of its class variables, references left out."""
    static_references: Int64s
    number_of: dict[str, int]
    """Row by name; of several classes of one name the first."""

    def row(self, name: str) -> int:
        """-1 for a class that is not there."""
        return self.number_of.get(name, -1)


def read_classes(records: Records, texts: Texts, names: Names) -> tuple[Classes, Int32s]:
    """The classes, and by object the row of its type."""
    ids, dumped = np.unique(records["class_id"], return_index=True)
    by_id = Ids(ids)
    called = _names(records, texts, by_id, len(ids))
    lacking = [f"{name}[]" for name in PRIMITIVES.values() if f"{name}[]" not in called]
    rows = [*called, *lacking, UNKNOWN, FRAME]
    base = np.full(len(rows), -1, dtype=np.int32)
    base[: len(ids)] = by_id.find(records["class_super"][dumped])
    order = _order(base)
    node = np.full(len(rows), -1, dtype=np.int32)
    found = records.find(ids)
    node[: len(ids)] = np.where(records["tag"][found.clip(0)] == CLASS, found, -1)
    origin = np.array([origin_of(name) for name in rows], dtype=np.uint8)
    types = Types(rows, node, base, origin)
    fields, own = _fields(records, texts, names, dumped, len(rows))
    static_bytes, static_references = _statics(records, texts, dumped, len(rows))
    own_references = np.bincount(fields.row[fields.type == REFERENCE], minlength=len(rows))
    number_of: dict[str, int] = {}
    for row, name in enumerate(rows):
        number_of.setdefault(name, row)
    classes = Classes(
        types=types,
        order=order,
        fields=fields,
        own_bytes=own,
        all_bytes=_with_bases(own, base, order),
        references=_with_bases(own_references, base, order),
        static_bytes=static_bytes,
        static_references=static_references,
        number_of=number_of,
    )
    return classes, _types_of(records, by_id, classes)


def _statics(records: Records, texts: Texts, dumped: Int64s, rows: int) -> tuple[Int64s, Int64s]:
    """By row the bytes of its class variables that are numbers, and how many others it has.

    Those with a name in angles are the JVM's own, and stand elsewhere.
    """
    row = _owner_rows(records["class_statics"], len(records["static_type"]), dumped, rows)
    used, where = np.unique(records["static_name"], return_inverse=True)
    of_program = np.array([not name.startswith("<") for name in texts.all_of(used)], dtype=np.bool_)[where]
    kept = (row >= 0) & of_program
    is_reference = records["static_type"] == REFERENCE
    numbers = kept & ~is_reference
    widths = _widths(records.header.id_bytes)[records["static_type"][numbers]]
    size = np.bincount(row[numbers], weights=widths, minlength=rows).astype(np.int64)
    return size, np.bincount(row[kept & is_reference], minlength=rows)


def static_rows(records: Records, classes: Classes) -> Int32s:
    """By class variable of the dump: the row of its class, -1 for a class that is there twice."""
    _, dumped = np.unique(records["class_id"], return_index=True)
    return _owner_rows(records["class_statics"], len(records["static_type"]), dumped, len(classes.types.name))


def _names(records: Records, texts: Texts, by_id: Ids, count: int) -> list[str]:
    row = by_id.find(records["loaded_id"])
    known = texts.all_of(records["loaded_name"][row >= 0])
    names = [UNKNOWN] * count
    for at, name in zip(row[row >= 0].tolist(), known, strict=True):
        names[at] = written(name) or UNKNOWN
    return names


def _order(base: Int32s) -> list[int]:
    """Rows, each after its base. Cuts circles in ``base``."""
    bases = base.tolist()
    state = [0] * len(bases)  # 1: on the way, 2: done
    order: list[int] = []
    for row in range(len(bases)):
        way = []
        while row >= 0 and state[row] == 0:
            state[row] = 1
            way.append(row)
            row = bases[row]
        if way and row >= 0 and state[row] == 1:
            base[way[-1]] = -1
        for each in reversed(way):
            state[each] = 2
            order.append(each)
    return order


def _with_bases(own: Int64s, base: Int32s, order: list[int]) -> Int64s:
    total = own.tolist()
    bases = base.tolist()
    for row in order:
        if bases[row] >= 0:
            total[row] += total[bases[row]]
    if max(total, default=0) > _LARGEST_INSTANCE:
        raise Malformed("it has a class whose instances are larger than any can be")
    return np.array(total, dtype=np.int64)


def _widths(id_bytes: int) -> Int64s:
    widths = np.zeros(256, dtype=np.int64)
    widths[list(WIDTHS)] = list(WIDTHS.values())
    widths[REFERENCE] = id_bytes
    return widths


def _fields(records: Records, texts: Texts, names: Names, dumped: Int64s, rows: int) -> tuple[Fields, Int64s]:
    """The fields in the order of the rows, and how many bytes they are by row."""
    first = np.append(records["class_fields"], len(records["field_type"]))
    count = np.zeros(rows, dtype=np.int64)
    count[: len(dumped)] = first[dumped + 1] - first[dumped]
    begin = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(count, out=begin[1:])
    starts = np.zeros(rows, dtype=np.int64)
    starts[: len(dumped)] = first[dumped]
    position = np.arange(int(begin[-1])) - np.repeat(begin[:-1] - starts, count)
    kind: Int8s = records["field_type"][position]
    row = np.repeat(np.arange(rows, dtype=np.int32), count)
    size = _widths(records.header.id_bytes)[kind]
    behind = np.cumsum(size)
    at = behind - size
    before = np.append(at, behind[-1] if len(behind) else 0)[begin[:-1]]
    used, where = np.unique(records["field_name"][position], return_inverse=True)
    name = names.add_all(texts.all_of(used))[where].astype(np.int32)
    own = np.bincount(row, weights=size, minlength=rows).astype(np.int64)
    return Fields(begin, row, name, kind, (at - np.repeat(before, count)).astype(np.int32)), own


def _owner_rows(first: Int64s, total: int, dumped: Int64s, rows: int) -> Int32s:
    """By entry of a column that is divided among the classes: the row of its class."""
    row_of_dump = np.full(len(first), -1, dtype=np.int32)
    row_of_dump[dumped] = np.arange(len(dumped))
    return np.repeat(row_of_dump, np.diff(np.append(first, total)))


def _types_of(records: Records, by_id: Ids, classes: Classes) -> Int32s:
    """By object the row of its type."""
    tag: Int8s = records["tag"]
    row: npt.NDArray[np.int32] = by_id.find(records["key"])
    row[row < 0] = classes.number_of[UNKNOWN]
    of_class = classes.row(CLASS_OF_CLASSES)
    row[tag == CLASS] = of_class if of_class >= 0 else classes.number_of[UNKNOWN]
    arrays = np.zeros(12, dtype=np.int32)
    arrays[list(PRIMITIVES)] = [classes.number_of[f"{name}[]"] for name in PRIMITIVES.values()]
    numbers = np.flatnonzero(tag == NUMBERS)
    row[numbers] = arrays[records["key"][numbers].astype(np.int64)]
    return row
