"""The page headers of a Parquet member, read before Arrow does.

A page says itself how large it unpacks, in a place no footer summarises, and
Arrow believes it: 60 KB of zstd may become 2 GB, and a dictionary or shared
prefixes may multiply one long string. So every header is read here first
(Thrift's compact protocol) and only what ``tables.write_table`` produces may
pass.
"""

from __future__ import annotations

from typing import Any

from leakscope.formats.layout import ASCENDING, REPETITIVE

_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_PLAIN, _PLAIN_DICTIONARY, _DELTA_BINARY_PACKED, _RLE_DICTIONARY = 0, 2, 5, 8
_PAGE_TYPE, _UNPACKED_BYTES, _PACKED_BYTES, _DATA_HEADER = 1, 2, 3, 5
_NUM_VALUES, _ENCODING = 1, 2
_MAX_DEPTH = 4
_MIN_PAGE_ROWS = 1000
_MAX_PAGES_SLACK = 64


class BadPage(ValueError):  # noqa: N818 - a finding about a file
    """A page that this leakscope would not have written; the text says why."""


def check_pages(data: bytes, metadata: Any, max_bytes: int) -> None:
    """Raises BadPage (or IndexError, cut short) unless all pages of ``data`` unpack to ``max_bytes`` at most.

    ``metadata`` is the ``pyarrow.parquet.FileMetaData`` of ``data``.
    """
    total = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(metadata.num_columns)):
            if chunk.num_values != group.num_rows or chunk.compression != "ZSTD":
                raise BadPage(f"column {chunk.path_in_schema} is not stored as expected")
            total += _unpacked_bytes(data, chunk)
            if total > max_bytes:
                raise BadPage("a table unpacks to more than it may")


def _unpacked_bytes(data: bytes, chunk: Any) -> int:
    """The sum over one column chunk; its pages must hold ``chunk.num_values`` values between them."""
    name = chunk.path_in_schema
    at = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
    end = at + chunk.total_compressed_size
    if at < 0 or end > len(data):
        raise BadPage(f"column {name} lies outside its member")
    total = values = pages = 0
    while at < end:
        header, body = _read_struct(data, at, 0)
        packed, unpacked = header.get(_PACKED_BYTES, -1), header.get(_UNPACKED_BYTES, -1)
        at = body + packed
        if packed < 0 or unpacked < 0 or at > end:
            raise BadPage(f"a page of column {name} lies outside it")
        total += unpacked
        values += _values_of(header, name)
        pages += 1
        if values > chunk.num_values or pages > chunk.num_values // _MIN_PAGE_ROWS + _MAX_PAGES_SLACK:
            raise BadPage(f"column {name} has more pages or values than rows")
    if values != chunk.num_values:
        raise BadPage(f"column {name} has fewer values than rows")
    return total


def _values_of(header: dict[int, Any], name: str) -> int:
    """How many values a page adds to its column."""
    if header.get(_PAGE_TYPE) == _DICTIONARY_PAGE and name in REPETITIVE:
        return 0
    data_header = header.get(_DATA_HEADER)
    if header.get(_PAGE_TYPE) != _DATA_PAGE or not isinstance(data_header, dict):
        raise BadPage(f"column {name} has an unexpected page")
    values, encoding = data_header.get(_NUM_VALUES, -1), data_header.get(_ENCODING)
    if values < 0 or encoding not in _encodings(name):
        raise BadPage(f"column {name} has an unexpected encoding")
    return int(values)


def _encodings(name: str) -> tuple[int, ...]:
    if name in ASCENDING:
        return (_DELTA_BINARY_PACKED,)
    return (_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY) if name in REPETITIVE else (_PLAIN,)


def _read_struct(data: bytes, at: int, depth: int) -> tuple[dict[int, Any], int]:
    """A Thrift compact struct as {field: value} and the position behind it."""
    if depth > _MAX_DEPTH:
        raise BadPage("a page header nests too deep")
    fields: dict[int, Any] = {}
    field = 0
    while head := data[at]:
        at += 1
        step, type = head >> 4, head & 15
        if step:
            field += step
        else:
            field, at = _read_int(data, at)
        fields[field], at = _read_value(data, at, type, depth)
    return fields, at + 1


def _read_value(data: bytes, at: int, type: int, depth: int) -> tuple[Any, int]:
    if type in (1, 2):  # true, false
        return type == 1, at
    if type == 3:  # byte
        return data[at], at + 1
    if type in (4, 5, 6):  # i16, i32, i64
        return _read_int(data, at)
    if type == 8:  # binary
        length, at = _read_varint(data, at)
        return None, at + length
    if type == 12:
        return _read_struct(data, at, depth + 1)
    raise BadPage("a page header has a field of an unknown type")


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    value, at = _read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at  # zigzag


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise BadPage("a page header has a number without end")
