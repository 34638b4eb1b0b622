"""Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/), as far as profiles need it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10
_WORD = 1 << 64


class Malformed(ValueError):  # noqa: N818 - a finding about a file
    """Bytes that are no message; the text says what and at which offset."""


@dataclass(frozen=True)
class Field:
    """One field of a message: a number, or a range of the data for texts, packed numbers and messages."""

    number: int
    value: int
    end: int
    """Where a range ends, which begins at ``value``; -1 for a number."""


def fields(data: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message in ``data[start:end]``, in their order. Malformed where they are none."""
    at = start
    while at < end:
        key, at = _varint(data, at, end)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(data, at, end)
            yield Field(key >> 3, value, -1)
        elif kind == BYTES:
            length, at = _varint(data, at, end)
            if length > end - at:
                raise Malformed(f"a field of {length} bytes at offset {at} ends behind its message")
            yield Field(key >> 3, at, at + length)
            at += length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
            if at > end:
                raise Malformed(f"a number at offset {at} ends behind its message")
        else:
            raise Malformed(f"a field of unknown kind {kind} at offset {at}")


def numbers(data: bytes, field: Field) -> list[int]:
    """A repeated number: packed, or one of several fields."""
    if field.end < 0:
        return [field.value]
    found, at = [], field.value
    while at < field.end:
        value, at = _varint(data, at, field.end)
        found.append(value)
    return found


def signed(value: int) -> int:
    """An int64 that was read as unsigned."""
    return value - _WORD if value >= _WORD >> 1 else value


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at ``at``, and where it ends."""
    value = 0
    for shift in range(0, 7 * _MOST_VARINT_BYTES, 7):
        if at >= end:
            raise Malformed(f"a number at offset {at} is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value % _WORD, at
    raise Malformed(f"a number at offset {at} is too long")
