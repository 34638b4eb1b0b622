"""The footer and page headers of a Parquet member, read before Arrow does.

Arrow believes sizes that only a page itself tells (60 KB of zstd may become
2 GB, a dictionary or shared prefixes may multiply one long string), and some
bad footers make it abort the process. So all headers are read here first, and
only what ``tables.write_table`` produces may pass.
"""

from __future__ import annotations

from collections.abc import Sequence

from leakscope.formats.layout import ASCENDING, REPETITIVE
from leakscope.formats.thrift import Struct, read_struct

MAGIC = b"PAR1"
ROW_GROUP = 1 << 20
"""Rows in each row group but the last."""

_ZSTD = 6
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_PLAIN, _PLAIN_DICTIONARY, _DELTA_BINARY_PACKED, _RLE_DICTIONARY = 0, 2, 5, 8
_MIN_PAGE_ROWS = 1000
_MAX_PAGES_SLACK = 64
_MAX_FOOTER_BYTES = 1 << 16
_MAX_CHUNK_FOOTER_BYTES = 2048


class BadPage(ValueError):  # noqa: N818 - a finding about a file
    """Something that this leakscope would not have written; the text says what."""


def check_pages(data: bytes, columns: Sequence[str], rows: int, max_bytes: int) -> None:
    """Raises BadPage, BadThrift or IndexError unless ``data`` holds ``rows`` of ``columns`` in ``max_bytes``.

    ``max_bytes`` bounds the sum of all pages once unpacked.
    """
    groups = _row_groups(data, len(columns), rows)
    if sum(_number(group, 3) for group in groups) != rows:
        raise BadPage(f"its row groups do not hold {rows} rows")
    total = 0
    for group in groups:
        chunks = group.get(1)
        if not isinstance(chunks, list) or len(chunks) != len(columns):
            raise BadPage("a row group has other columns than expected")
        for name, chunk in zip(columns, chunks, strict=True):
            total += _chunk_bytes(data, name, chunk, _number(group, 3))
            if total > max_bytes:
                raise BadPage("it unpacks to more than it may")


def _row_groups(data: bytes, columns: int, rows: int) -> list[Struct]:
    """The footer's row groups; each is a dict."""
    length = int.from_bytes(data[-8:-4], "little")
    wanted = -(-rows // ROW_GROUP)
    if data[:4] != MAGIC or data[-4:] != MAGIC or length + 12 > len(data):
        raise BadPage("it is no Parquet table")
    if length > _MAX_FOOTER_BYTES + wanted * columns * _MAX_CHUNK_FOOTER_BYTES:
        raise BadPage("its footer is too large")
    footer, _ = read_struct(data[len(data) - 8 - length : -8], 0)
    groups = footer.get(4)
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise BadPage("its footer has no row groups")
    if _number(footer, 3) != rows or len(groups) != wanted:
        raise BadPage(f"it has {_number(footer, 3)} rows in {len(groups)} pieces, not {rows} in {wanted}")
    return groups


def _chunk_bytes(data: bytes, name: str, chunk: object, rows: int) -> int:
    """What the pages of one column of one row group unpack to."""
    fields = chunk if isinstance(chunk, dict) else {}
    meta = fields.get(3)
    if not isinstance(meta, dict) or meta.get(3) != [name.encode()] or 1 in fields:  # 1: another file's path
        raise BadPage("a row group has other columns than expected")
    if _number(meta, 4) != _ZSTD or _number(meta, 5) != rows:
        raise BadPage(f"column {name} is not stored as expected")
    start = _number(meta, 11) if 11 in meta else _number(meta, 9)
    end = start + _number(meta, 7)
    if start > _number(meta, 9) or end > len(data):
        raise BadPage(f"column {name} lies outside its member")
    return _unpacked_bytes(data[start:end], name, rows)


def _unpacked_bytes(pages: bytes, name: str, rows: int) -> int:
    """The sum over all pages, which must hold ``rows`` values between them."""
    at = total = values = count = 0
    while at < len(pages):
        header, body = read_struct(pages, at)
        at = body + _number(header, 3)
        if at > len(pages):
            raise BadPage(f"a page of column {name} lies outside it")
        total += _number(header, 2)
        values += _values_of(header, name)
        count += 1
        if values > rows or count > rows // _MIN_PAGE_ROWS + _MAX_PAGES_SLACK:
            raise BadPage(f"column {name} has more pages or values than rows")
    if values != rows:
        raise BadPage(f"column {name} has fewer values than rows")
    return total


def _values_of(header: Struct, name: str) -> int:
    """How many values a page adds to its column."""
    kind = _number(header, 1)
    if kind == _DICTIONARY_PAGE and name in REPETITIVE:
        return 0
    data_header = header.get(5)
    if kind != _DATA_PAGE or not isinstance(data_header, dict):
        raise BadPage(f"column {name} has an unexpected page")
    if _number(data_header, 2) not in _encodings(name):
        raise BadPage(f"column {name} has an unexpected encoding")
    return _number(data_header, 1)


def _encodings(name: str) -> tuple[int, ...]:
    if name in ASCENDING:
        return (_DELTA_BINARY_PACKED,)
    return (_PLAIN, _PLAIN_DICTIONARY, _RLE_DICTIONARY) if name in REPETITIVE else (_PLAIN,)


def _number(struct: Struct, field: int) -> int:
    """A count, size or code: never negative."""
    value = struct.get(field)
    if type(value) is not int or value < 0:
        raise BadPage("a header lacks a number")
    return value
