"""ELF core files: their segments, notes and bytes.

Nothing that a file says of itself is believed before it has been checked, what it says twice is refused, and
nothing is read that nobody asks for: a core may be larger than memory, and come from a stranger.
"""

from __future__ import annotations

import os
import struct
import weakref
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from leakscope.errors import InputError, UnsupportedTargetError
from leakscope.target.elf import MACHINE_X86_64
from leakscope.target.image import PAGE_BYTES

CUT_OFF_HELP = (
    "Take it again: `ulimit -c unlimited` and enough space for a core of the kernel; gcore must run to its end; "
    "a copy must be as long as the original."
)
DAMAGED_HELP = "Take it again with gcore PID, or copy it again."
EXECUTABLE, WRITABLE, READABLE = 1, 2, 4
"""Bits of ``flags`` of a segment."""

_MACHINES = {3: "32-bit x86", 21: "ppc64", 22: "s390x", 40: "32-bit ARM", 183: "aarch64", 243: "RISC-V"}
_LATEST_S = 1e11
"""A file's time may be any number; dates of Python end with the year 9999."""
_ET_CORE = 4
_PT_LOAD, _PT_NOTE = 1, 4
_PN_XNUM = 0xFFFF
_USER_SPACE_END = 1 << 47
_MOST_SEGMENTS = 1 << 18
"""Four times as many as the kernel allows a process unless told otherwise (vm.max_map_count)."""
_MOST_NOTE_BYTES = 1 << 28
_MOST_NOTES = 1 << 20
_PROGRAM_HEADER = np.dtype(
    [("kind", "<u4"), ("flags", "<u4")]
    + [(name, "<u8") for name in ("offset", "start", "physical", "file_bytes", "bytes", "align")]
)
Segments = npt.NDArray[np.void]
"""Rows of program headers: ``start`` and ``bytes`` in memory, of which ``file_bytes`` are at ``offset`` of the file."""


