"""What the clocks of another process show: its monotonic clocks, and its local time's offset from UTC.

Times in a heap are numbers; without the clock that made them they say nothing. Nothing of the target's
environment is kept: of ``TZ`` only the offset that follows from it.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import time
from dataclasses import dataclass
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

_MOST_ZONE_BYTES = 1 << 16
_MOST_ENVIRONMENT_BYTES = 1 << 22
_MOST_LINKS = 40
_YEAR_S = (365 * 24 + 6) * 3600  # timemodule.c
_LOCAL_TIME = "/etc/localtime"
_ZONES = "/usr/share/zoneinfo"


@dataclass(frozen=True)
class Moment:
    """One moment on leakscope's own clocks, in seconds."""

    epoch: float
    monotonic: float
    boottime: float


def now() -> Moment:
    """This moment; three reads without a system call, so it may be asked while the target stands."""
    return Moment(time.time(), time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME))


@dataclass(frozen=True)
class TargetClocks:
    """What the target's clocks showed at one moment, in seconds; None where it cannot be known."""

    monotonic_at: float | None
    boottime_at: float | None
    utc_offset_s: float | None
    """Seconds east of UTC of its local time, as its environment said when it began."""
    seasons_s: tuple[float, float] | None = None
    """The same of January and of July, by which ``time.timezone`` is told from another zone's."""


def read_clocks(pid: int, moment: Moment) -> TargetClocks:
    """The clocks of process ``pid`` at ``moment``. Never raises: a process that is gone has None."""
    ours, theirs = _namespace_offsets("self"), _namespace_offsets(str(pid))
    now_s, january, july = _utc_offsets(pid, moment.epoch)
    seasons = None if january is None or july is None else (january, july)
    if ours is None or theirs is None:
        return TargetClocks(None, None, now_s, seasons)
    return TargetClocks(
        moment.monotonic + theirs["monotonic"] - ours["monotonic"],
        moment.boottime + theirs["boottime"] - ours["boottime"],
        now_s,
        seasons,
    )


def epoch_of_start(ticks: int) -> float:
    """Epoch seconds of a moment in clock ticks since boot, to a tick (0.01 s), as ``/proc/PID/stat`` has them.

    ``btime`` of ``/proc/stat`` is no help: it is cut to whole seconds.
    """
    moment = now()
    return moment.epoch - moment.boottime + ticks / os.sysconf("SC_CLK_TCK")


def _namespace_offsets(process: str) -> dict[str, float] | None:
    """What the process's time namespace adds to ``monotonic`` and ``boottime``; None if it cannot be known."""
    home = Path("/proc", process)
    nothing = {"monotonic": 0.0, "boottime": 0.0}
    try:
        # The file speaks of the namespace of children; who made one by unshare is not in it itself.
        if (home / "ns/time").readlink() != (home / "ns/time_for_children").readlink():
            return nothing if (home / "ns/time").samefile("/proc/1/ns/time") else None
        lines = (home / "timens_offsets").read_text().splitlines()
        return nothing | {name: int(s) + int(ns) / 1e9 for name, s, ns in (line.split() for line in lines)}
    except FileNotFoundError:
        # A kernel without time namespaces has one time for all; a process that is gone has none.
        return nothing if home.exists() and not Path("/proc/self/ns/time").exists() else None
    except (OSError, ValueError):
        return None


def offsets_in_zone(told: str, epoch: float) -> tuple[float | None, float | None, float | None]:
    """Seconds east of UTC where ``TZ`` is ``told``: at ``epoch``, in January and in July of that year.

    None where it names a file, which here may be another, or a zone that is not known here.
    """
    told = told.removeprefix(":")
    if told.startswith("/") or ".." in told:
        return None, None, None
    try:
        named = _zone_file(Path("/"), f"{_ZONES}/{told}") if told else timezone.utc
        zone = named or _zone_rule(told)
    except (OSError, ValueError):
        zone = None
    return _offsets(zone, epoch) if zone is not None else (None, None, None)


def _utc_offsets(pid: int, epoch: float) -> tuple[float | None, float | None, float | None]:
    """Seconds east of UTC as the C library of the process would say, by ``TZ`` or ``/etc/localtime``.

    At ``epoch``, in January and in July of that year, as CPython's ``time`` computes them.
    """
    try:
        told = _environment(pid, b"TZ")
        root = Path(f"/proc/{pid}/root")
        zone = _zone(root, told)
        root.stat()  # a file that was not there may have gone with the process
    except (OSError, ValueError):
        return None, None, None
    return _offsets(zone, epoch)


def _offsets(zone: tzinfo, epoch: float) -> tuple[float | None, float | None, float | None]:
    january = epoch // _YEAR_S * _YEAR_S
    return _offset(zone, epoch), _offset(zone, january), _offset(zone, january + _YEAR_S // 2)


def _offset(zone: tzinfo, epoch: float) -> float | None:
    offset = datetime.fromtimestamp(epoch, timezone.utc).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset is not None else None


def _environment(pid: int, name: bytes) -> str | None:
    """One variable as the process got it when it began; None if it has none."""
    with Path(f"/proc/{pid}/environ").open("rb") as file:
        entries = file.read(_MOST_ENVIRONMENT_BYTES).split(b"\0")
    found = (entry.partition(b"=")[2] for entry in entries if entry.startswith(name + b"="))
    value = next(found, None)
    return value.decode("utf-8", "surrogateescape") if value is not None else None


def _zone(root: Path, told: str | None) -> ZoneInfo | timezone:
    """tzset(3): ``TZ`` names a file or is a rule; unset means ``/etc/localtime``; what is neither means UTC."""
    if told is None:
        return _zone_file(root, _LOCAL_TIME) or timezone.utc
    told = told.removeprefix(":")
    path = told if told.startswith("/") else f"{_ZONES}/{told}"
    return (_zone_file(root, path) if told else None) or _zone_rule(told) or timezone.utc


def _zone_file(root: Path, path: str) -> ZoneInfo | None:
    """A zone's file as the process sees it; None if there is none."""
    try:
        descriptor = os.open(_inside(root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return _parsed(os.read(descriptor, _MOST_ZONE_BYTES)) if regular else None
    finally:
        os.close(descriptor)


def _inside(root: Path, path: str) -> str:
    """``path`` below ``root`` with its links followed as they are meant there; OSError where they run in a circle."""
    for _ in range(_MOST_LINKS):
        found = f"{root}{os.path.normpath('/' + path)}"
        if not os.path.islink(found):  # noqa: PTH114 - a link is to be read as text
            return found
        path = os.path.join(os.path.dirname(path), os.readlink(found))  # noqa: PTH115, PTH118, PTH120
    raise OSError("links run in a circle")


def _zone_rule(rule: str) -> ZoneInfo | None:
    """A POSIX rule such as ``CET-1CEST,M3.5.0,M10.5.0/3``, read by ``zoneinfo`` as the end of a zone's file."""
    if not rule.isascii() or not rule or "\n" in rule:
        return None
    head = struct.pack(">4sc15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, 1)
    return _parsed((head + struct.pack(">lbB1s", 0, 0, 0, b"\0")) * 2 + f"\n{rule}\n".encode())


def _parsed(data: bytes) -> ZoneInfo | None:
    """A zone of TZif ``data`` (RFC 9636); None if it is not any, as the C library has it."""
    try:
        return ZoneInfo.from_file(io.BytesIO(data))
    except (ValueError, LookupError, struct.error, OverflowError):
        return None
