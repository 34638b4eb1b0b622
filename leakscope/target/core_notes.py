"""What the notes of an ELF core say: the process, its threads, its auxiliary vector, the files it had mapped."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from leakscope.errors import InputError
from leakscope.target.core_file import CoreFile
from leakscope.target.image import PAGE_BYTES, StoppedThread

PROGRAM_HEADERS, ENTRY, FILE_NAME = 3, 9, 31
"""Keys of the auxiliary vector: AT_PHDR, AT_ENTRY and AT_EXECFN."""

_PRSTATUS, _PRPSINFO, _AUXV, _FILE = 1, 3, 6, 0x46494C45
_WANTED = frozenset((_PRSTATUS, _PRPSINFO, _AUXV, _FILE))
_PRSTATUS_BYTES, _TID_AT, _REGISTERS_AT = 336, 32, 112
_STACK_POINTER, _THREAD_POINTER, _GENERAL = 19, 21, slice(15)  # places in struct user_regs_struct
_PRPSINFO_BYTES, _PID_AT = 136, 24
_DELETED = b" (deleted)"


class MappedFile(NamedTuple):
    """A mapping of a file: addresses ``[start, end)`` from ``offset`` bytes of it on."""

    start: int
    end: int
    offset: int
    path: str
    """As the process saw it."""
    deleted: bool


@dataclass(frozen=True)
class CoreNotes:
    """The process as it stood. ``pid`` is 0 where no note tells it."""

    pid: int
    threads: tuple[StoppedThread, ...]
    """By ascending id."""
    auxiliary: dict[int, int]
    files: tuple[MappedFile, ...]
    """By ascending address, none overlaps another."""


def read_notes(core: CoreFile) -> CoreNotes:
    """Raises InputError for notes that lie, and for a core that does not say which files were mapped."""
    pid = 0
    threads: list[StoppedThread] = []
    auxiliary: dict[int, int] = {}
    files: tuple[MappedFile, ...] | None = None
    for kind, content in core.notes(_WANTED):
        if kind == _PRSTATUS:
            threads.append(_thread(core, content))
        elif kind == _PRPSINFO:
            if len(content) < _PRPSINFO_BYTES:
                raise core.damaged("its note about the process is too short")
            pid = struct.unpack_from("<I", content, _PID_AT)[0]
        elif kind == _AUXV:
            auxiliary = dict(struct.iter_unpack("<QQ", content[: len(content) & -16]))
        else:
            files = _files(core, content)
    if files is None:
        raise InputError(
            f"{core.path} does not say which files the process had mapped (it has no NT_FILE note)",
            "Cores of Linux 3.7 and later and of gdb's gcore do: take it with one of them.",
        )
    ordered = tuple(sorted(threads, key=lambda thread: thread.tid))
    return CoreNotes(pid or (threads[0].tid if threads else 0), ordered, auxiliary, files)


def _thread(core: CoreFile, content: bytes) -> StoppedThread:
    if len(content) < _PRSTATUS_BYTES:
        raise core.damaged("its note about a thread is too short")
    tid = struct.unpack_from("<I", content, _TID_AT)[0]
    words = struct.unpack_from("<27Q", content, _REGISTERS_AT)
    return StoppedThread(tid, words[_STACK_POINTER], words[_GENERAL], words[_THREAD_POINTER])


def _files(core: CoreFile, content: bytes) -> tuple[MappedFile, ...]:
    """``count, unit``, then ``start, end, offset in units`` of each, then the paths, NUL behind each."""
    count, unit = struct.unpack_from("<QQ", content) if len(content) >= 16 else (0, 0)
    if not count and len(content) >= 16:
        return ()
    paths = content[16 + count * 24 :].split(b"\0") if count * 24 <= len(content) - 16 else []
    if unit not in (1, PAGE_BYTES) or len(paths) <= count:  # gdb counts bytes
        raise core.damaged("its list of mapped files contradicts itself")
    rows = struct.iter_unpack("<QQQ", content[16 : 16 + count * 24])
    files = sorted(
        MappedFile(start, end, offset * unit, _text(path), path.endswith(_DELETED))
        for (start, end, offset), path in zip(rows, paths, strict=False)
    )
    for each in files:
        if each.start >= each.end or each.end >> 47 or (each.start | each.end) % PAGE_BYTES or each.offset >> 62:
            raise core.damaged("a mapped file has an impossible address")
    if any(one.end > other.start for one, other in pairwise(files)):
        raise core.damaged("two mapped files overlap")
    return tuple(files)


def _text(path: bytes) -> str:
    return path.removesuffix(_DELETED).decode("utf-8", "surrogateescape")
