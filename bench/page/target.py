"""The leaking service as a process of the page: starts, answers, and what the kernel says of its memory and time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "fixtures" / "bench" / "leaking_service.py"
LIMIT_S = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


class ToolFailedError(Exception):
    """A tool did not do what it was asked for; the text says why."""


class Target:
    """A running service."""

    def __init__(self, python: Path, size: int, program: Path) -> None:
        self.process = subprocess.Popen(
            [str(python), str(program), str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.info = self.hear()
        self.pid = int(self.info["pid"])

    def hear(self, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The next line of JSON; other lines are a tool's that speaks in our process."""
        assert self.process.stdout is not None
        until = time.monotonic() + limit_s
        while select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
            line = self.process.stdout.readline()
            if not line:
                raise ToolFailedError(f"the service ended with {self.process.wait()}")
            if line.startswith("{"):
                heard: dict[str, Any] = json.loads(line)
                return heard
        raise ToolFailedError(f"no answer within {limit_s:.0f} s")

    def ask(self, line: str = "ask") -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise ToolFailedError(f"the service ended with {self.process.wait()}") from None
        return self.hear()

    def memory(self) -> tuple[int, int]:
        """``(resident, highest resident)`` bytes."""
        lines = (line.split() for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        found = {words[0]: int(words[1]) * 1024 for words in lines if words and words[0] in ("VmRSS:", "VmHWM:")}
        return found["VmRSS:"], found["VmHWM:"]

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def running(python: Path, size: int, program: Path = PROGRAM) -> Iterator[Target]:
    """For the length of a block."""
    target = Target(python, size, program)
    try:
        yield target
    finally:
        target.end()


@contextmanager
def measured(target: Target) -> Iterator[dict[str, Any]]:
    """Fills a dict, when the block has ended, with what happened to the target meanwhile; fields as in ``Row``."""
    time.sleep(0.3)
    target.ask()
    resident, _ = target.memory()
    target.forget_peak()
    cpu_s = target.cpu_s()
    found: dict[str, Any] = {}
    yield found
    time.sleep(0.2)
    gaps = target.ask()
    after, peak = target.memory()
    found.update(
        gap_any_ms=gaps["gap_any_ms"],
        gap_main_ms=gaps["gap_main_ms"],
        target_cpu_s=target.cpu_s() - cpu_s,
        target_peak=max(0, peak - resident),
        target_left=max(0, after - resident),
    )


def run_tool(command: list[str], environment: dict[str, str] | None = None) -> tuple[dict[str, Any], str]:
    """A tool as a process of its own: its wall time, processor time and peak as in ``Row``, and what it printed.

    ToolFailedError if it fails, or takes longer than LIMIT_S.
    """
    log = Path(os.environ.get("TMPDIR", "/tmp"), f"leakscope-bench-{os.getpid()}.log")
    began = time.perf_counter()
    with log.open("w+") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})}, cwd=ROOT,
        )  # fmt: skip
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.perf_counter() - began > LIMIT_S:
                os.killpg(process.pid, 9)  # its own session: only what it started
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise ToolFailedError(f"not done within {LIMIT_S:.0f} s")
            time.sleep(0.002)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    said = log.read_text(errors="replace")
    log.unlink()
    if process.returncode:
        raise ToolFailedError(f"ended with {process.returncode}: {said.strip().splitlines()[-1:]}")
    figures = {"wall_s": wall_s, "tool_cpu_s": usage.ru_utime + usage.ru_stime, "tool_peak": usage.ru_maxrss * 1024}
    return figures, said
