"""``/proc/PID/maps``: which memory a process has, and where it comes from."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_DELETED = " (deleted)"
_KERNEL_OWN = ("[vvar", "[vdso", "[vsyscall")
_ORDINARY_MEMORY = ("/dev/zero", "/dev/shm/")
_LARGE_SHARED_BYTES = 16 << 20


class Mapping(NamedTuple):
    """One line of ``maps``: addresses ``[start, end)``."""

    start: int
    end: int
    flags: str
    """``rwxp``, ``-`` where not; the last is ``s`` where other processes see what is written."""
    offset: int
    device: str
    """``major:minor``, hexadecimal."""
    inode: int
    """0: no file."""
    path: str
    """Of the file as the process sees it, ``[heap]``-like, or empty."""
    deleted: bool
    """The file has been deleted or replaced since."""

    @property
    def writable(self) -> bool:
        return self.flags[1] == "w"

    @property
    def is_file(self) -> bool:
        return self.inode != 0

    @property
    def is_own_memory(self) -> bool:
        """Private, writable and ordinary: what only this process can have put there."""
        if self.flags[0] != "r" or self.flags[1] != "w" or self.flags[3] != "p":
            return False
        path = self.path
        if not path:
            return True
        if path.startswith("/dev/"):
            return path.startswith(_ORDINARY_MEMORY)
        return not path.startswith(_KERNEL_OWN)


def shared_memory_note(mappings: Sequence[Mapping]) -> str | None:
    """What to tell of writable memory that others see too, which is not copied; None where that is little."""
    shared = [each for each in mappings if each.flags[1] == "w" and each.flags[3] == "s"]
    size = sum(each.end - each.start for each in shared)
    if size < _LARGE_SHARED_BYTES:
        return None
    largest = max(shared, key=lambda each: each.end - each.start)
    others = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
    return (
        f"{size} bytes of memory that is shared with other processes ({largest.path or 'no name'}{others}) "
        "were not copied; Python keeps no objects there."
    )


def parse_maps(text: str) -> list[Mapping]:
    """The lines of a ``maps`` file, ascending."""
    return [_parse_line(line) for line in text.split("\n") if line]


def _parse_line(line: str) -> Mapping:
    fields = line.split(None, 5)
    start, _, end = fields[0].partition("-")
    path = fields[5] if len(fields) > 5 else ""
    deleted = path.endswith(_DELETED) and path.startswith("/")
    if deleted:
        path = path[: -len(_DELETED)]
    if "\\012" in path:
        path = path.replace("\\012", "\n")  # the only character that the kernel escapes here
    inode = int(fields[4])
    return Mapping(int(start, 16), int(end, 16), fields[1], int(fields[2], 16), fields[3], inode, path, deleted)


def read_maps(pid: int) -> list[Mapping]:
    """All mappings of a process, ascending; empty for kernel threads and zombies. Raises OSError."""
    return parse_maps(os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes()))


def mapping_at(mappings: Sequence[Mapping], address: int) -> Mapping | None:
    """The mapping that holds ``address``, of an ascending sequence."""
    place = bisect_right(mappings, address, key=lambda mapping: mapping.start) - 1
    if place >= 0 and address < mappings[place].end:
        return mappings[place]
    return None
