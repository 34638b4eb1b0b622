"""Gathers the pages of a core that its process had written into one packed buffer, without those that are zero."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leakscope.errors import AttachError, InputError
from leakscope.target.budget import Budget, plan
from leakscope.target.copy import Room
from leakscope.target.core_file import CoreFile
from leakscope.target.image import PAGE_BYTES

Bytes = npt.NDArray[np.uint8]
_PIECE_BYTES = 16 << 20
_SPREAD_FREE = 256
_SPREAD_BYTES = 1 << 20


@dataclass(frozen=True)
class Part:
    """Memory from ``address`` on: ``length`` bytes at ``offset`` of the core, or ``data`` of another file."""

    address: int
    length: int
    offset: int = 0
    data: bytes = b""


def gather(
    core: CoreFile, parts: Sequence[Part], progress: Callable[[float], None], budget: Budget | None = None
) -> tuple[Bytes, npt.NDArray[np.uint64]]:
    """``(buffer, pages)`` as in ``MemoryImage``, of ascending parts of whole pages.

    Raises InputError if the core is cut off meanwhile, is larger than memory, or is spread over the address
    space as no process is: tables of pages would take many times its size.
    """
    pieces = [piece for part in parts for piece in _pieces(core, part)]
    total = sum(piece.length for piece in pieces)
    _require_sense(core, pieces, total)
    room = _room(total, budget or Budget())
    pages = []
    at = seen = 0
    for piece in pieces:
        into = room[at : at + piece.length].data
        if piece.data:
            into[:] = piece.data
        else:
            core.read_into(piece.offset, into)
        words = room[at : at + piece.length].view(np.uint64).reshape(-1, PAGE_BYTES // 8)
        written = np.asarray(words.any(axis=1))
        pages.append(piece.address + np.flatnonzero(written).astype(np.uint64) * np.uint64(PAGE_BYTES))
        at += _squeeze(room[at : at + piece.length], written)
        seen += piece.length
        progress(seen / total)
    return room[:at], np.concatenate(pages) if pages else np.zeros(0, np.uint64)


def _pieces(core: CoreFile, part: Part) -> Iterator[Part]:
    """The part without holes of the file, cut so that little is read at once."""
    if part.data:
        yield part
        return
    for offset, length in core.data_parts(part.offset, part.length):
        for done in range(offset, offset + length, _PIECE_BYTES):
            size = min(_PIECE_BYTES, offset + length - done)
            yield Part(part.address + done - part.offset, size, done)


def _squeeze(piece: Bytes, written: npt.NDArray[np.bool_]) -> int:
    """Moves the pages that are not zero to the front; returns how many bytes they are."""
    kept = int(np.count_nonzero(written)) * PAGE_BYTES
    if kept < len(piece):
        table = piece.reshape(-1, PAGE_BYTES)
        table[: kept // PAGE_BYTES] = table[written]
    return kept


def _require_sense(core: CoreFile, pieces: Sequence[Part], total: int) -> None:
    spread = len({piece.address >> 30 for piece in pieces} | {piece.address + piece.length >> 30 for piece in pieces})
    if spread > _SPREAD_FREE + total // _SPREAD_BYTES:
        raise core.damaged(f"its {total >> 10} KiB of memory are spread over {spread} GiB of addresses")


def _room(total: int, budget: Budget) -> Bytes:
    """Memory for so many bytes, or a file without a name where the budget wants one."""
    try:
        planned = plan(total, "none", budget)
        planned.begin()
        if planned.spills_copy:
            return Room(total, planned.folder).bytes
    except (AttachError, OSError) as error:
        why = error.message if isinstance(error, AttachError) else f"a file of {total >> 20} MiB: {error.strerror}"
        raise InputError(
            f"There is no room to read this core: {why}",
            "Give less memory with --max-memory 500M, another folder with --spill-dir, or read it on a larger machine.",
        ) from error
    # Given by the kernel as it is written to: pages that are zero cost nothing.
    return np.frombuffer(mmap.mmap(-1, max(total, PAGE_BYTES)), dtype=np.uint8)
