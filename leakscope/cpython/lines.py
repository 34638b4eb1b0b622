"""From a code object and a place in its bytecode to a line.

The tables are those of Objects/codeobject.c: the line table of PEP 626 in
3.10, the location table of PEP 657 since 3.11 (Objects/locations.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from leakscope.cpython.memory import HeapMemory

_LONGEST_TABLE = 1 << 20
_NO_LINE = 15  # PY_CODE_LOCATION_INFO_NONE
_LONG_FORM = 14
_NO_COLUMNS = 13


@dataclass(frozen=True)
class CodeFacts:
    """What a reader sees of a code object."""

    function: str
    file: str
    first_line: int


def read_code(heap: HeapMemory, code: int) -> CodeFacts:
    """Name (qualified since 3.11), file and first line of a code object."""
    layout = heap.layout
    name = layout.code_qualname if layout.code_qualname >= 0 else layout.code_name
    return CodeFacts(
        heap.text(heap.word(code + name), 500) or "?",
        heap.text(heap.word(code + layout.code_filename), 2000) or "?",
        heap.int32(code + layout.code_firstlineno),
    )


def line_at(heap: HeapMemory, code: int, offset: int) -> int:
    """Line of the instruction at a byte offset of a code object's bytecode; its first line if the table has none."""
    layout = heap.layout
    table = heap.word(code + layout.code_linetable)
    size = heap.word(table + layout.var_size)
    raw = heap.read(table + layout.bytes_sval, size) if size <= _LONGEST_TABLE else None
    first = heap.int32(code + layout.code_firstlineno)
    if not raw:
        return first
    return (_line_626 if layout.iframe_code < 0 else _line_657)(raw, first, offset) or first


def _line_626(table: bytes, line: int, offset: int) -> int:
    end = 0
    for at in range(0, len(table) - 1, 2):
        end += table[at]
        delta = table[at + 1] - 256 if table[at + 1] > 127 else table[at + 1]
        if delta != -128:
            line += delta
        if offset < end:
            return 0 if delta == -128 else line
    return 0


def _line_657(table: bytes, line: int, offset: int) -> int:
    at = end = 0
    while at < len(table):
        head = table[at]
        at += 1
        end += ((head & 7) + 1) * 2
        code = head >> 3 & 15
        if code in (_NO_COLUMNS, _LONG_FORM):
            line += _signed_varint(table, at)
        elif 10 <= code <= 12:
            line += code - 10
        if offset < end:
            return 0 if code == _NO_LINE else line
        while at < len(table) and not table[at] & 0x80:
            at += 1
    return 0


def _signed_varint(table: bytes, at: int) -> int:
    value = shift = 0
    while at < len(table):
        value |= (table[at] & 63) << shift
        if not table[at] & 64:
            break
        shift += 6
        at += 1
    return -(value >> 1) if value & 1 else value >> 1
