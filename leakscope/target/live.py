"""Reads constants of a process after it was let go: memory that it cannot have changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from leakscope.target.elf import HEADER_BYTES, parse_headers, read_at
from leakscope.target.libc import read_memory
from leakscope.target.maps import Mapping, mapping_at, read_maps
from leakscope.target.modules import is_file_of, load_bias
from leakscope.target.proc import read_stat

_BLOCK_BYTES = 1 << 16


class ReadOnlyMemory:
    """``memory(address, length)``: bytes of a mapping that was not writable when it was recorded, or None.

    Read from the living process as long as the mapping is still the same, else from the file behind
    it. Blocks are remembered.
    """

    def __init__(self, pid: int, started: int, mappings: Sequence[Mapping]) -> None:
        self._pid = pid
        self._started = started
        self._mappings = [mapping for mapping in mappings if not mapping.writable and mapping.flags[0] == "r"]
        self._blocks: dict[int, bytes | None] = {}

    def __call__(self, address: int, length: int) -> bytes | None:
        mapping = mapping_at(self._mappings, address)
        if mapping is None or length < 0 or address + length > mapping.end:
            return None
        parts = []
        for start in range(address - address % _BLOCK_BYTES, address + length, _BLOCK_BYTES):
            block = self._block(mapping, start)
            if block is None:
                return None
            base = max(start, mapping.start)
            parts.append(block[max(address - base, 0) : max(address + length - base, 0)])
        joined = b"".join(parts)
        return joined if len(joined) == length else None

    def _block(self, mapping: Mapping, start: int) -> bytes | None:
        key = max(start, mapping.start)
        if key not in self._blocks:
            length = min(start + _BLOCK_BYTES, mapping.end) - key
            self._blocks[key] = self._read_live(mapping, key, length) or _read_file(
                self._file_start(mapping), mapping, key, length
            )
        return self._blocks[key]

    def _read_live(self, mapping: Mapping, address: int, length: int) -> bytes | None:
        try:
            if read_stat(self._pid).started != self._started or mapping not in read_maps(self._pid):
                return None
            return read_memory(self._pid, address, length)
        except OSError:
            return None

    def _file_start(self, mapping: Mapping) -> Mapping | None:
        same = (other for other in self._mappings if other.inode == mapping.inode and other.path == mapping.path)
        return next(same, None)


def _read_file(first: Mapping | None, mapping: Mapping, address: int, length: int) -> bytes | None:
    """From the file, if it is still the one that was mapped, and not where the linker relocates it."""
    if first is None or mapping.deleted or not mapping.is_file:
        return None
    try:
        with Path(mapping.path).open("rb") as file:
            if not is_file_of(mapping, os.fstat(file.fileno())):
                return None
            headers = parse_headers(file.read(HEADER_BYTES))
            bias = load_bias(headers, first) if headers else None
            if headers is None or bias is None:
                return None
            return read_at(file, headers, address - bias, length)
    except OSError:
        return None
