"""What ``/proc/PID`` says in text, and the kernel's refusals turned into leakscope's errors."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leakscope.errors import AttachError, NoRightsError, TargetGoneError
from leakscope.target.clocks import epoch_of_start

_KERNEL_THREAD = 0x00200000  # PF_KTHREAD of linux/sched.h
_GONE = (errno.ENOENT, errno.ESRCH)
RIGHTS_HELP = (
    "Run leakscope as the process's own user, or with sudo (CAP_SYS_PTRACE); "
    "`leakscope doctor PID` says what is in the way."
)


@dataclass(frozen=True)
class Stat:
    """The fields of ``/proc/PID/stat`` that leakscope needs."""

    name: str
    state: str
    """``R``, ``S``, ``D`` (cannot be interrupted), ``T`` (stopped), ``t`` (traced), ``Z`` (zombie) ..."""
    parent: int
    kernel_thread: bool
    threads: int
    started: int
    """Clock ticks since boot: with the PID it names a process for good."""


@contextmanager
def access(pid: int) -> Iterator[None]:
    """Turns OSErrors about process ``pid`` into TargetGoneError or NoRightsError."""
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise gone(pid) from error
        if error.errno in (errno.EPERM, errno.EACCES):
            raise NoRightsError(f"No rights to read process {pid}: {error.strerror}", RIGHTS_HELP) from error
        raise AttachError(f"Cannot read process {pid}: {error.strerror}") from error


def gone(pid: int) -> TargetGoneError:
    """The error for a process that does not exist (any more)."""
    return TargetGoneError(f"There is no process {pid}", "`leakscope ps` lists the processes that are there.")


def read_stat(pid: int, tid: int | None = None) -> Stat:
    """Raises OSError where the process or thread is gone."""
    path = f"/proc/{pid}/stat" if tid is None else f"/proc/{pid}/task/{tid}/stat"
    text = Path(path).read_text(errors="replace")
    # The name may hold blanks and brackets; what follows its last bracket may not.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Stat(
        name=head.partition("(")[2],
        state=fields[0],
        parent=int(fields[1]),
        kernel_thread=bool(int(fields[6]) & _KERNEL_THREAD),
        threads=int(fields[17]),
        started=int(fields[19]),
    )


def read_status(pid: int, tid: int | None = None) -> dict[str, str]:
    """``/proc/PID/status``, or that of a thread, as a dict; raises OSError where it is gone."""
    path = f"/proc/{pid}/status" if tid is None else f"/proc/{pid}/task/{tid}/status"
    lines = Path(path).read_text(errors="replace").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key: value.strip() for key, _, value in pairs}


def pid_inside(pid: int, tid: int | None = None) -> int | None:
    """The PID that a process has for itself, or of its thread ``tid`` that id; None if it is the same.

    In a container of its own it is another: the last of ``NSpid``, which counts from leakscope's namespace inwards.
    Raises OSError if the process is gone.
    """
    number = pid if tid is None else tid
    inside = int(read_status(pid, tid).get("NSpid", str(number)).split()[-1])
    return None if inside == number else inside


def threads(pid: int) -> list[int]:
    """Thread ids in the order in which they began; raises OSError where the process is gone."""
    return [int(tid) for tid in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208 (runs while the target stands)


@contextmanager
def hurried() -> Iterator[None]:
    """Gives the calling thread, and the threads it starts, real-time priority if rights allow.

    On a busy host a copying thread that is put off lets the target stand several times as long. The
    price: nothing else runs on two processors while memory is copied.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def started_at(stat: Stat) -> float:
    """Epoch seconds at which the process began, to 0.01 s."""
    return epoch_of_start(stat.started)
