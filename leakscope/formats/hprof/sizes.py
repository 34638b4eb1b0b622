"""How large objects are: a dump says what is in them, not how the JVM lays them out, so that is found out.

Objects stand close together. The widest layout in which none reaches into the next one is the JVM's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.formats.hprof.classes import CLASS_OF_CLASSES, Classes
from leakscope.formats.hprof.collections import inherited
from leakscope.formats.hprof.records import Records
from leakscope.graph.heap import Int32s, Int64s
from leakscope.kernels.hprof_edges import measure


@dataclass(frozen=True)
class Model:
    """Bytes."""

    reference: int
    header: int
    array_header: int
    """With the length."""


COMPRESSED = Model(4, 12, 16)
WIDE = (
    Model(8, 16, 24),
    Model(8, 12, 16),
    COMPRESSED,
    Model(4, 8, 12),  # compact object headers, JDK 24 and later
)
"""Of 64-bit JVMs, the widest first: without and with compressed class pointers, with compressed references."""
NARROW = Model(4, 8, 12)
"""Of 32-bit JVMs."""


_UNSEEN = {
    "java.lang.Thread": (256, 0),
    "java.lang.ClassLoader": (8, 0),
    "java.lang.Module": (8, 0),
    "java.lang.invoke.MemberName": (8, 0),
    "java.lang.invoke.ResolvedMethodName": (0, 2),
    CLASS_OF_CLASSES: (24, 3),
}
"""What HotSpot adds to instances of these and their subclasses without saying so in a dump: bytes, and references.

Of threads it is what keeps their random numbers out of each other's cache lines.
"""


def own_sizes(records: Records, classes: Classes, type: Int32s) -> tuple[Int64s, Model]:
    """Shallow sizes by object, and the layout that they come from."""
    for model in WIDE if records.header.id_bytes == 8 else (NARROW,):
        sizes, overlaps = _sizes(records, classes, type, model)
        if not overlaps:
            break
    else:
        model = COMPRESSED if records.header.id_bytes == 8 else NARROW
        sizes, _ = _sizes(records, classes, type, model)
    types = classes.types
    added = np.zeros(len(types.name), dtype=np.int64)
    for row, (number, references) in inherited(types.name, types.base.tolist(), classes.order, _UNSEEN).items():
        added[row] = (number + references * model.reference + 7) & ~7
    return sizes + added[type], model


def _sizes(records: Records, classes: Classes, type: Int32s, model: Model) -> tuple[Int64s, int]:
    """Sizes as far as a dump tells them, and how many objects would reach into the next one."""
    id_bytes = records.header.id_bytes
    fixed = _rounded(model.header + classes.all_bytes - classes.references * (id_bytes - model.reference))
    sizes, overlaps = measure(
        records.data, id_bytes, records["id"], records["place"], records["tag"], type, fixed,
        model.array_header, model.reference,
    )  # fmt: skip
    row = np.flatnonzero(classes.types.node >= 0)
    own = classes.static_bytes[row] + classes.static_references[row] * model.reference
    mirror = classes.row(CLASS_OF_CLASSES)
    sizes[classes.types.node[row]] = _rounded(own + (int(fixed[mirror]) if mirror >= 0 else model.header))
    return sizes, overlaps


def _rounded(sizes: Int64s) -> Int64s:
    return (sizes + 7) & ~7
