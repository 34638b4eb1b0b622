"""What a ``.leakscope`` file holds: its members, their columns, its limits. See DESIGN.md section 5."""

from __future__ import annotations

import pyarrow as pa

SCHEMA = 2
"""Raised whenever an older leakscope would misread the file. 1 had neither of ``OPTIONAL``."""

META = "meta.json"
MAX_META_BYTES = 1 << 24
MAX_ROWS = (1 << 31) - 1
"""Node indexes are 32-bit."""
MAX_OWN_BYTES = 1 << 47
"""User address space of x86-64; keeps sums of sizes inside 64 bits."""
MAX_SECONDS = 1e13
"""300,000 years: times and durations beyond mean nothing, and ``Sessions`` has NaN for them."""


def _columns(**types: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, type, nullable=False) for name, type in types.items()])


TABLES: dict[str, pa.Schema] = {
    "objects": _columns(address=pa.uint64(), type=pa.int32(), own_size=pa.int64(), flags=pa.uint8()),
    "references": _columns(source=pa.int32(), target=pa.int32(), kind=pa.uint8(), label=pa.int32()),
    "types": _columns(name=pa.string(), node=pa.int32(), base=pa.int32(), origin=pa.uint8()),
    "names": _columns(name=pa.string()),
    "labels": _columns(node=pa.int32(), name=pa.int32()),
    "frames": _columns(node=pa.int32(), function=pa.int32(), file=pa.int32(), line=pa.int32(), origin=pa.uint8()),
    "roots": _columns(node=pa.int32(), kind=pa.uint8(), name=pa.int32(), origin=pa.uint8()),
    "sessions": _columns(
        node=pa.int32(),
        rule=pa.int32(),
        id=pa.uint64(),
        id_name=pa.int32(),
        created=pa.float64(),
        created_from=pa.int32(),
        used=pa.float64(),
        expires=pa.float64(),
        ttl=pa.float64(),
        state=pa.int32(),
        facts=pa.int32(),
    ),
    "bounds": _columns(node=pa.int32(), limit=pa.int64()),
}
"""One Parquet member ``NAME.parquet`` each, in this order after ``meta.json``; no column holds nulls."""

OPTIONAL = ("sessions", "bounds")
"""Tables of what a heap may be read without: empty then, and named under ``without`` in ``meta.json``."""

ASCENDING = {"address", "source"}
"""Columns stored as differences: a tenth of the size, twice the speed."""

REPETITIVE = {"type", "own_size", "flags", "kind", "origin"}
"""Columns with few distinct values, stored through a dictionary."""


def member_name(table: str) -> str:
    """The zip member that holds ``table``."""
    return f"{table}.parquet"


def tables_of(schema: int) -> list[str]:
    """The tables of a file of one of the schemas 1 to ``SCHEMA``, in file order."""
    return [table for table in TABLES if schema > 1 or table not in OPTIONAL]


def members(schema: int = SCHEMA) -> list[str]:
    """All members in file order."""
    return [META, *(member_name(table) for table in tables_of(schema))]


def decoded_limit(file_bytes: int) -> int:
    """How many bytes the tables of a file of this size may decode to.

    Real snapshots decode to 4 to 20 times their size; a heap of little else than
    one repeated reference may reach more, hence the constant.
    """
    return (1 << 30) + 100 * file_bytes
