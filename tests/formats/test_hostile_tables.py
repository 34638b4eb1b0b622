"""Snapshots whose container is perfect and whose tables are not: InputError before anything is allocated or indexed."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leakscope.errors import InputError
from leakscope.formats.checks import BadGraph, check
from leakscope.formats.layout import TABLES
from leakscope.graph.heap import Types
from tests.formats.hostile import GRAPH, members_of, parquet, refused, write_members


def _replaced(intact: bytes, path: Path, table: str, data: bytes) -> InputError:
    write_members(path, {**members_of(intact), f"{table}.parquet": data})
    return refused(path)


def _table(intact: bytes, table: str) -> pa.Table:
    return pq.read_table(io.BytesIO(members_of(intact)[f"{table}.parquet"]))


def test_other_columns(intact: bytes, path: Path) -> None:
    """Another type, name, order, number of columns; nulls; an extension type."""
    roots = _table(intact, "roots")
    widened = roots.set_column(0, "node", roots["node"].cast(pa.int64()))
    nullable = roots.cast(pa.schema([field.with_nullable(True) for field in roots.schema]))
    others = [widened, nullable, roots.select(["kind", "node", "name", "origin"]), roots.drop_columns("name")]
    others.append(roots.rename_columns(["node", "kind", "label", "origin"]))
    for other in others:
        assert "other columns" in _replaced(intact, path, "roots", parquet(other)).message


def test_other_row_counts(intact: bytes, path: Path) -> None:
    """Fewer rows than meta.json says; row groups without number."""
    names, schema = _table(intact, "names"), TABLES["names"]
    assert "rows" in _replaced(intact, path, "names", parquet(names.slice(1))).message
    empty = io.BytesIO()
    with pq.ParquetWriter(empty, schema, compression="zstd", store_schema=False) as writer:
        writer.write_table(names)
        for _ in range(50):
            writer.write_table(names.slice(0, 0))
    assert "pieces" in _replaced(intact, path, "names", empty.getvalue()).message


def test_texts_that_are_not_utf8(intact: bytes, path: Path) -> None:
    """Arrow hands them out as they are; Python refuses."""
    raw = pa.array([b"\xff\xfe", b"ok"], pa.binary()).view(pa.string())
    table = pa.Table.from_arrays([raw], schema=TABLES["names"])
    _replaced(intact, path, "names", parquet(table))


def test_a_bomb_of_one_long_text(intact: bytes, path: Path) -> None:
    """Two rows may stand for gigabytes through a dictionary, or through one page of zeros."""
    long = pa.Table.from_arrays([pa.array(["x" * 9_000_000] * 2)], schema=TABLES["names"])
    data = parquet(long, use_dictionary=True)
    assert len(data) < 10_000
    assert "page" in _replaced(intact, path, "names", data).message


def test_a_page_that_claims_gigabytes(intact: bytes, path: Path) -> None:
    """The size in a page's header is believed by Arrow; it is bounded before Arrow sees it."""
    data = members_of(intact)["names.parquet"]
    assert data[4:7] == b"\x15\x00\x15"  # field 1, the kind: data page; then field 2, the unpacked size
    end = next(at for at in range(7, 12) if data[at] < 0x80) + 1
    gigabytes = b"\xfe\xff\xff\xff\x0f"  # 2**31 - 1
    huge = data[:7] + gigabytes + data[end:]
    assert "names.parquet" in _replaced(intact, path, "names", huge).message


def test_an_encoding_that_multiplies(intact: bytes, path: Path) -> None:
    """Shared prefixes let a few bytes stand for many; no table of ours is stored so."""
    data = parquet(_table(intact, "names"), column_encoding={"name": "DELTA_BYTE_ARRAY"})
    assert "encoding" in _replaced(intact, path, "names", data).message


def test_another_compression(intact: bytes, path: Path) -> None:
    """Not even none: every page is held to the same bounds."""
    for compression in ("none", "gzip", "snappy"):
        data = parquet(_table(intact, "names"), compression=compression)
        assert "not stored as expected" in _replaced(intact, path, "names", data).message


