"""What the clocks of a dumped process showed: all of them if it lives on, as it does after gcore, else almost none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress

from leakscope.target.clocks import Moment, TargetClocks, now, offsets_in_zone, read_clocks
from leakscope.target.core_file import CoreFile
from leakscope.target.core_notes import FILE_NAME, CoreNotes
from leakscope.target.maps import Mapping, read_maps
from leakscope.target.proc import read_stat, started_at

_MOST_ENVIRONMENT_BYTES = 1 << 17
_VARIABLE = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*=")


def lives_on(notes: CoreNotes, mappings: Sequence[Mapping]) -> bool:
    """Whether the process is still there: the kernel puts libraries elsewhere in each that it starts."""
    loaded = _libraries(mappings)
    try:
        return bool(loaded) and loaded <= _libraries(read_maps(notes.pid))
    except OSError:
        return False


def clocks_of(core: CoreFile, notes: CoreNotes, lives: bool) -> tuple[float | None, TargetClocks]:
    """``(started, clocks)`` at the time of the core's file: when the process began, and what its clocks showed."""
    if lives:
        here = now()
        ago = here.epoch - core.modified_at
        clocks = read_clocks(notes.pid, Moment(core.modified_at, here.monotonic - ago, here.boottime - ago))
        with suppress(OSError):
            return started_at(read_stat(notes.pid)), clocks
    told = _variable(core, notes, b"TZ")
    if told is None:
        return None, TargetClocks(None, None, None)
    offset, january, july = offsets_in_zone(told, core.modified_at)
    return None, TargetClocks(None, None, offset, None if january is None or july is None else (january, july))


def _libraries(mappings: Sequence[Mapping]) -> set[tuple[int, str]]:
    return {(mapping.start, mapping.path) for mapping in mappings if mapping.is_file and ".so" in mapping.path}


def _variable(core: CoreFile, notes: CoreNotes, name: bytes) -> str | None:
    """A variable of the environment as the process got it, which ends where the name of its program begins."""
    end = notes.auxiliary.get(FILE_NAME, 0)
    row = core.segment_at(end)
    if row < 0:
        return None
    length = min(_MOST_ENVIRONMENT_BYTES, end - int(core.segments["start"][row]))
    for entry in reversed((core.read(end - length, length) or b"").split(b"\0")[:-1]):
        if not _VARIABLE.match(entry):
            return None
        if entry.startswith(name + b"="):
            return entry[len(name) + 1 :].decode("utf-8", "surrogateescape")
    return None
