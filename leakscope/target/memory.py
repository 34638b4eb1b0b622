"""How much memory there is for leakscope: what the host has, and what the limits of its cgroups leave."""

from __future__ import annotations

from pathlib import Path

_UNLIMITED = 1 << 62
_Files = tuple[str, str, tuple[str, str]]
"""Of one version of cgroups: the limit, what is used, and what of it is page cache."""
_V2: _Files = ("memory.max", "memory.current", ("inactive_file", "active_file"))
_V1: _Files = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file"))


def available_bytes() -> int:
    """What the host can give without swapping, and what the limits of leakscope's own cgroups leave."""
    return min(_of_host(), *cgroup_bytes(Path("/proc/self"), Path("/sys/fs/cgroup")))


def _of_host() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return _UNLIMITED


def cgroup_bytes(process: Path, mount: Path) -> tuple[int, int]:
    """What the cgroups of a process leave it, by versions 2 and 1: the tightest limit up to the root, each.

    ``process``: its folder in ``/proc``; ``mount``: where cgroups are mounted. In a container that does not hide the
    host's names a group may not be found; its limit then shows at the root of the mount.
    """
    try:
        text = (process / "cgroup").read_text()
    except OSError:
        return _UNLIMITED, _UNLIMITED
    lines = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    unified = [path for number, _, path in lines if number == "0"]
    memory = [path for _, controllers, path in lines if "memory" in controllers.split(",")]
    roots = [mount / "unified" if (mount / "unified").is_dir() else mount, mount / "memory"]
    return _tightest(roots[0], unified, _V2), _tightest(roots[1], memory, _V1)


def _tightest(root: Path, own: list[str], files: _Files) -> int:
    groups = {group for path in own for group in _upwards(root, path)}
    return min((_left_in(group, files) for group in groups), default=_UNLIMITED)


def _upwards(root: Path, path: str) -> list[Path]:
    """A group and all above it. ``path`` may lead out of the mount (``/..``) where namespaces differ."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[:count]) for count in range(len(parts) + 1)]


def _left_in(group: Path, files: _Files) -> int:
    limit_name, used_name, cache_names = files
    try:
        limit = (group / limit_name).read_text().strip()
        used = int((group / used_name).read_text())
        # The page cache of the group is given up before anybody is killed.
        stats = (line.split() for line in (group / "memory.stat").read_text().splitlines())
        cache = sum(int(size) for name, size in stats if name in cache_names)
        return _UNLIMITED if limit == "max" else max(0, int(limit) - used + cache)
    except (OSError, ValueError):
        return _UNLIMITED