@pytest.mark.parametrize(
    ("table", "column", "value", "problem"),
    [
        ("objects", "address", 1, "ascend"),
        ("objects", "type", -1, "type"),
        ("objects", "type", 10, "type"),
        ("objects", "own_size", -1, "own_size"),
        ("objects", "own_size", 1 << 62, "own_size"),
        ("references", "source", 20_000, "source"),
        ("references", "source", -1, "source"),
        ("references", "target", 20_000, "target"),
        ("references", "target", -2, "target"),
        ("references", "kind", 200, "kind"),
        ("references", "label", -7, "label"),
        ("types", "node", 20_000, "node"),
        ("types", "base", 99, "base"),
        ("types", "origin", 9, "origin"),
        ("labels", "node", 20_000, "node"),
        ("labels", "name", 2, "name"),
        ("frames", "node", 0, "node"),
        ("frames", "function", -1, "function"),
        ("frames", "file", 2, "file"),
        ("frames", "line", -1, "line"),
        ("roots", "node", -1, "node"),
        ("roots", "kind", 77, "kind"),
        ("roots", "kind", 0, "kind"),
        ("roots", "name", 2, "name"),
        ("roots", "origin", 4, "origin"),
        ("sessions", "node", 20_000, "sessions.node"),
        ("sessions", "node", 0, "sessions.node"),
        ("sessions", "rule", -1, "sessions.rule"),
        ("sessions", "rule", 2, "sessions.rule"),
        ("sessions", "id", 1 << 48, "sessions.id"),
        ("sessions", "id", (1 << 64) - 2, "sessions.id"),
        ("sessions", "id_name", -2, "sessions.id_name"),
        ("sessions", "id_name", 2, "sessions.id_name"),
        ("sessions", "created", np.inf, "sessions.created"),
        ("sessions", "created", 1e300, "sessions.created"),
        ("sessions", "created_from", 2, "sessions.created_from"),
        ("sessions", "used", -np.inf, "sessions.used"),
        ("sessions", "expires", -1e300, "sessions.expires"),
        ("sessions", "ttl", np.inf, "sessions.ttl"),
        ("sessions", "ttl", -1.0, "sessions.ttl"),
        ("sessions", "state", -2, "sessions.state"),
        ("sessions", "facts", -1, "sessions.facts"),
        ("sessions", "facts", 1 << 30, "sessions.facts"),
        ("bounds", "node", -1, "bounds.node"),
        ("bounds", "limit", -1, "bounds.limit"),
        ("bounds", "limit", 1 << 62, "bounds.limit"),
    ],
)
def test_an_index_out_of_range(intact: bytes, path: Path, table: str, column: str, value: float, problem: str) -> None:
    """One wrong number in an otherwise perfect file; the message names the column."""
    content = _table(intact, table)
    values = content[column].to_numpy().copy()
    values[len(values) - 1] = value
    changed = content.set_column(
        content.schema.get_field_index(column), content.schema.field(column), [pa.array(values)]
    )
    ours = {
        "use_dictionary": ["type", "own_size", "flags", "kind", "origin"],
        "column_encoding": dict.fromkeys({"address", "source"} & set(content.schema.names), "DELTA_BINARY_PACKED"),
    }
    assert problem in _replaced(intact, path, table, parquet(changed, **ours)).message


def test_bases_in_a_circle() -> None:
    """Walking from class to base must end."""
    for count in (1, 2, 3, 50, 64):
        base = np.roll(np.arange(count, dtype=np.int32), 1)
        nothing = np.full(count, -1, np.int32)
        types = Types([str(n) for n in range(count)], nothing, base, np.zeros(count, np.uint8))
        graph = replace(GRAPH, types=types, type=np.zeros_like(GRAPH.type))
        with pytest.raises(BadGraph, match="circle"):
            check(graph)
        base[0] = -1
        check(graph)


def test_first_ref_that_does_not_fit() -> None:
    """Only the writer can be wrong here, since the file holds no such column."""
    for change in (GRAPH.first_ref[:-1], GRAPH.first_ref + 1, np.flip(GRAPH.first_ref)):
        with pytest.raises(BadGraph):
            check(replace(GRAPH, first_ref=change))
