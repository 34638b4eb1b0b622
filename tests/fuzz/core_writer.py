"""Writes ELF cores of an image, small ones too: what the fuzzer damages."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from leakscope.target.image import PAGE_BYTES, MemoryImage
from leakscope.target.maps import Mapping

_HEADER_BYTES, _ROW_BYTES = 64, 56
_PT_LOAD, _PT_NOTE = 1, 4
_PRSTATUS, _PRPSINFO, _AUXV, _FILE = 1, 3, 6, 0x46494C45
_READ_EXECUTE, _READ_WRITE = 5, 6
_STACK_POINTER, _REGISTERS = 19, 27


def core_of(image: MemoryImage, files: Sequence[Mapping], auxiliary: bytes = b"") -> bytes:
    """A core with the pages of ``image``, mapped ``files`` (none of their bytes) and the ``auxiliary`` vector."""
    notes = b"".join([*_threads(image), _note(_PRPSINFO, struct.pack("<24xI108x", image.facts.pid)),
                      _note(_AUXV, auxiliary or bytes(16)), _note(_FILE, _file_list(files))])  # fmt: skip
    runs = _runs(image)
    written = {start for start, _ in runs}
    absent = [each for each in files if each.start not in written and "w" not in each.flags]
    count = 1 + len(runs) + len(absent)
    at = _HEADER_BYTES + count * _ROW_BYTES
    rows = [_row(_PT_NOTE, 0, at, 0, len(notes), 0)]
    at = (at + len(notes) + PAGE_BYTES - 1) & -PAGE_BYTES
    padding = at - _HEADER_BYTES - count * _ROW_BYTES - len(notes)
    for start, pages in runs:
        rows.append(_row(_PT_LOAD, _READ_WRITE, at, start, pages * PAGE_BYTES, pages * PAGE_BYTES))
        at += pages * PAGE_BYTES
    rows += [_row(_PT_LOAD, _READ_EXECUTE, at, each.start, 0, each.end - each.start) for each in absent]
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 4, 62, 1, 0, _HEADER_BYTES, 0, 0, _HEADER_BYTES, _ROW_BYTES, count, 0, 0, 0
    )
    return b"".join([head, *rows, notes, bytes(padding), image.buffer.tobytes()])


def _row(kind: int, flags: int, offset: int, start: int, file_bytes: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, start, 0, file_bytes, size, PAGE_BYTES)


def _note(kind: int, content: bytes) -> bytes:
    padded = content + bytes(-len(content) % 4)
    return struct.pack("<III", 5, len(content), kind) + b"CORE\0\0\0\0" + padded


def _threads(image: MemoryImage) -> list[bytes]:
    notes = []
    for thread in image.threads:
        registers = [*thread.registers, *[0] * (_REGISTERS - len(thread.registers))]
        registers[_STACK_POINTER] = thread.stack_pointer
        content = struct.pack("<32xI76x", thread.tid) + struct.pack(f"<{_REGISTERS}Q", *registers)
        notes.append(_note(_PRSTATUS, content.ljust(336, b"\0")))
    return notes


def _file_list(files: Sequence[Mapping]) -> bytes:
    rows = b"".join(struct.pack("<QQQ", each.start, each.end, each.offset // PAGE_BYTES) for each in files)
    paths = b"".join(each.path.encode() + b"\0" for each in files)
    return struct.pack("<QQ", len(files), PAGE_BYTES) + rows + paths


def _runs(image: MemoryImage) -> list[tuple[int, int]]:
    """``(start, pages)`` of pages that follow each other."""
    pages = image.pages.astype(np.int64)
    cuts = np.flatnonzero(np.diff(pages) != PAGE_BYTES) + 1
    return [(int(part[0]), len(part)) for part in np.split(pages, cuts) if len(part)]
