"""A target of the benchmark: a service process with a heartbeat that says how long it stood still.

The protocol is that of the shared peer benchmark's ``target.py``: one JSON line when ready (``pid``, ``VmRSS`` in kB),
then a line ``ask`` on standard input is answered by one JSON line with the largest gaps since the last one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STOP_LIMIT_S = 30


@dataclass(frozen=True)
class Gaps:
    """The largest gaps between heartbeats, in milliseconds."""

    any_ms: float
    """Of a thread: the process stood, or one thread held the interpreter's lock."""
    main_ms: float
    """Of the main thread's event loop: the service did not answer."""


@dataclass(frozen=True)
class Target:
    """A target that is ready."""

    process: subprocess.Popen[str]
    pid: int
    rss_bytes: int

    def ask(self) -> Gaps:
        """The gaps since the last call."""
        assert self.process.stdin is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()
        answer = _read(self.process)
        return Gaps(answer["gap_any_ms"], answer["gap_main_ms"])


@contextmanager
def running(program: Path, objects: int) -> Iterator[Target]:
    """``program objects`` while the block lasts; raises RuntimeError if it does not get ready."""
    process = subprocess.Popen(
        [sys.executable, str(program), str(objects)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            ready = _read(process)
            yield Target(process, ready["pid"], ready["VmRSS"] * 1024)
        finally:
            process.kill()
            process.wait(STOP_LIMIT_S)


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the target ended with code {process.wait(STOP_LIMIT_S)}")
    answer: dict[str, Any] = json.loads(line)
    return answer
