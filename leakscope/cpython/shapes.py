"""What the kernels are told of each type: its shape, its words and their names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from leakscope.cpython.fields import BORROWED, GROUPS, KIND_OF_FIELD, LEAVES, NO_FIELDS, SHAPES, shown_name
from leakscope.cpython.layouts import Layout
from leakscope.cpython.memory import HeapMemory
from leakscope.cpython.names import Names
from leakscope.cpython.types import Type, TypeTable
from leakscope.graph.kinds import Ref
from leakscope.kernels._arrays import Int32s, Int64s, UInt8s
from leakscope.kernels._shapes import IGNORED_WORD, UNKNOWN_WORD, Column, Shape, Trait

_MOST_MEMBERS = 4096


@dataclass(frozen=True)
class ShapeTable:
    """The arrays that the kernels take; rows as in the table of types, and one more for running frames."""

    columns: Int64s
    word_label: Int32s
    word_kind: UInt8s
    modules: list[int]
    """Rows of ``module`` and its subclasses."""
    functions: list[int]
    codes: list[int]
    naive: list[int]
    """Rows of ``datetime`` and ``time``, whose objects without a zone lack the last word."""

    def are(self, shape: Shape, rows: Int32s) -> npt.NDArray[np.bool_]:
        """Mask of the ``rows`` that have this shape."""
        mask: npt.NDArray[np.bool_] = (self.columns[:, Column.SHAPE] == shape)[rows]
        return mask

    def of_kind(self, kind: list[int], rows: Int32s) -> npt.NDArray[np.bool_]:
        """Mask of the ``rows`` that are among ``kind``, one of the lists above."""
        wanted = np.zeros(len(self.columns), bool)
        wanted[kind] = True
        mask: npt.NDArray[np.bool_] = wanted[rows]
        return mask


@dataclass
class _Words:
    """Label and kind of each 8-byte word of one type's fixed part."""

    label: list[int]
    kind: list[int]

    def set(self, offset: int, label: int, kind: int = Ref.INTERNAL) -> None:
        if offset % 8 == 0 and 0 <= offset // 8 < len(self.label):
            self.label[offset // 8] = label
            self.kind[offset // 8] = kind


def describe_types(heap: HeapMemory, table: TypeTable, names: Names) -> ShapeTable:
    """One row of columns per type, then one for ``Shape.RUNNING_FRAME``."""
    columns = np.zeros((len(table.types) + 1, len(Column)), np.int64)
    labels: list[int] = []
    kinds: list[int] = []
    plain = table.class_statement_dealloc
    for row, found in enumerate(table.types):
        words = _words(heap, table, found, names, plain)
        columns[row] = _columns(heap.layout, table, found, plain, len(labels))
        labels += words.label
        kinds += words.kind
    columns[-1, Column.SHAPE] = Shape.RUNNING_FRAME
    columns[-1, Column.BASIC] = max(0, heap.layout.iframe_sizeof)
    return ShapeTable(
        columns, np.array(labels or [0], np.int32), np.array(kinds or [0], np.uint8),
        _rows_below(table, "module"), _rows_below(table, "function"), _rows_below(table, "code"),
        _rows_below(table, "datetime.datetime") + _rows_below(table, "datetime.time"),
    )  # fmt: skip


def _rows_below(table: TypeTable, name: str) -> list[int]:
    return [row for row, found in enumerate(table.types) if any(base.name == name for base in table.bases(found))]


def _columns(layout: Layout, table: TypeTable, found: Type, plain: int, labels: int) -> list[int]:
    """Values in the order of ``Column``."""
    shape = _shape(table, found)
    start = _words_from(layout, shape)
    return [
        shape,
        _traits(layout, table, found, shape, plain),
        found.basic,
        found.item,
        _count_rule(layout, found, shape),
        _head(layout, found),
        _dict_offset(layout, found),
        start,
        max(start, _words_to(layout, found, shape)),
        labels,
        found.cached_keys if found.cached_keys < 1 << 47 else 0,
    ]


def _shape(table: TypeTable, found: Type) -> Shape:
    return next((SHAPES[base.name] for base in table.bases(found) if base.name in SHAPES), Shape.PLAIN)


def _words_from(layout: Layout, shape: Shape) -> int:
    """Where the part that the shape reads ends and the named words begin."""
    return {
        Shape.TUPLE: layout.tuple_items, Shape.LIST: layout.list_sizeof, Shape.DICT: layout.dict_sizeof,
        Shape.SET: layout.set_sizeof, Shape.DEQUE: layout.deque_sizeof, Shape.STR: layout.unicode_sizeof,
        Shape.INT: layout.long_sizeof, Shape.BYTES: layout.bytes_sizeof,
        Shape.BYTEARRAY: layout.bytearray_sizeof, Shape.ARRAY: layout.array_sizeof,
    }.get(shape, layout.object_sizeof)  # fmt: skip


def _words_to(layout: Layout, found: Type, shape: Shape) -> int:
    end = found.basic & ~7
    if shape == Shape.GENERATOR and layout.generator_iframe >= 0:
        return min(end, layout.generator_iframe)
    if shape == Shape.FRAME:
        return min(end, layout.frame_frame_data if layout.frame_frame_data >= 0 else layout.frame_localsplus)
    return end


def _traits(layout: Layout, table: TypeTable, found: Type, shape: Shape, plain: int) -> int:
    traits = Trait.COUNTS_TYPE if found.heap else Trait(0)
    if layout.flag_managed_dict > 0 and found.flags & layout.flag_managed_dict:
        traits |= Trait.MANAGED_DICT
    if layout.flag_inline_values > 0 and found.flags & layout.flag_inline_values:
        traits |= Trait.INLINE_VALUES
    if any(base.name == "collections.OrderedDict" for base in table.bases(found)):
        traits |= Trait.ORDERED_DICT
    if any(base.name == "module" for base in table.bases(found)):
        traits |= Trait.OWNS_STATE
    if shape == Shape.PLAIN and not all(_is_known(base, plain) for base in table.bases(found)):
        traits |= Trait.FOLLOWS
        if found.item == 8 and found.flags & layout.flag_have_gc:
            traits |= Trait.SCANS_ITEMS
    return traits


def _is_known(found: Type, plain: int) -> bool:
    """Whether nothing but the named words can hold a reference."""
    if found.name == "module":
        return False  # module state is memory of C code
    return found.name in GROUPS or found.name in LEAVES or _is_plain(found, plain)


def _is_plain(found: Type, plain: int) -> bool:
    return found.name == "object" or (found.heap and found.dealloc == plain)


def _count_rule(layout: Layout, found: Type, shape: Shape) -> int:
    if (
        not found.item
        or shape in (Shape.GENERATOR, Shape.ARRAY)
        or (shape == Shape.FRAME and layout.frame_interp_frame >= 0)
    ):
        return 0
    return 2 if shape == Shape.INT and layout.long_tag >= 0 else 1


def _head(layout: Layout, found: Type) -> int:
    """``_PyType_PreHeaderSize``: the collector's links, and the words for a managed dict and weak references."""
    head = layout.gc_head_sizeof if found.flags & layout.flag_have_gc else 0
    managed = max(0, layout.flag_managed_dict) | max(0, layout.flag_managed_weakref)
    return head + (16 if found.flags & managed else 0)


def _dict_offset(layout: Layout, found: Type) -> int:
    managed = layout.flag_managed_dict > 0 and found.flags & layout.flag_managed_dict
    return 0 if managed or abs(found.dict_offset) >= 1 << 20 else found.dict_offset


def _words(heap: HeapMemory, table: TypeTable, found: Type, names: Names, plain: int) -> _Words:
    """Labels from the base down, so that a subclass's names win."""
    count = found.basic // 8
    words = _Words([UNKNOWN_WORD] * count, [Ref.C_FIELD] * count)
    for base in reversed(list(table.bases(found))):
        if base.name in GROUPS or base.name in LEAVES or _is_plain(base, plain):
            previous = table.types[table.row[base.base]].basic if base.base in table.row else 16
            for offset in range(previous & ~7, base.basic & ~7, 8):
                words.set(offset, IGNORED_WORD)
        for offset, name, kind in _named_fields(heap.layout, base):
            if kind != UNKNOWN_WORD:
                words.set(offset, names.add(name) if name else IGNORED_WORD, kind)
            else:
                words.set(offset, UNKNOWN_WORD, Ref.C_FIELD)
        for offset, name in members(heap, base):
            words.set(offset, names.add(name), Ref.ATTR)
        if base.weak_offset > 0:
            words.set(base.weak_offset, IGNORED_WORD)
        if base.dict_offset > 0:
            words.set(base.dict_offset, IGNORED_WORD)
    return words


def _named_fields(layout: Layout, found: Type) -> Iterator[tuple[int, str, int]]:
    """The C fields of a builtin type, by the names that CPython's source gives them; "" for borrowed ones."""
    for group in GROUPS.get(found.name, ()):
        for field, offset in _group(layout, group):
            full = f"{group}_{field}"
            name = "" if full in BORROWED or field in BORROWED else shown_name(full, field)
            yield offset, name, KIND_OF_FIELD.get(full, Ref.INTERNAL)


@cache
def _group(layout: Layout, group: str) -> list[tuple[str, int]]:
    """``(field, offset)`` of a struct, from the numbers whose names begin with it."""
    prefix = f"{group}_"
    named = ((name, getattr(layout, name)) for name in layout.__dataclass_fields__ if name.startswith(prefix))
    return [
        (name.removeprefix(prefix), offset)
        for name, offset in named
        if offset >= layout.object_sizeof and not name.endswith("sizeof") and not name.startswith(NO_FIELDS)
    ]


def members(heap: HeapMemory, found: Type) -> Iterator[tuple[int, str]]:
    """``(offset, name)`` of a type's members that are objects: ``__slots__``, and what C types publish."""
    layout = heap.layout
    at = found.members
    for _ in range(_MOST_MEMBERS if at else 0):
        name = heap.word(at + layout.member_name)
        if not name:
            return
        if heap.int32(at + layout.member_type) in (layout.member_t_object, layout.member_t_object_ex):
            yield heap.word(at + layout.member_offset), heap.c_string(name) or "?"
        at += layout.member_sizeof
