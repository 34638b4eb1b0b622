"""What the kernel knows of a process beside its heap: memory, descriptors, sockets, limits.

Counts only: no address of a peer, no name of a file, no command line is kept. Every part may be missing,
since rights differ and the process may end meanwhile.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

from leakscope.target.proc import read_status

T = TypeVar("T")
CGROUPS = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 62
_ROLLUP = {"Pss": "pss_bytes", "Anonymous": "anonymous_bytes", "Swap": "swap_bytes"}
_FILES = {"memory": ("memory.limit_in_bytes", "memory.usage_in_bytes"), "": ("memory.max", "memory.current")}
"""Limit and use by the name of the controller: version 1 of control groups, version 2."""


def read_evidence(pid: int) -> tuple[dict[str, Any], dict[int, str]]:
    """``(facts, states)``: JSON values, None where unknown, and by descriptor its socket's state or else its kind.

    ``facts``: ``rss_bytes``, ``pss_bytes``, ``uss_bytes``, ``anonymous_bytes``, ``swap_bytes``; ``threads``;
    ``descriptors`` by kind (sockets, pipes, files, devices, kernel), ``descriptors_limit``; ``sockets`` by state;
    ``memory_limit_bytes`` and ``memory_used_bytes`` of the control group with the tightest limit. States are
    those of TCP (``CLOSE_WAIT``), else ``udp``, ``unix`` and ``other``: not connected, or of another family.
    """
    descriptors = _quietly(_descriptors, pid) or {}
    sockets = _quietly(_socket_states, pid, descriptors) or {}
    limit, used = _quietly(_control_group, pid) or (None, None)
    facts = {
        **_memory(pid),
        "threads": _quietly(_threads, pid),
        "descriptors": dict(sorted(Counter(descriptors.values()).items())) or None,
        "descriptors_limit": _quietly(_descriptors_limit, pid),
        "sockets": dict(sorted(Counter(sockets.values()).items())) if descriptors else None,
        "memory_limit_bytes": limit,
        "memory_used_bytes": used,
    }
    return facts, {**descriptors, **sockets}


def _quietly(ask: Callable[..., T], *arguments: object) -> T | None:
    try:
        return ask(*arguments)
    except (OSError, ValueError, LookupError, psutil.Error):
        return None


def _threads(pid: int) -> int:
    return int(read_status(pid)["Threads"])


def _memory(pid: int) -> dict[str, int | None]:
    """From ``smaps_rollup``; resident memory alone where that may not be read."""
    sizes = _quietly(_rolled_up, pid) or {}
    known = {field: sizes.get(name) for name, field in _ROLLUP.items()}
    own = sizes.get("Private_Clean", 0) + sizes.get("Private_Dirty", 0) if sizes else None
    return {"rss_bytes": sizes.get("Rss") or _quietly(_resident, pid), "uss_bytes": own, **known}


def _rolled_up(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    pairs = (line.partition(":") for line in lines)
    return {name: int(size.split()[0]) << 10 for name, _, size in pairs}


def _resident(pid: int) -> int:
    return int(read_status(pid)["VmRSS"].split()[0]) << 10


def _descriptors(pid: int) -> dict[int, str]:
    """The kind of each open descriptor."""
    kinds = {int(path.name): _quietly(_kind, path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return {number: kind for number, kind in kinds.items() if kind}


def _kind(descriptor: Path) -> str:
    link = str(descriptor.readlink())
    if link.startswith("/"):
        return "devices" if link.startswith("/dev/") else "files"
    return {"socket": "sockets", "pipe": "pipes"}.get(link.partition(":")[0], "kernel")


def _socket_states(pid: int, descriptors: dict[int, str]) -> dict[int, str]:
    states = {number: "other" for number, kind in descriptors.items() if kind == "sockets"}
    process = psutil.Process(pid)
    # ``connections`` until psutil 6.
    ask = getattr(process, "net_connections", None) or process.connections
    for found in ask(kind="all"):
        if found.fd in states:
            states[found.fd] = _state(found)
    return states


def _state(found: Any) -> str:
    if found.family == socket.AF_UNIX:
        return "unix"
    return str(found.status) if found.type == socket.SOCK_STREAM else "udp"


def _descriptors_limit(pid: int) -> int | None:
    """The soft limit; None for none."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            limit = line.split()[3]
            return None if limit == "unlimited" else int(limit)
    return None


def _control_group(pid: int) -> tuple[int, int] | None:
    return tightest_limit(Path(f"/proc/{pid}/cgroup").read_text())


def tightest_limit(told: str) -> tuple[int, int] | None:
    """``(limit, used)`` in bytes, of the groups in ``/proc/PID/cgroup`` and those above them; None without a limit."""
    limits = []
    for line in told.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in {*controllers.split(",")} & {*_FILES}:
            folder = (CGROUPS / controller / path.lstrip("/")).resolve()
            limits += [_quietly(_limit_and_use, group, *_FILES[controller]) for group in (folder, *folder.parents)]
    return min((found for found in limits if found and found[0] < _UNLIMITED), default=None)


def _limit_and_use(group: Path, limit: str, used: str) -> tuple[int, int]:
    return int((group / limit).read_text()), int((group / used).read_text())
