"""Reads the copied memory of a CPython one value at a time; for the few hundred places that need it.

Whatever cannot be read is None or 0 or empty: the bytes are a foreign heap's
and may be torn. Loops over all objects belong to ``kernels``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from leakscope.cpython.layouts import Layout
from leakscope.kernels._arrays import UInt64s
from leakscope.kernels.memory import Memory
from leakscope.target.image import MemoryImage

_LONGEST_TEXT = 1 << 16
_MOST_ITEMS = 1 << 20


class HeapMemory:
    """Words, C strings, and the builtin objects that name things: str, tuple, dict."""

    def __init__(self, image: MemoryImage, layout: Layout) -> None:
        self.image = image
        self.layout = layout
        self.paged = Memory(image.buffer, image.pages)

    def read(self, address: int, length: int) -> bytes | None:
        """Bytes from the copy, or from mappings that the process cannot write."""
        if address <= 0 or length < 0:
            return None
        found = self.paged.read(address, length)
        return found if found is not None else self.image.read_only(address, length)

    def word(self, address: int) -> int:
        """The 64-bit word at ``address``; 0 where it cannot be read."""
        raw = self.read(address, 8)
        return int.from_bytes(raw, "little") if raw else 0

    def int32(self, address: int) -> int:
        """The signed 32-bit integer at ``address``; 0 where it cannot be read."""
        raw = self.read(address, 4)
        return int.from_bytes(raw, "little", signed=True) if raw else 0

    def byte(self, address: int) -> int:
        """The byte at ``address``; 0 where it cannot be read."""
        raw = self.read(address, 1)
        return raw[0] if raw else 0

    def words(self, address: int, count: int) -> UInt64s:
        """``count`` words, or none at all if they are not all there."""
        if not 0 <= count <= self.paged.size // 8:
            return np.zeros(0, np.uint64)
        raw = self.read(address, count * 8)
        return np.frombuffer(raw, np.uint64) if raw else np.zeros(0, np.uint64)

    def c_string(self, address: int) -> str | None:
        """A NUL-terminated string, None where there is none."""
        taken = b""
        while len(taken) < _LONGEST_TEXT:
            at = address + len(taken)
            part = self.read(at, 64 - at % 64)
            if part is None:
                return None
            taken += part
            if b"\0" in part:
                return taken[: taken.index(b"\0")].decode("utf-8", "backslashreplace")
        return None

    def text(self, address: int, limit: int = _LONGEST_TEXT) -> str | None:
        """The value of a ``str`` object (its first ``limit`` characters); None if it is not readable as one."""
        layout = self.layout
        state = self.int32(address + layout.unicode_state)
        length = min(self.word(address + layout.unicode_length), limit)
        width = (state & layout.unicode_kind_mask) >> 2
        if width not in (1, 2, 4):
            return None
        if not state & layout.unicode_compact_mask:
            data = self.word(address + layout.unicode_data)
        elif state & layout.unicode_ascii_mask:
            data = address + layout.unicode_ascii_sizeof
        else:
            data = address + layout.unicode_compact_sizeof
        raw = self.read(data, length * width)
        if raw is None:
            return None
        encoding = {1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[width]
        try:
            text = raw.decode(encoding, "surrogatepass")
        except UnicodeDecodeError:
            return None
        # Lone surrogates are legal in a str; nobody downstream could encode them.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    def tuple_items(self, address: int) -> list[int]:
        """Addresses of a tuple's items."""
        count = self.word(address + self.layout.var_size)
        if count > _MOST_ITEMS:
            return []
        return [int(item) for item in self.words(address + self.layout.tuple_items, count)]

    def dict_items(self, address: int) -> Iterator[tuple[int, int]]:
        """``(key address, value address)`` of a dict, in its order."""
        keys = self.word(address + self.layout.dict_keys)
        values = self.word(address + self.layout.dict_values)
        if values:
            yield from self.split_items(keys, values + max(0, self.layout.dictvalues_values))
            return
        entries = self._entries(keys)
        if entries is not None:
            yield from ((key, value) for key, value in entries[:, -2:].tolist() if value)

    def split_items(self, keys: int, values: int) -> Iterator[tuple[int, int]]:
        """``(key address, value address)`` of values whose keys are shared by a class."""
        entries = self._entries(keys)
        if entries is None:
            return
        taken = self.words(values, len(entries)).tolist()
        for key, value in zip(entries[:, -2].tolist(), taken, strict=False):
            if value:
                yield key, value

    def _entries(self, keys: int) -> UInt64s | None:
        """Rows of a keys object: ``(..., key, value)``."""
        layout = self.layout
        head = self.read(keys, layout.dictkeys_indices)
        if head is None:
            return None
        (count,) = struct.unpack_from("<Q", head, layout.dictkeys_nentries)
        columns = 3
        if layout.dictkeys_size >= 0:
            (slots,) = struct.unpack_from("<Q", head, layout.dictkeys_size)
            index_bytes = slots * (1 if slots <= 0xFF else 2 if slots <= 0xFFFF else 4)
        else:
            index_bytes = 1 << min(head[layout.dictkeys_log2_index_bytes], 40)
            if head[layout.dictkeys_kind]:
                columns = 2
        if count > _MOST_ITEMS:
            return None
        return self.words(keys + layout.dictkeys_indices + index_bytes, count * columns).reshape(-1, columns)