class CoreFile:
    """An open core. ``segments`` are its rows of user memory, by ascending address; none overlaps another.

    Raises InputError for what is no core or is damaged, UnsupportedTargetError for other processors.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._file)
            status = os.fstat(self._file)
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from error
        self.size = status.st_size
        self.modified_at = min(max(status.st_mtime, 0.0), _LATEST_S)
        """Epoch seconds."""
        headers = self._program_headers()
        self._note_rows = headers[headers["kind"] == _PT_NOTE]
        self.segments = self._checked(headers[headers["kind"] == _PT_LOAD])
        self._starts: list[int] = self.segments["start"].tolist()
        self._ends: list[int] = (self.segments["start"] + self.segments["bytes"]).tolist()

    def damaged(self, what: str) -> InputError:
        """The error for a file that contradicts itself."""
        return InputError(f"{self.path} is damaged: {what}", DAMAGED_HELP)

    def cut_off(self, missing: int | None = None) -> InputError:
        """The error for a file that is shorter than it says; ``missing`` bytes, where known."""
        what = "its end is" if missing is None else f"{_size(missing)} of {_size(self.size + missing)} are"
        return InputError(f"{self.path} is cut off: {what} missing", CUT_OFF_HELP)

    def bytes_at(self, offset: int, length: int) -> bytes:
        """Bytes of the file; fewer where it ends."""
        if length <= 0 or offset >= self.size:
            return b""
        try:
            return os.pread(self._file, min(length, self.size - offset), offset)
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error

    def read_into(self, offset: int, into: memoryview) -> None:
        """Fills ``into``; InputError where the file is shorter than it was."""
        done = 0
        while done < len(into):
            try:
                got = os.preadv(self._file, [into[done:]], offset + done)
            except OSError as error:
                raise InputError(f"cannot read {self.path}: {error.strerror}") from error
            if not got:
                raise self.cut_off()
            done += got

    def data_parts(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """``(offset, length)`` of what is no hole of a sparse file; all of it where the file system does not tell.

        Widened to whole pages from ``offset`` on.
        """
        end = offset + length
        at = offset
        while at < end:
            try:
                begin = os.lseek(self._file, at, os.SEEK_DATA)
                stop = os.lseek(self._file, begin, os.SEEK_HOLE)
            except OSError:
                # ENXIO: nothing but a hole up to the end of the file.
                return
            begin = offset + (max(begin, at) - offset & -PAGE_BYTES)
            stop = min(end, offset + (max(stop - offset, 0) + PAGE_BYTES - 1 & -PAGE_BYTES))
            if begin >= end:
                return
            yield begin, stop - begin
            at = stop

    def segment_at(self, address: int) -> int:
        """The row of ``segments`` that holds ``address``; -1 for none."""
        row = bisect_right(self._starts, address) - 1
        return row if row >= 0 and address < self._ends[row] else -1

    def read(self, address: int, length: int) -> bytes | None:
        """Memory as far as it was dumped; None where a byte of it was not."""
        row = self.segment_at(address)
        if row < 0 or length < 0:
            return None
        inside = address - int(self.segments["start"][row])
        if inside + length > int(self.segments["file_bytes"][row]):
            return None
        data = self.bytes_at(int(self.segments["offset"][row]) + inside, length)
        return data if len(data) == length else None

    def missing(self, segments: Segments) -> int:
        """How many of the dumped bytes of ``segments`` lie behind the end of the file."""
        ends = segments["offset"] + segments["file_bytes"]
        beyond = np.where(ends > self.size, ends - np.uint64(self.size), np.uint64(0))
        return int(np.minimum(beyond, segments["file_bytes"]).sum())

    def notes(self, kinds: frozenset[int]) -> Iterator[tuple[int, bytes]]:
        """``(kind, content)`` of those notes named CORE that are of ``kinds``, in their order."""
        left = _MOST_NOTES
        for row in self._note_rows:
            offset, length = int(row["offset"]), int(row["file_bytes"])
            if offset + length > self.size:
                raise self.cut_off(offset + length - self.size)
            if length > _MOST_NOTE_BYTES:
                raise self.damaged(f"it has {_size(length)} of notes")
            data = self.bytes_at(offset, length)
            at = 0
            while at + 12 <= len(data):
                name_bytes, content_bytes, kind = struct.unpack_from("<III", data, at)
                content = at + 12 + (name_bytes + 3 & -4)
                end = content + content_bytes
                left -= 1
                if end > len(data) or left < 0:
                    raise self.damaged("its notes are longer than the room they have")
                if kind in kinds and data[at + 12 : at + 12 + name_bytes].rstrip(b"\0") == b"CORE":
                    yield kind, data[content:end]
                at = content + (content_bytes + 3 & -4)

    def _program_headers(self) -> Segments:
        head = self.bytes_at(0, 64)
        if len(head) < 64 or head[:4] != b"\x7fELF":
            raise InputError(f"{self.path} is no ELF core file", "A core comes from gcore PID, or from a crash.")
        self._require_x86_64(head)
        table, sections = struct.unpack_from("<QQ", head, 32)
        entry_bytes, count = struct.unpack_from("<HH", head, 54)
        if entry_bytes != _PROGRAM_HEADER.itemsize:
            raise self.damaged(f"its program headers have {entry_bytes} bytes each")
        if count == _PN_XNUM:
            # More than fit: the number is in the first section header, which the kernel writes last.
            first_section = self.bytes_at(sections, 64)
            if len(first_section) < 64:
                raise self.cut_off()
            count = struct.unpack_from("<I", first_section, 44)[0]
        if not 0 < count <= _MOST_SEGMENTS:
            raise self.damaged(f"it says that it has {count} segments, where up to {_MOST_SEGMENTS} are read")
        data = self.bytes_at(table, count * entry_bytes)
        if len(data) < count * entry_bytes:
            raise self.cut_off()
        return np.frombuffer(data, dtype=_PROGRAM_HEADER)

    def _require_x86_64(self, head: bytes) -> None:
        kind, machine = struct.unpack_from("<HH", head, 16)
        if head[5] != 1 or machine != MACHINE_X86_64 or head[4] != 2:
            name = _MACHINES.get(machine, f"machine {machine}") if head[5] == 1 else "big-endian"
            raise UnsupportedTargetError(
                f"{self.path} is a file of another processor ({name})", "leakscope reads cores of 64-bit x86-64."
            )
        if kind != _ET_CORE:
            raise InputError(
                f"{self.path} is a program or library, not a core", "A core comes from gcore PID, or from a crash."
            )

    def _checked(self, rows: Segments) -> Segments:
        rows = rows[(rows["bytes"] > 0) & (rows["start"] < _USER_SPACE_END)]  # not the kernel's vsyscall page
        rows = rows[np.argsort(rows["start"], kind="stable")]
        start, length, offset, dumped = (rows[name] for name in ("start", "bytes", "offset", "file_bytes"))
        if np.any(start % PAGE_BYTES) or np.any(length % PAGE_BYTES) or np.any(dumped % PAGE_BYTES):
            raise self.damaged("a segment is not made of whole pages")
        if np.any(length > _USER_SPACE_END) or np.any(start + length > _USER_SPACE_END):
            raise self.damaged("a segment reaches beyond the address space")
        if np.any(dumped > length) or np.any(offset > 1 << 62):
            raise self.damaged("a segment is longer in the file than in memory")
        if np.any(start[1:] < (start + length)[:-1]):
            raise self.damaged("two segments overlap in memory")
        there = rows[dumped > 0]
        there = there[np.argsort(there["offset"], kind="stable")]
        if np.any(there["offset"][1:] < (there["offset"] + there["file_bytes"])[:-1]):
            raise self.damaged("two segments lie in the same bytes of the file")
        return rows


def _size(count: int) -> str:
    return (
        f"{count >> 20} MiB" if count >= 10 << 20 else f"{count >> 10} KiB" if count >= 10 << 10 else f"{count} bytes"
    )
