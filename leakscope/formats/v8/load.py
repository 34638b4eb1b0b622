"""``.heapsnapshot`` -> ``HeapGraph`` and what its objects are worth."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

from leakscope.errors import InputError
from leakscope.formats.container import as_input_error, regular
from leakscope.formats.v8.graph import build
from leakscope.formats.v8.members import Malformed, find_members
from leakscope.formats.v8.tables import read_tables
from leakscope.formats.v8.values import V8Values
from leakscope.graph.heap import HeapGraph

Progress = Callable[[str, float], None]


def load_v8(path: Path, progress: Progress | None = None) -> tuple[HeapGraph, V8Values]:
    """The heap in ``path``. InputError if it is no intact snapshot; its memory is bounded by the file's size."""
    with as_input_error(path), regular(path) as (file, _):
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            members = find_members(data)
            return build(read_tables(data, members, progress), members.meta)
        except Malformed as error:
            raise InputError(
                f"{path} is no intact heap snapshot: {error}",
                "Take it again: v8.writeHeapSnapshot(), or node --heapsnapshot-signal=SIGUSR2.",
            ) from None
