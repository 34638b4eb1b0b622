"""How large objects are: a dump says what is in them, not how the JVM lays them out, so that is found out.

Objects stand close together. The widest layout in which none reaches into the next one is the JVM's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from leakscope.formats.hprof.classes import CLASS_OF_CLASSES, Classes
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


def own_sizes(records: Records, classes: Classes, type: Int32s) -> tuple[Int64s, Model]:
    """Shallow sizes by object, and the layout that they come from."""
    if records.header.id_bytes == 4:
        return _sizes(records, classes, type, NARROW)[0], NARROW
    for model in WIDE:
        sizes, overlaps = _sizes(records, classes, type, model)
        if not overlaps:
            return sizes, model
    return _sizes(records, classes, type, COMPRESSED)[0], COMPRESSED


def _sizes(records: Records, classes: Classes, type: Int32s, model: Model) -> tuple[Int64s, int]:
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
