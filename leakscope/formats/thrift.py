"""Thrift's compact protocol, as far as Parquet's footer and page headers need it: structs as dicts by field number.

IndexError means that the data ends early, BadThrift that it is none.
"""

from __future__ import annotations

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _STRUCT = 1, 2, 3, 7, 8, 12
_INTEGERS = (4, 5, 6)
_LISTS = (9, 10)
_MAX_DEPTH = 12
Struct = dict[int, Any]


class BadThrift(ValueError):  # noqa: N818 - a finding about a file
    """Not what a Parquet writer writes; the text says why."""


def read_struct(data: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """The struct that begins at ``at``, and the position behind it. Nested ones are dicts too, binaries bytes."""
    if depth > _MAX_DEPTH:
        raise BadThrift("a header nests too deep")
    fields: Struct = {}
    field = 0
    while head := data[at]:
        at += 1
        step, type = head >> 4, head & 15
        if step:
            field += step
        else:
            field, at = _read_integer(data, at)
        if type in (_TRUE, _FALSE):
            fields[field] = type == _TRUE
        else:
            fields[field], at = _read_value(data, at, type, depth)
    return fields, at + 1


def _read_value(data: bytes, at: int, type: int, depth: int) -> tuple[Any, int]:
    if type in _INTEGERS:
        return _read_integer(data, at)
    if type == _STRUCT:
        return read_struct(data, at, depth + 1)
    if type == _BINARY:
        length, at = _read_varint(data, at)
        return data[at : at + length], at + length
    if type in _LISTS:
        return _read_list(data, at, depth + 1)
    if type in (_TRUE, _FALSE, _BYTE):  # a truth value takes a byte only inside a list
        return data[at], at + 1
    if type == _DOUBLE:
        return None, at + 8
    raise BadThrift(f"a header has a field of unknown type {type}")


def _read_list(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    if depth > _MAX_DEPTH:
        raise BadThrift("a header nests too deep")
    length, type = data[at] >> 4, data[at] & 15
    at += 1
    if length == 15:
        length, at = _read_varint(data, at)
    items = []
    for _ in range(length):  # every item takes at least a byte, so the data bounds the list
        item, at = _read_value(data, at, type, depth)
        items.append(item)
    return items, at


def _read_integer(data: bytes, at: int) -> tuple[int, int]:
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
    raise BadThrift("a header has a number without end")
