"""SOURCE on a command line -> ``HeapGraph``: a PID is captured, anything else is a snapshot file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from leakscope.cli.options import Pause
from leakscope.cli.output import clear_progress, progress
from leakscope.errors import UsageError

if TYPE_CHECKING:
    from leakscope.graph.heap import HeapGraph


def open_graph(source: str, pause: Pause | None = None, reveal: bool = False) -> HeapGraph:
    """The heap behind ``source``; raises ``AttachError``, ``InputError`` or ``UsageError``."""
    if is_pid(source):
        return capture_graph(int(source), pause, reveal)
    if pause is not None or reveal:
        option = f"--pause {pause.value}" if pause else "--reveal"
        raise UsageError(
            f"{option} goes with a PID; {source} is a file and stays as it was taken",
            f"Take a new one: leakscope snapshot PID {option}",
        )
    from leakscope.formats.leakscope_file import load

    return load(Path(source))


def is_pid(source: str) -> bool:
    """Whether SOURCE names a process and not a file."""
    return source.isascii() and source.isdigit()


def capture_graph(pid: int, pause: Pause | None = None, reveal: bool = False) -> HeapGraph:
    """The heap of a live process, with progress on standard error; raises ``AttachError``."""
    from leakscope.cpython import read_heap
    from leakscope.target.attach import capture

    report = progress()
    try:
        image = capture(pid, pause=(pause or Pause.COPY).value, progress=report)
        return read_heap(image, reveal=reveal, progress=report)
    finally:
        clear_progress()
