"""``.hprof`` -> ``HeapGraph`` and what its objects are worth."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from leakscope.errors import InputError
from leakscope.formats.hprof.graph import build
from leakscope.formats.hprof.records import Malformed, read_header, read_records
from leakscope.formats.hprof.values import JvmValues
from leakscope.graph.heap import HeapGraph

Progress = Callable[[str, float], None]
_RETAKE = "Take it again: jcmd PID GC.heap_dump FILE, with room for the whole heap on the disk."


def load(
    file: BinaryIO, path: Path, progress: Progress | None = None, reveal: bool = False
) -> tuple[HeapGraph, JvmValues]:
    """The heap in ``file``, which is open and holds a dump as it is; ``path`` is what messages call it.

    InputError if it is damaged. Memory is bounded by the file's size.
    """
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tell = progress or (lambda stage, done: None)
    tell("records", 0.0)
    try:
        return build(read_records(np.frombuffer(data, dtype=np.uint8)), tell, reveal)
    except Malformed as error:
        raise InputError(f"{path} is no intact heap dump of a JVM: {error}", _RETAKE) from None


def facts(beginning: bytes, path: Path) -> dict[str, Any]:
    """What the beginning of a dump says of its capture. InputError if it is none."""
    try:
        header = read_header(np.frombuffer(beginning, dtype=np.uint8))
        return {"runtime": "jvm", "captured_at": header.captured_at, "pid": None}
    except Malformed as error:
        raise InputError(f"{path} is no intact heap dump of a JVM: {error}", _RETAKE) from None
