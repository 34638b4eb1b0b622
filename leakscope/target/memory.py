"""How much memory this leakscope may take."""

from __future__ import annotations

from pathlib import Path

_UNLIMITED = 1 << 62


def available_bytes() -> int:
    """What the host can give without swapping, and what the limit of leakscope's own cgroup leaves."""
    return min(_of_host(), _of_cgroup())


def _of_host() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return _UNLIMITED


def _of_cgroup() -> int:
    """Version 2 of cgroups: the tightest limit between leakscope's group and the root."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
        own = next(line[3:] for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        return _UNLIMITED
    folder = Path("/sys/fs/cgroup") / own.lstrip("/")
    return min((_left_in(group) for group in (folder, *folder.parents)), default=_UNLIMITED)


def _left_in(group: Path) -> int:
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        # The page cache of the group is given up before anybody is killed.
        stats = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        cache = sum(int(size) for name, size in stats if name in ("inactive_file", "active_file"))
    except (OSError, ValueError):
        return _UNLIMITED
    return _UNLIMITED if limit == "max" else max(0, int(limit) - used + cache)
