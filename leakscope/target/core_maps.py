"""The mappings of a dumped process: what ``/proc/PID/maps`` said, as far as segments and notes of a core tell it.

The kernel writes a segment for every mapping, gdb only for those of which it dumps something; which file
was mapped where is in a note.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from leakscope.target.core_file import EXECUTABLE, READABLE, WRITABLE, CoreFile
from leakscope.target.core_notes import MappedFile
from leakscope.target.elf import Headers
from leakscope.target.image import PAGE_BYTES
from leakscope.target.maps import Mapping

_SHARED = ("/dev/zero (deleted)", "/dev/shm/", "/memfd:", "/SYSV", "/anon_hugepage")
"""Memory that others see too; a core does not say what was shared, but these are files of no file system."""
_DEVICE = "00:00"


def combine(core: CoreFile, files: Sequence[MappedFile]) -> list[Mapping]:
    """All mappings, ascending; ``inode`` numbers the files from 1 on, 0 being none.

    What has no segment was not dumped because the process had not changed it; its flags are not known, and
    said to be those of program text.
    """
    starts, lengths = core.segments["start"], core.segments["bytes"]
    edges = [edge for each in files for edge in (each.start, each.end)]
    cuts = np.unique(np.concatenate((starts, starts + lengths, np.array(edges, np.uint64)))).tolist()
    file_starts = [each.start for each in files]
    numbers: dict[str, int] = {}
    mappings = []
    for start, end in pairwise(cuts):
        row = core.segment_at(start)
        place = bisect_right(file_starts, start) - 1
        file = files[place] if place >= 0 and start < files[place].end else None
        if file is not None:
            number = numbers.setdefault(file.path, len(numbers) + 1)
            offset = file.offset + start - file.start
            mappings.append(
                Mapping(start, end, _flags(core, row, file), offset, _DEVICE, number, file.path, file.deleted)
            )
        elif row >= 0:
            mappings.append(Mapping(start, end, _flags(core, row, None), 0, _DEVICE, 0, "", False))
    return mappings


def _flags(core: CoreFile, row: int, file: MappedFile | None) -> str:
    bits = int(core.segments["flags"][row]) if row >= 0 else READABLE | EXECUTABLE
    letters = (bits & READABLE and "r", bits & WRITABLE and "w", bits & EXECUTABLE and "x")
    return "".join(letter or "-" for letter in letters) + ("s" if _is_shared(file) else "p")


def _is_shared(file: MappedFile | None) -> bool:
    return file is not None and (file.path + " (deleted)" * file.deleted).startswith(_SHARED)


def with_flags_of(mapping: Mapping, headers: Headers) -> Mapping:
    """A mapping that was not dumped, writable if it is of a segment of its file that is."""
    for segment in headers.segments:
        # The page in which one segment ends and the next begins is mapped twice, once for each.
        begin = segment.offset & -PAGE_BYTES
        if segment.writable and begin <= mapping.offset < segment.offset + segment.file_size:
            return mapping._replace(flags="rw-p")
    return mapping


def dumped_end(core: CoreFile, mapping: Mapping) -> int:
    """The address up to which a mapping is in the core; its start if none of it is."""
    row = core.segment_at(mapping.start)
    if row < 0:
        return mapping.start
    end = int(core.segments["start"][row]) + int(core.segments["file_bytes"][row])
    return max(mapping.start, min(mapping.end, end))
