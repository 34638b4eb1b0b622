"""``check``: everything that can keep leakscope from attaching, each with what to do about it.

Looks only; nothing is stopped, and no memory is read.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path

from leakscope.errors import AttachError
from leakscope.findings.model import Check
from leakscope.target.memory import available_bytes
from leakscope.target.proc import pid_inside, read_stat, read_status
from leakscope.target.processes import why_not
from leakscope.target.runtimes import identify

_CAP_SYS_PTRACE = 1 << 19
_PTRACE_SCOPE = Path("/proc/sys/kernel/yama/ptrace_scope")
_SCOPES = {
    0: ("ok", "processes of the same user may be attached to", None),
    1: ("warning", "only one's own children may be attached to", "sudo sysctl kernel.yama.ptrace_scope=0"),
    2: ("warning", "only processes with CAP_SYS_PTRACE may attach", "Run leakscope with sudo."),
    3: (
        "failed",
        "nobody may attach until the next boot",
        "Set kernel.yama.ptrace_scope at boot, and reboot.",
    ),
}
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")


def check(pid: int | None) -> list[Check]:
    """Checks of this host, and of process ``pid`` if one is given; raises nothing about the process."""
    may_ptrace = _may_ptrace()
    checks = [_platform(), _ptrace_scope(may_ptrace), _capability(may_ptrace), _container(), _seccomp()]
    if pid is None:
        return [*checks, Check("memory", "ok", f"{_mib(available_bytes())} MiB available for a copy")]
    return [*checks, *_process_checks(pid)]


def _platform() -> Check:
    system, machine = platform.system(), platform.machine()
    if (system, machine) == ("Linux", "x86_64"):
        return Check("platform", "ok", f"Linux {platform.release()} on {machine}")
    return Check("platform", "failed", f"{system} on {machine}", "leakscope attaches on Linux x86-64 only.")


def _may_ptrace() -> bool:
    return bool(int(read_status(os.getpid()).get("CapEff", "0"), 16) & _CAP_SYS_PTRACE)


def _ptrace_scope(may_ptrace: bool) -> Check:
    try:
        scope = int(_PTRACE_SCOPE.read_text())
    except (OSError, ValueError):
        return Check("ptrace_scope", "ok", "the kernel sets no limit (no Yama)")
    status, meaning, remedy = _SCOPES.get(scope, ("warning", "unknown value", None))
    if scope in (1, 2) and may_ptrace:
        status, remedy = "ok", None
    return Check("ptrace_scope", status, f"{scope}: {meaning}", remedy)


def _capability(may_ptrace: bool) -> Check:
    if may_ptrace:
        return Check("CAP_SYS_PTRACE", "ok", "present: processes of every user may be attached to")
    return Check(
        "CAP_SYS_PTRACE",
        "warning",
        "absent: only processes of your own user may be attached to",
        "Run leakscope with sudo; in a container add the capability SYS_PTRACE.",
    )


def _container() -> Check:
    if any(Path(mark).exists() for mark in _CONTAINER_MARKS):
        return Check(
            "container",
            "warning",
            "leakscope runs in a container and sees the processes in it",
            "For others run it on the host, or share the PID namespace (docker --pid, kubectl debug).",
        )
    return Check("container", "ok", "leakscope runs outside of containers")


def _seccomp() -> Check:
    if read_status(os.getpid()).get("Seccomp", "0") == "0":
        return Check("seccomp", "ok", "no system call filter")
    return Check(
        "seccomp",
        "warning",
        "a system call filter is active and may forbid ptrace or process_vm_readv",
        "If attaching is refused: docker --security-opt seccomp=unconfined, or a profile that allows both.",
    )


def _process_checks(pid: int) -> Iterator[Check]:
    try:
        identity = identify(pid)
        status = read_status(pid)
    except AttachError as error:
        yield Check("process", "failed", error.message, error.help or None)
        return
    except OSError:
        yield Check("process", "failed", f"process {pid} has ended meanwhile", "leakscope ps")
        return
    what = " ".join(filter(None, (identity.runtime, identity.version)))
    reason = why_not(identity)
    if reason is None:
        way = "supported" if identity.runtime == "cpython" else "it writes a dump itself when leakscope asks it"
        yield Check("process", "ok", f"{what}: {way}")
    else:
        yield Check("process", "failed", f"{what}: {reason}", "leakscope ps shows what can be attached to.")
    yield _own_process(pid)
    yield _tracer(status)
    yield _state(status)
    yield from _namespaces(pid)
    yield _memory(status)


def _own_process(pid: int) -> Check:
    if pid == os.getpid():
        return Check("attach", "failed", "this is leakscope itself", "Name another process.")
    try:
        Path(f"/proc/{pid}/pagemap").open("rb").close()
    except OSError as error:
        return Check("attach", "failed", f"its memory may not be read: {error.strerror}", "Run leakscope with sudo.")
    return Check("attach", "ok", "its memory may be read")


def _tracer(status: dict[str, str]) -> Check:
    tracer = int(status.get("TracerPid", "0"))
    if tracer == 0:
        return Check("tracer", "ok", "no debugger holds it")
    try:
        name = read_stat(tracer).name
    except OSError:
        name = "unknown"
    return Check("tracer", "failed", f"process {tracer} ({name}) traces it", "End that debugger, or use --pause none.")


def _state(status: dict[str, str]) -> Check:
    state = status.get("State", "?")
    if state.startswith("D"):
        return Check("state", "warning", f"{state}: it waits in the kernel and may not stop", "Try again later.")
    return Check("state", "ok", state)


def _namespaces(pid: int) -> Iterator[Check]:
    for name, consequence in (
        ("pid", _own_pid(pid)),
        ("mnt", "its files are read through /proc"),
        ("user", "root in it is another user here"),
    ):
        try:
            same = os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115
        except OSError:
            yield Check(f"{name} namespace", "warning", "cannot be read", "Run leakscope with sudo.")
            continue
        detail = "the same as leakscope's" if same else f"another than leakscope's: {consequence}"
        yield Check(f"{name} namespace", "ok", detail)


def _own_pid(pid: int) -> str:
    try:
        return f"it knows itself as PID {pid_inside(pid) or pid}"
    except OSError:
        return "it knows itself by another PID"


def _memory(status: dict[str, str]) -> Check:
    needed = int(status.get("VmRSS", "0 kB").split()[0]) << 10
    available = available_bytes()
    detail = f"{_mib(available)} MiB available, the process holds {_mib(needed)} MiB"
    if needed < available // 3:
        return Check("memory", "ok", detail)
    status_, need = ("warning", "An analysis takes up to three times as much: --pause copy may still work.")
    if needed > available:
        status_, need = ("failed", "Free memory, or run leakscope on a larger host.")
    return Check("memory", status_, detail, need)


def _mib(size: int) -> int:
    return size >> 20
