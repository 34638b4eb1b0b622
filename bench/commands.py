"""What benchmarks share: a command of leakscope that is timed, and tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """One command: its JSON answer, wall time, peak resident memory, and the time of all its threads."""

    answer: dict[str, Any]
    wall_s: float
    peak_rss_bytes: int
    cpu_s: float


def leakscope(*arguments: object) -> Run:
    """One command as a process of its own; raises RuntimeError if it fails."""
    command = [sys.executable, "-m", "leakscope", *map(str, arguments), "--json"]
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with code {process.returncode}")
        output.seek(0)
        return Run(json.load(output), wall_s, usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Markdown; rows may be shorter than ``headings``."""
    width = len(headings)
    lines = [headings, ["---"] * width, *([*row, *[""] * (width - len(row))] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def say(lines: list[str]) -> None:
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()
