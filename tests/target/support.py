"""Targets for the tests: interpreters of this machine, programs, what the kernel says of them."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from leakscope.target.image import PAGE_BYTES, MemoryImage

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
SILENCE_S = 30


def interpreters() -> list[Path]:
    """Every CPython 3 of pyenv and of the distribution, by path."""
    found = [*Path.home().glob(".pyenv/versions/*/bin/python3.*"), *Path("/usr/bin").glob("python3.*")]
    return sorted(python for python in found if re.fullmatch(r"python3\.\d+", python.name))


def series(python: Path) -> tuple[int, int]:
    """``(3, 11)`` of ``.../python3.11``."""
    major, minor = python.name.removeprefix("python").split(".")
    return int(major), int(minor)


SUPPORTED = [python for python in interpreters() if (3, 10) <= series(python) <= (3, 13)]
TOO_OLD = [python for python in interpreters() if series(python) < (3, 10)]
ANY = SUPPORTED[-1]


class Target:
    """A running program of ``programs/`` that says JSON lines and takes lines."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)
        self.pid = self.process.pid
        self.info = self.hear()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        there, _, _ = select.select([self.process.stdout], [], [], SILENCE_S)
        assert there, f"{self.process.args} said nothing for {SILENCE_S} s"
        line = self.process.stdout.readline()
        assert line, f"{self.process.args} ended with {self.process.wait()}"
        return dict(json.loads(line))

    def ask(self, line: str = "ask") -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.hear()

    def end(self) -> None:
        self.process.kill()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        self.process.wait()


@contextmanager
def running(python: Path | str, program: str, *arguments: str, **options: Any) -> Iterator[Target]:
    """A target for the length of a block."""
    target = Target([str(python), str(PROGRAMS / program), *arguments], **options)
    try:
        yield target
    finally:
        target.end()


def read(image: MemoryImage, address: int, length: int) -> bytes:
    """Bytes of the image; fails where a page is missing."""
    parts = []
    while length:
        page = address & -PAGE_BYTES
        place = int(np.searchsorted(image.pages, np.uint64(page)))
        assert place < len(image.pages) and image.pages[place] == page, f"no page {page:#x}"
        inside = address - page
        take = min(length, PAGE_BYTES - inside)
        parts.append(image.buffer[place * PAGE_BYTES + inside :][:take].tobytes())
        address, length = address + take, length - take
    return b"".join(parts)


def word(image: MemoryImage, address: int) -> int:
    return int.from_bytes(read(image, address, 8), "little")


def thread_facts(pid: int) -> list[tuple[str, str]]:
    """State letter and tracer of every thread."""
    facts = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            lines = dict(line.split(":", 1) for line in (task / "status").read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue
        facts.append((lines["State"].split()[0], lines["TracerPid"].strip()))
    return facts


def assert_let_go(pid: int, stopped: bool = False) -> None:
    """No thread of the process is traced, and none (or all) stand."""
    facts = thread_facts(pid)
    assert facts
    assert {tracer for _, tracer in facts} == {"0"}
    if stopped:
        wait_for(lambda: {state for state, _ in thread_facts(pid)} == {"T"})
    else:
        assert not {state for state, _ in facts} & {"t", "T"}


def wait_for(condition: Callable[[], bool], limit_s: float = 10) -> None:
    """Until it holds; fails after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {limit_s} s (load {os.getloadavg()})"
        time.sleep(0.002)


def environment() -> dict[str, str]:
    """For programs that import leakscope from this tree."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}
