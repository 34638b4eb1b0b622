"""How one heap will be read within the memory that there is, and that the user allows."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from leakscope.errors import AttachError, UsageError
from leakscope.kernels import _columns
from leakscope.target.libc import map_large_blocks, trim_heap
from leakscope.target.memory import available_bytes

BASE_BYTES = 80 << 20
"""What leakscope takes without any heap."""
LEAST_BYTES = 256 << 20
"""The least that a user may allow, and that is kept below."""
SPILL_FROM_BYTES = 128 << 20
"""From this size on columns lie in files, unless there is no folder for them."""
_SHARE = {"fork": 0.6, "copy": 1.5, "none": 1.5}
"""What reading takes of the target's own memory, by the way it is read."""
_SHARE_IN_MEMORY = {"fork": 1.3, "copy": 2.2, "none": 2.2}
"""The same where columns have no folder to go to."""
_IN_MEMORY = ("tmpfs", "ramfs", "devtmpfs")


@dataclass(frozen=True)
class Budget:
    """What the user allows."""

    most_bytes: int | None = None
    """Of leakscope's own memory; more than that goes to files."""
    folder: Path | None = None
    """For these files."""


@dataclass(frozen=True)
class Plan:
    """How one heap will be read."""

    most_bytes: int
    """What leakscope keeps below as far as it can."""
    folder: Path | None
    """For files without names; None: nothing is spilled."""
    spills_copy: bool
    """Whether the copy of the target's memory goes to a file, too."""

    def begin(self) -> None:
        """Makes it so for this process, until the next plan."""
        map_large_blocks(_columns.LEAST_SPILLED_BYTES)
        _columns.STORE.keep_below(self.most_bytes, self.folder, trim_heap)


def plan(size: int, strategy: str, budget: Budget) -> Plan:
    """For a target with ``size`` bytes of its own memory that is read by ``strategy``: ``copy``, ``fork`` or ``none``.

    Raises AttachError rather than that the kernel kills somebody for memory, the target perhaps; UsageError where the
    budget cannot be kept.
    """
    folder = budget.folder
    if folder is None and budget.most_bytes is not None:
        folder = Path(tempfile.gettempdir())
    if folder:
        _require_room(folder, size if strategy == "fork" else 2 * size)
    elif size >= SPILL_FROM_BYTES:
        folder = _default_folder(size)
    share = int(size * (_SHARE if folder else _SHARE_IN_MEMORY)[strategy])
    usual = max(share, LEAST_BYTES)
    most = usual if budget.most_bytes is None else min(usual, _sensible(budget.most_bytes))
    _require_available(min(most, share + BASE_BYTES), size, strategy)
    return Plan(most, folder, strategy != "fork" and most < usual)


def _sensible(most_bytes: int) -> int:
    if most_bytes < LEAST_BYTES:
        raise UsageError(
            f"--max-memory {most_bytes >> 20}M is too little to work with", f"Give at least {LEAST_BYTES >> 20}M."
        )
    return most_bytes


def _require_available(needed: int, size: int, strategy: str) -> None:
    available = available_bytes()
    if needed <= available:
        return
    ways = []
    if strategy == "copy" and int(size * _SHARE["fork"]) + BASE_BYTES <= available:
        ways.append("Use --pause fork.")
    if available >= LEAST_BYTES and needed > LEAST_BYTES:
        ways.append(f"Use --max-memory {LEAST_BYTES >> 20}M, and the rest goes to files in --spill-dir.")
    raise AttachError(
        f"leakscope needs {needed >> 20} MiB for this process, and {available >> 20} MiB of memory are available",
        " ".join([*ways, "Free memory on this host, or raise the memory limit of the container leakscope runs in."]),
    )


def _require_room(folder: Path, needed: int) -> None:
    """UsageError unless ``folder`` can take files of so many bytes."""
    remedy = "Name a folder on a disk: --spill-dir FOLDER"
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{folder} is no folder that leakscope may write to", remedy)
    if _is_in_memory(folder):
        raise UsageError(f"{folder} is not on a disk: what lies there takes memory as well", remedy)
    free = _free_bytes(folder)
    if free < needed:
        raise UsageError(f"{folder} has {free >> 20} MiB free, and {needed >> 20} MiB may be needed", remedy)


def _default_folder(size: int) -> Path | None:
    """The folder for temporary files, if it is on a disk with plenty of room."""
    folder = Path(tempfile.gettempdir())
    return folder if not _is_in_memory(folder) and _free_bytes(folder) > 2 * size + (1 << 30) else None


def _free_bytes(folder: Path) -> int:
    try:
        facts = os.statvfs(folder)
    except OSError:
        return 0
    return facts.f_bavail * facts.f_frsize


def _is_in_memory(folder: Path) -> bool:
    """Whether its file system keeps files in memory; by the list of mounts."""
    device = folder.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return False
    kinds = {line.partition(" - ")[2].split(" ", 1)[0] for line in lines if line.split(" ", 3)[2] == number}
    return bool(kinds & set(_IN_MEMORY))
