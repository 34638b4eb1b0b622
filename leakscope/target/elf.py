"""What leakscope reads from ELF files: program headers (by hand, cheap), symbols, versions (pyelftools)."""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from elftools.common.exceptions import ELFError
from elftools.construct.core import ConstructError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

HEADER_BYTES = 4096
"""Enough of a file's beginning: linkers put program headers right behind the ELF header."""
MACHINE_X86_64 = 62
MACHINES = {
    3: "i386",
    21: "ppc64",
    22: "s390x",
    40: "ARM",
    MACHINE_X86_64: "x86-64",
    183: "aarch64",
    243: "RISC-V",
    258: "LoongArch",
}
"""Names of processors by ``e_machine``."""
_PT_LOAD = 1
_PF_W = 2
_UNDEFINED = 0
_SYMBOL = np.dtype(  # Elf64_Sym
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_SECTION = np.dtype([("name", "<u4"), ("kind", "<u4"), ("flags", "<u8"), ("rest", "V48")])  # Elf64_Shdr
_SHT_NOTE, _SHT_NOBITS = 7, 8
_SHF_ALLOC = 2
_MOST_OFFSET = 1 << 62
_BROKEN = (ELFError, ConstructError, ValueError, KeyError, AttributeError, IndexError, UnicodeDecodeError)
"""What pyelftools raises on a damaged file."""


@dataclass(frozen=True)
class Segment:
    """A PT_LOAD program header: bytes ``[vaddr, vaddr + memory_size)``, not yet moved by the load bias."""

    offset: int
    vaddr: int
    file_size: int
    memory_size: int
    writable: bool


@dataclass(frozen=True)
class Headers:
    """Word size, machine and loaded segments of an ELF file, segments by ascending address."""

    bits: int
    machine: int
    segments: tuple[Segment, ...]


def parse_headers(head: bytes) -> Headers | None:
    """Reads a file's first ``HEADER_BYTES``; None if that is no ELF file. 32-bit files get no segments."""
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] not in (1, 2):
        return None
    machine = struct.unpack_from("<H", head, 18)[0]
    if head[4] == 1:
        return Headers(32, machine, ())
    table = struct.unpack_from("<Q", head, 32)[0]
    entry_size, entries = struct.unpack_from("<HH", head, 54)
    if entry_size != 56 or table + entries * 56 > len(head):
        return None
    segments = []
    for at in range(table, table + entries * 56, 56):
        kind, flags, offset, vaddr, _, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", head, at)
        if kind == _PT_LOAD:
            segments.append(Segment(offset, vaddr, in_file, in_memory, bool(flags & _PF_W)))
    return Headers(64, machine, tuple(sorted(segments, key=lambda segment: segment.vaddr)))


def find_symbols(file: BinaryIO, names: Sequence[str]) -> dict[str, int]:
    """Virtual addresses of the symbols that a file defines, by ``.dynsym`` or, if it has none, ``.symtab``.

    Empty for damaged files and for those without section headers.
    """
    try:
        elf = ELFFile(file)
        for section in (".dynsym", ".symtab"):
            table = elf.get_section_by_name(section)
            if isinstance(table, SymbolTableSection):
                found = _search(table.data(), table.stringtable.data(), names)
                if found:
                    return found
    except _BROKEN:
        pass
    return {}


def _search(table: bytes, texts: bytes, names: Sequence[str]) -> dict[str, int]:
    """Finds names in a symbol table; asking pyelftools for each symbol takes a hundred times as long."""
    symbols = np.frombuffer(table, dtype=_SYMBOL)
    found = {}
    for name in names:
        # A name may be stored as the tail of a longer one, so each place where it ends counts.
        places = [hit.start() for hit in re.finditer(name.encode() + rb"\0", texts)]
        rows = np.flatnonzero(np.isin(symbols["name"], places) & (symbols["section"] != _UNDEFINED))
        if len(rows):
            found[name] = int(symbols["value"][rows[0]])
    return found


def read_section(file: BinaryIO, name: str) -> bytes | None:
    """The bytes of a section, None where there is none."""
    try:
        section = ELFFile(file).get_section_by_name(name)
        return None if section is None else section.data()
    except _BROKEN:
        return None


def read_at(file: BinaryIO, headers: Headers, vaddr: int, length: int) -> bytes | None:
    """Bytes that the file holds for a virtual address; None where they are not in it, or may be relocated."""
    for segment in headers.segments:
        inside = vaddr - segment.vaddr
        if inside >= 0 and inside + length <= segment.file_size and not segment.writable:
            file.seek(segment.offset + inside)
            data = file.read(length)
            return data if len(data) == length else None
    return None


def version_text(number: int) -> str:
    """``Py_Version`` (``PY_VERSION_HEX``) as text: ``3.11.7`` for ``0x030b07f0``, ``3.14.0a1``."""
    major, minor, micro = number >> 24 & 0xFF, number >> 16 & 0xFF, number >> 8 & 0xFF
    level = {0xA: "a", 0xB: "b", 0xC: "rc"}.get(number >> 4 & 0xF)
    return f"{major}.{minor}.{micro}" + (f"{level}{number & 0xF}" if level else "")


def version_in_constants(constants: bytes | mmap.mmap, series: str) -> str | None:
    """Finds ``3.10.13`` for series ``3.10`` among C strings: before 3.11 no symbol tells the version.

    The linker may have merged it with the tail of a longer string, such as a path.
    """
    pattern = rb"(?<![\d.])" + re.escape(series.encode()) + rb"\.\d+(?:(?:a|b|rc)\d+)?(?=\+?\0)"
    found = re.search(pattern, constants)
    return found.group().decode() if found else None


def is_debug_only(file: BinaryIO) -> bool:
    """Whether a 64-bit file has nothing to load but notes, as ``objcopy --only-keep-debug`` leaves it."""
    file.seek(0)
    head = file.read(64)
    table = struct.unpack_from("<Q", head, 40)[0]
    entry_bytes, count = struct.unpack_from("<HH", head, 58)
    if entry_bytes != _SECTION.itemsize or table > _MOST_OFFSET:
        return False
    file.seek(table)
    data = file.read(count * entry_bytes)
    sections = np.frombuffer(data[: len(data) // entry_bytes * entry_bytes], dtype=_SECTION)
    loaded = sections[sections["flags"] & _SHF_ALLOC != 0]["kind"]
    return len(loaded) > 0 and bool(np.isin(loaded, (_SHT_NOTE, _SHT_NOBITS)).all())
