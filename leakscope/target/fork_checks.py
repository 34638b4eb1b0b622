"""What speaks against forking a process, found before anything is done to it: the reason in words, or None."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from leakscope.target.proc import access, read_status

_CAP_SYS_ADMIN = 1 << 21
_FREE_OF_LIMITS = _CAP_SYS_ADMIN | 1 << 24  # or CAP_SYS_RESOURCE: copy_process() asks for either
_NO_OVERCOMMIT = "2"
_PER_PAGE_TABLE = 512
_GROUPS = Path("/sys/fs/cgroup")


def obstacle(pid: int, size: int) -> str | None:
    """Why process ``pid``, with ``size`` bytes of own memory, must not be forked. AttachError if it is gone."""
    with access(pid):
        status = read_status(pid)
        checks: tuple[Callable[[], str | None], ...] = (
            lambda: None if platform.machine() == "x86_64" else f"not on {platform.machine()}",
            lambda: _state(status),
            lambda: _namespace(pid),
            lambda: _processes_of_user(pid, status),
            lambda: _processes_of_group(pid),
            lambda: _memory(pid, size),
            lambda: _commitment(status),
        )
        return next((reason for check in checks if (reason := check())), None)


def _state(status: dict[str, str]) -> str | None:
    if status["State"][:1] in "Tt":
        return "it is stopped"
    if status.get("Seccomp", "0") != "0" and not _may_read_filters():
        return "its system calls are filtered (seccomp), and only a leakscope with CAP_SYS_ADMIN can read the filter"
    if "shstk" in status.get("x86_Thread_features", ""):
        return "it has a shadow stack"
    return None


def _may_read_filters() -> bool:
    own = read_status(os.getpid())
    return own.get("Seccomp", "0") == "0" and bool(int(own["CapEff"], 16) & _CAP_SYS_ADMIN)


def _namespace(pid: int) -> str | None:
    try:
        spaces = Path(f"/proc/{pid}/ns")
        same = (spaces / "pid").readlink() == (spaces / "pid_for_children").readlink()
    except FileNotFoundError:
        same = False  # a namespace in which nobody has been born yet
    return None if same else "its children are born into another PID namespace"


def _processes_of_user(pid: int, status: dict[str, str]) -> str | None:
    user = status["Uid"].split()[0]
    if user == "0" or int(status.get("CapEff", "0"), 16) & _FREE_OF_LIMITS:
        return None
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    soft = next(line.split()[2] for line in limits if line.startswith("Max processes"))
    if soft != "unlimited" and _tasks_of(user) >= int(soft):
        return f"its user is at the limit of {soft} processes (RLIMIT_NPROC)"
    return None


def _tasks_of(user: str) -> int:
    count = 0
    for entry in os.listdir("/proc"):  # noqa: PTH208 (hundreds of paths for nothing)
        if entry.isdigit():
            with suppress(OSError, KeyError):
                status = read_status(int(entry))
                count += int(status["Threads"]) if status["Uid"].split()[0] == user else 0
    return count


def _processes_of_group(pid: int) -> str | None:
    for group in _groups(pid, "pids"):
        most, now = _number(group / "pids.max"), _number(group / "pids.current")
        if most is not None and now is not None and now >= most:
            return f"its cgroup is at the limit of {most} processes"
    return None


def _memory(pid: int, size: int) -> str | None:
    """While the child lives, each page that the target writes exists twice: room for that must be there."""
    size += size // _PER_PAGE_TABLE
    available = _meminfo("MemAvailable")
    for group in _groups(pid, "memory"):
        used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes")
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):  # above high the service is slowed down
            limit = _number(group / name)
            if limit is not None and used is not None:
                available = min(available, max(0, limit - used + _file_cache(group)))
    if available >= size:
        return None
    return f"it might need {size >> 20} MiB more for a while, and {available >> 20} MiB are available to it"


def _commitment(status: dict[str, str]) -> str | None:
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() != _NO_OVERCOMMIT:
        return None
    needed = sum(int(status.get(name, "0 kB").split()[0]) << 10 for name in ("VmData", "VmStk"))
    left = _meminfo("CommitLimit") - _meminfo("Committed_AS")
    if left >= needed:
        return None
    return f"the host promises no more memory than it has (vm.overcommit_memory 2), and {needed >> 20} MiB are too much"


def _groups(pid: int, controller: str) -> Iterator[Path]:
    """The cgroups, of version 1 or 2, that limit a process: its own and those above."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, own = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        root = _GROUPS / names if names else _GROUPS
        folder = root / own.lstrip("/")
        # In a container the path is the host's; then its own group is where the host has mounted it.
        yield from (each for each in (folder, *folder.parents) if each == root or root in each.parents)


def _number(path: Path) -> int | None:
    """None where the file is missing or says ``max``."""
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _file_cache(group: Path) -> int:
    """What the kernel gives up before it kills anybody."""
    with suppress(OSError, ValueError):
        stats = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return int(stats.get("inactive_file", 0)) + int(stats.get("active_file", 0))
    return 0


def _meminfo(name: str) -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name + ":")), 1 << 62)
