"""Strings of a heap: where their characters stand, for any number of them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.layout import Layouts
from leakscope.formats.hprof.records import INSTANCE, NUMBERS, Bytes, Records
from leakscope.graph.heap import Addresses, Int8s, Int32s, Int64s
from leakscope.kernels.hprof_ids import numbers_at
from leakscope.kernels.hprof_texts import LATIN1, UTF16_BIG, UTF16_LITTLE, mask_texts

STRING, ENUM = "java.lang.String", "java.lang.Enum"
_CHAR, _BYTE = 5, 8


@dataclass(frozen=True)
class Characters:
    """Parallel arrays."""

    begin: Int64s
    """Offset in the dump, -1 for what is no text."""
    length: Int64s
    """UTF-16 units, or Latin-1 characters."""
    coding: Int8s

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """By entry: whether it is a text."""
        return self.begin >= 0


class Strings:
    """The ``java.lang.String`` objects of a dump, and the constants of enums, which have a name."""

    def __init__(self, records: Records, layouts: Layouts, type: Int32s) -> None:
        self._records = records
        self._layouts = layouts
        self._type = type

    @cached_property
    def _rows(self) -> npt.NDArray[np.bool_]:
        """By type: whether it is ``java.lang.String``."""
        return np.array([name == STRING for name in self._layouts.classes.types.name], dtype=np.bool_)

    @cached_property
    def rows(self) -> npt.NDArray[np.bool_]:
        """By type: whether its objects may be texts."""
        return self._rows | self.constants

    def field_places(self, nodes: Int32s, name: str) -> tuple[Int64s, Int8s]:
        """``(offset in the dump, type)`` of a field of each instance; -1 where it has none."""
        places = np.full(len(nodes), -1, dtype=np.int64)
        kinds = np.zeros(len(nodes), dtype=np.uint8)
        declared = self._layouts.declared(name)
        if not declared or not len(nodes):
            return places, kinds
        records = self._records
        of_type = self._type[nodes]
        if (of_type == of_type[0]).all() and (records["tag"][nodes] == INSTANCE).all():
            place = self._layouts.place(int(of_type[0]), declared)
            if place is not None:
                places = records["place"][nodes]
                places += 9 + 2 * records.header.id_bytes + place[0]
                kinds[:] = place[1]
            return places, kinds
        at = np.full(len(self._layouts.classes.types.name), -1, dtype=np.int64)
        kind = np.zeros(len(at), dtype=np.uint8)
        for row in np.flatnonzero(np.bincount(of_type, minlength=len(at))).tolist():
            at[row], kind[row] = self._layouts.place(row, declared) or (-1, 0)
        there = np.flatnonzero((at[of_type] >= 0) & (records["tag"][nodes] == INSTANCE))
        places[there] = records["place"][nodes[there]] + 9 + 2 * records.header.id_bytes + at[of_type[there]]
        kinds[there] = kind[of_type[there]]
        return places, kinds

    def has_field(self, name: str) -> bool:
        """Whether instances of any class have a field of this name."""
        return bool(self._layouts.declared(name))

    def referred(self, nodes: Int32s, name: str) -> Int32s:
        """By node (-1 for none): what its field refers to, -1 for nothing."""
        found = np.full(len(nodes), -1, dtype=np.int32)
        there = np.flatnonzero(nodes >= 0)
        places, kinds = self.field_places(nodes[there], name)
        is_reference = kinds == 2
        ids: Addresses = numbers_at(self._records.data, places[is_reference], self._records.header.id_bytes)
        found[there[is_reference]] = self._records.find(ids)
        return found

    def characters(self, nodes: Int32s) -> Characters:
        """Where the characters of each node stand."""
        records = self._records
        array = self.referred(self._texts_of(nodes), "value")
        entry = np.flatnonzero(array >= 0)
        entry = entry[records["tag"][array[entry]] == NUMBERS]
        place = records["place"][array[entry]] + 5 + records.header.id_bytes
        usable = np.isin(records.data[place + 4], (_CHAR, _BYTE))
        entry, place = entry[usable], place[usable]
        is_char = records.data[place + 4] == _CHAR
        coder, _ = self.field_places(self._texts_of(nodes)[entry], "coder")
        wide = (numbers_at(records.data, coder, 1) != 0) & ~is_char
        found = Characters(
            begin=np.full(len(nodes), -1, dtype=np.int64),
            length=np.zeros(len(nodes), dtype=np.int64),
            coding=np.full(len(nodes), LATIN1, dtype=np.uint8),
        )
        found.begin[entry] = place + 5
        found.length[entry] = numbers_at(records.data, place, 4)
        found.length[entry[wide]] //= 2
        found.coding[entry] = np.where(is_char, UTF16_BIG, np.where(wide, UTF16_LITTLE, LATIN1))
        return found

    def _texts_of(self, nodes: Int32s) -> Int32s:
        """By node: itself if it is a string, the name of an enum's constant, -1 for all others."""
        text = np.where(self._rows[self._type[nodes]], nodes, np.int32(-1))
        constants = np.flatnonzero(self.constants[self._type[nodes]])
        if len(constants):
            name = self.referred(nodes[constants], "name")
            text[constants] = np.where((name >= 0) & self._rows[self._type[name]], name, -1)
        return text.astype(np.int32)

    @cached_property
    def constants(self) -> npt.NDArray[np.bool_]:
        """By type: whether it is an enum."""
        types, order = self._layouts.classes.types, self._layouts.classes.order
        found = np.zeros(len(types.name), dtype=np.bool_)
        for row in order:
            base = int(types.base[row])
            found[row] = types.name[row] == ENUM or (base >= 0 and found[base])
        return found

    def masks(self, texts: Characters) -> Addresses:
        """48-bit BLAKE2b masks."""
        masks = np.empty(len(texts.begin), dtype=np.uint64)
        middle = len(masks) // 2

        def fill(part: slice) -> None:
            mask_texts(self._records.data, texts.begin[part], texts.length[part], texts.coding[part], masks[part])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(fill, (slice(middle), slice(middle, None))))
        return masks

    def text(self, node: int, limit: int) -> str | None:
        """The first characters of one text; lone surrogates are replaced."""
        found = self.characters(np.array([node], dtype=np.int32))
        if found.begin[0] < 0:
            return None
        width = 1 if found.coding[0] == LATIN1 else 2
        begin, count = int(found.begin[0]), min(int(found.length[0]), limit)
        raw = _bytes(self._records.data, begin, begin + count * width)
        codec = {LATIN1: "latin-1", UTF16_LITTLE: "utf-16-le", UTF16_BIG: "utf-16-be"}[int(found.coding[0])]
        return raw.decode(codec, "replace")


def _bytes(data: Bytes, begin: int, end: int) -> bytes:
    return data[begin:end].tobytes()
