"""One table of a snapshot as a Parquet member: written, and read back with every size bounded first."""

from __future__ import annotations

from typing import IO, Any

import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from leakscope.formats.container import Damaged
from leakscope.formats.layout import ASCENDING, REPETITIVE, TABLES, decoded_limit, member_name
from leakscope.formats.pages import ROW_GROUP, check_pages

Column = npt.NDArray[Any] | list[str]


def write_table(file: IO[bytes], table: str, columns: dict[str, Column]) -> None:
    """Writes ``columns`` (by name, of equal length) as the Parquet member ``table``."""
    schema = TABLES[table]
    arrays = [_array(columns[field.name], field.type) for field in schema]
    writer = pq.ParquetWriter(
        file,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in schema.names if name in REPETITIVE],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in schema.names if name in ASCENDING},
        write_statistics=False,
        store_schema=False,
    )
    with writer:
        if len(arrays[0]):  # an empty row group would be one more shape to check on reading
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROW_GROUP)


def _array(column: Column, type: pa.DataType) -> pa.Array:
    if isinstance(column, list):
        try:
            return pa.array(column, type)
        except UnicodeEncodeError:  # lone surrogates, which a str of a foreign heap may hold
            plain = [text.encode("utf-8", "backslashreplace").decode() for text in column]
            return pa.array(plain, type)
    return pa.array(column, type)


def read_table(data: bytes, table: str, rows: int, columns: list[str]) -> dict[str, Column]:
    """These columns of ``table``. Raises ValueError or OSError unless ``data`` holds exactly ``rows`` of them."""
    schema, member = TABLES[table], member_name(table)
    try:
        check_pages(data, schema.names, rows, decoded_limit(len(data)))
    except ValueError as error:
        raise Damaged(f"{member}: {error}") from error
    except IndexError as error:
        raise Damaged(f"{member}: a header ends early") from error
    file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)), pre_buffer=False)
    if not file.schema_arrow.equals(schema, check_metadata=False):
        raise Damaged(f"{member} has other columns than expected")
    content = file.read(columns=columns, use_threads=True)
    if content.num_rows != rows:
        raise Damaged(f"{member} holds {content.num_rows} rows, not {rows}")
    return {name: _column(content.column(name)) for name in content.column_names}


def _column(chunks: pa.ChunkedArray) -> Column:
    if chunks.null_count:
        raise Damaged("a column holds nulls")
    if pa.types.is_string(chunks.type):
        texts: list[str] = chunks.to_pylist()
        return texts
    values: npt.NDArray[Any] = chunks.to_numpy()
    return values
