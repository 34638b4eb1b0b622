"""Cores for tests: of live processes by gcore and by the kernel, and small ones built by hand, with any lie in them."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .support import Target, wait_for

CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
KERNELS_FILTER = 0x33
"""What the kernel dumps unless told otherwise: anonymous memory, first pages of ELF files, private huge pages."""
ZONE = "CET-1CEST,M3.5.0,M10.5.0/3"
PAGE = 4096
READ, WRITE, EXECUTE = 4, 2, 1
PRSTATUS, PRPSINFO, AUXV, FILE = 1, 3, 6, 0x46494C45


def gcore(pid: int, folder: Path, filter_bits: int = KERNELS_FILTER) -> Path:
    """A core of a process that runs on, by gdb, of the memory that ``filter_bits`` choose."""
    debugger = shutil.which("gdb")
    assert debugger, "these tests need gdb: apt-get install gdb (.ci/run does)"
    Path(f"/proc/{pid}/coredump_filter").write_text(hex(filter_bits))
    path = folder / f"core.{pid}.{filter_bits:x}"
    commands = ("set use-coredump-filter on", f"gcore {path}", "detach")
    orders = [part for each in commands for part in ("-ex", each)]
    done = subprocess.run(
        [debugger, "-nx", "-batch", "-p", str(pid), *orders], capture_output=True, text=True, timeout=60, check=False
    )
    assert path.exists(), done.stderr
    return path


def crash(target: Target, folder: Path) -> tuple[Path, str]:
    """Ends a target that was started in ``folder`` by SIGABRT: its core, and whose it is, ``kernel`` or ``gdb``.

    Where the host gives cores to a program of its own, as many CI machines do, gdb takes one of the same memory.
    """
    pattern = CORE_PATTERN.read_text().strip()
    allowed = resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
    kernels = allowed and not pattern.startswith("|") and "/" not in pattern
    instead = None if kernels else gcore(target.pid, folder)
    before = set(folder.iterdir())
    target.process.send_signal(signal.SIGABRT)
    assert target.process.wait(30) == -signal.SIGABRT
    if instead is not None:
        return instead, "gdb"
    name = re.compile("core.*" if "%" in pattern else re.escape(pattern) + r"(\.\d+)?")
    wait_for(lambda: any(name.fullmatch(path.name) for path in set(folder.iterdir()) - before))
    (path,) = (path for path in set(folder.iterdir()) - before if name.fullmatch(path.name))
    return path, "kernel"


@dataclass
class Segment:
    """A PT_LOAD; what is None follows from the others."""

    start: int
    data: bytes = b""
    flags: int = READ | WRITE
    memory: int | None = None
    offset: int | None = None
    file_bytes: int | None = None


@dataclass
class Core:
    """A small core; every field may lie."""

    segments: list[Segment] = field(default_factory=list)
    notes: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    machine: int = 62
    bits: int = 64
    little_endian: bool = True
    kind: int = 4
    entry_bytes: int = 56
    count: int | None = None
    sections: bool = True
    """Whether a number of segments that does not fit is told where it then belongs."""

    def build(self) -> bytes:
        rows = 1 + len(self.segments)
        packed = b"".join(note(*each) for each in self.notes)
        at = -(-(64 + 56 * rows + len(packed)) // PAGE) * PAGE
        table, bodies = [struct.pack("<IIQQQQQQ", 4, 0, 64 + 56 * rows, 0, 0, len(packed), 0, 4)], []
        for each in self.segments:
            body = each.data.ljust(-(-len(each.data) // PAGE) * PAGE, b"\0")
            offset = at if each.offset is None else each.offset
            file_bytes = len(body) if each.file_bytes is None else each.file_bytes
            memory = file_bytes if each.memory is None else each.memory
            table.append(struct.pack("<IIQQQQQQ", 1, each.flags, offset, each.start, 0, file_bytes, memory, PAGE))
            bodies.append(body)
            at += len(body)
        count = rows if self.count is None else self.count
        told, end = min(count, 0xFFFF), b""
        if count >= 0xFFFF and self.sections:
            end = struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, count, 0, 0)
        ident = b"\x7fELF" + bytes((2 if self.bits == 64 else 1, 1 if self.little_endian else 2, 1)) + bytes(9)
        head = ident + struct.pack(
            "<HHIQQQIHHHHHH", self.kind, self.machine, 1, 0, 64, at, 0, 64, self.entry_bytes, told, 64, 1, 0
        )
        start = (head + b"".join(table) + packed).ljust(-(-(64 + 56 * rows + len(packed)) // PAGE) * PAGE, b"\0")
        return start + b"".join(bodies) + end


def note(owner: bytes, kind: int, content: bytes, told: int | None = None) -> bytes:
    """A note as it lies in a file; ``told`` is the length that it says."""
    name = owner + b"\0"
    size = len(content) if told is None else told
    padded = [part.ljust(-(-len(part) // 4) * 4, b"\0") for part in (name, content)]
    return struct.pack("<III", len(name), size, kind) + b"".join(padded)


def file_note(rows: Sequence[tuple[int, int, int, bytes]], count: int | None = None, unit: int = PAGE) -> bytes:
    """NT_FILE: ``(start, end, offset in units, path)``."""
    table = b"".join(struct.pack("<QQQ", start, end, offset) for start, end, offset, _ in rows)
    paths = b"".join(path + b"\0" for *_, path in rows)
    return struct.pack("<QQ", len(rows) if count is None else count, unit) + table + paths


def thread_note(tid: int, stack_pointer: int) -> bytes:
    """NT_PRSTATUS."""
    registers = [0] * 27
    registers[19] = stack_pointer
    return bytes(32) + struct.pack("<I", tid) + bytes(76) + struct.pack("<27Q", *registers) + bytes(8)


def process_note(pid: int) -> bytes:
    """NT_PRPSINFO."""
    return bytes(24) + struct.pack("<I", pid) + bytes(108)


PROGRAM, HEAP, STACK = 0x400000, 0x1000000, 0x7FFF00000000
ELF_PAGE = (
    b"\x7fELF\x02\x01\x01"
    + bytes(9)
    + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, PROGRAM, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    + struct.pack("<IIQQQQQQ", 1, READ | EXECUTE, 0, PROGRAM, PROGRAM, 2 * PAGE, 2 * PAGE, PAGE)
)


def plain(program: bytes = b"/nowhere/prog") -> Core:
    """A core of some program that is no Python, with a heap, a stack, one thread; nothing in it lies."""
    heap = b"".join(bytes([number]) * PAGE for number in (1, 0, 2, 3))
    return Core(
        segments=[
            Segment(PROGRAM, ELF_PAGE, READ | EXECUTE, memory=2 * PAGE),
            Segment(HEAP, heap),
            Segment(STACK, b"s" * PAGE),
        ],
        notes=[
            (b"CORE", PRPSINFO, process_note(77)),
            (b"CORE", PRSTATUS, thread_note(77, STACK + 100)),
            (b"LINUX", 0x202, bytes(40)),
            (b"CORE", AUXV, struct.pack("<QQQQ", 3, PROGRAM + 64, 9, PROGRAM)),
            (b"CORE", FILE, file_note([(PROGRAM, PROGRAM + 2 * PAGE, 0, program)])),
        ],
    )


def may_dump(folder: Path) -> dict[str, Any]:
    """Options for ``running``: the target may leave a core, in ``folder``; its zone has a summer time."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    return {
        "cwd": folder,
        "preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
        "env": os.environ | {"TZ": ZONE},
    }
