"""What the kernels must know of each type to read its instances, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from leakscope.formats.hprof.classes import Classes
from leakscope.formats.hprof.collections import ENTRIES, SHAPES, WORTH, WRAPPERS, inherited
from leakscope.formats.hprof.names import Names
from leakscope.formats.hprof.records import REFERENCE
from leakscope.graph.heap import Int32s
from leakscope.graph.kinds import Ref
from leakscope.kernels.hprof_edges import NO_COLLECTION

_REFERENCE_CLASS = "java.lang.ref.Reference"
_NO_HOLDERS = ((_REFERENCE_CLASS, "referent"), ("java.lang.ThreadGroup", "threads"))
"""Fields that keep nothing alive: a group lists threads that run, each of which lives by itself."""
_WEAK_KEY = -2


@dataclass(frozen=True)
class Layouts:
    """Where the fields of instances stand."""

    classes: Classes
    names: Names

    @cached_property
    def _name_number(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names.list)}

    def declared(self, name: str) -> dict[int, tuple[int, int]]:
        """By row of the classes that declare a field of this name: its offset in their own bytes, and its type."""
        number = self._name_number.get(name, -1)
        fields = self.classes.fields
        found = np.flatnonzero(fields.name == number)
        pairs = zip(fields.at[found].tolist(), fields.type[found].tolist(), strict=True)
        return dict(zip(fields.row[found].tolist(), pairs, strict=True))

    def place(self, row: int, declared: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
        """``(offset in an instance's data, type)`` of a field that ``row`` has itself or from a base."""
        base = 0
        while row >= 0:
            if row in declared:
                at, kind = declared[row]
                return base + at, kind
            base += int(self.classes.own_bytes[row])
            row = int(self.classes.types.base[row])
        return None

    def reference(self, row: int, name: str) -> int:
        """The offset of a field that refers to an object, -1 without one."""
        found = self.place(row, self.declared(name)) if name else None
        return found[0] if found is not None and found[1] == REFERENCE else -1

    @cached_property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """For ``kernels.hprof_edges.Writer``."""
        return {**self._slots(), **self._ways(), **self._collections()}

    def _slots(self) -> dict[str, npt.NDArray[Any]]:
        """The fields that refer to objects, by the class that declares them."""
        fields, rows = self.classes.fields, len(self.classes.types.name)
        chosen = np.flatnonzero(fields.type == REFERENCE)
        row = fields.row[chosen]
        first = np.zeros(rows + 1, dtype=np.int32)
        np.cumsum(np.bincount(row, minlength=rows), out=first[1:])
        kind = np.full(len(chosen), Ref.ATTR, dtype=np.uint8)
        label = fields.name[chosen].copy()
        folded = {**dict.fromkeys(WRAPPERS.items(), Ref.DICT), **dict.fromkeys(_NO_HOLDERS, Ref.WEAK)}
        for (owner, name), ref in folded.items():
            at = (row == self.classes.row(owner)) & (label == self._name_number.get(name, -1))
            kind[at], label[at] = ref, -1
        return {"slots": first, "slot_at": fields.at[chosen], "slot_name": label, "slot_kind": kind}

    def _ways(self) -> dict[str, npt.NDArray[Any]]:
        """From each class to the next above it whose fields refer to objects, and by how many bytes that is."""
        slots = np.diff(self._slots()["slots"]).tolist()
        own, base = self.classes.own_bytes.tolist(), self.classes.types.base.tolist()
        count = len(base)
        begin, begin_at = [-1] * count, [0] * count
        above, above_at = [-1] * count, [0] * count
        for row in self.classes.order:
            up = base[row]
            if up >= 0 and begin[up] >= 0:
                above[row], above_at[row] = begin[up], own[row] + begin_at[up]
            begin[row], begin_at[row] = (row, 0) if slots[row] else (above[row], above_at[row])
        columns = {"begin": begin, "begin_at": begin_at, "above": above, "above_at": above_at}
        return {
            **{name: np.array(column, dtype=np.int32) for name, column in columns.items()},
            "need": self.classes.all_bytes.astype(np.int32),
            "type_node": self.classes.types.node,
        }

    def _collections(self) -> dict[str, npt.NDArray[Any]]:
        types, order = self.classes.types, self.classes.order
        base = types.base.tolist()
        count = len(types.name)
        shape = np.full(count, NO_COLLECTION, dtype=np.uint8)
        worth = np.zeros(count, dtype=np.uint8)
        at: dict[str, Int32s] = {
            name: np.full(count, -1, dtype=np.int32)
            for name in ("shape_at", "entry_key", "entry_value", "entry_next", "entry_inner")
        }
        for row, (kind, field) in inherited(types.name, base, order, SHAPES).items():
            at["shape_at"][row] = self.reference(row, field)
            shape[row] = kind if at["shape_at"][row] >= 0 else NO_COLLECTION
        for row, entry in inherited(types.name, base, order, ENTRIES).items():
            for part in ("key", "value", "next", "inner"):
                at[f"entry_{part}"][row] = self.reference(row, getattr(entry, part))
            if entry.weak:
                at["entry_inner"][row] = _WEAK_KEY
        for row, said in inherited(types.name, base, order, WORTH).items():
            worth[row] = said
        return {"shape": shape, "worth": worth, **at}
