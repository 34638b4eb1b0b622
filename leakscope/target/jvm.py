"""A running JVM writes its own heap dump when ``jcmd`` asks it: found, run as the right user, its errors explained.

The JVM collects its garbage and stands still while it writes; leakscope cannot make that shorter.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from leakscope.errors import AttachError, DumpError, NoRightsError, UnsupportedTargetError
from leakscope.target.dump_folder import Owner, dump_folder
from leakscope.target.proc import access, read_status
from leakscope.target.runtimes import Identity

LIMIT_S = 600.0
"""For the whole dump."""
_LIBRARY = "libjvm.so"
_FULL = r"No space left on device"
_JCMD_MISSING = (
    "apt-get install openjdk-17-jdk-headless, or name a JDK: JAVA_HOME=/path/to/jdk leakscope ...; "
    "or take the dump yourself where the JDK is: jcmd PID GC.heap_dump /tmp/heap.hprof"
)


@dataclass(frozen=True)
class _Trouble:
    pattern: str
    """In what jcmd or the JVM says."""
    kind: type[AttachError]
    message: str
    help: str


_TROUBLES = (
    _Trouble(
        _FULL,
        DumpError,
        "its disk is full: the dump was not finished",
        "Free some there, and try again.",
    ),
    _Trouble(
        r"Operation not permitted|is not secure|not owned by|Permission denied",
        NoRightsError,
        "it lets nobody but its own user in",
        "Run leakscope as the JVM's own user, or with sudo.",
    ),
    _Trouble(
        r"not responding|doesn't respond|Unable to open socket file|not loaded|DisableAttach|AttachNotSupported",
        DumpError,
        "it does not answer jcmd: it hangs, or was started with -XX:+DisableAttachMechanism",
        "Restart it without that option, and with -XX:+HeapDumpOnOutOfMemoryError; leakscope reads what that writes.",
    ),
    _Trouble(
        r"UnsupportedClassVersion|Non-numeric value|Unknown diagnostic command|Protocol mismatch|unsupported",
        DumpError,
        "jcmd is of another version than the JVM",
        "Name the JVM's own JDK: JAVA_HOME=/path/to/jdk leakscope ...",
    ),
)  # fmt: skip
"""What is known to go wrong, the first that fits counts."""


def require(identity: Identity) -> None:
    """NoRightsError, or UnsupportedTargetError where there is no jcmd, if no dump can be had; the JVM is not asked."""
    _jcmd_of(identity, _owner(identity.pid))


def why_not(identity: Identity) -> str | None:
    """The same in few words; None if it can be asked."""
    try:
        require(identity)
    except NoRightsError:
        return "it lets nobody but its own user in: try sudo"
    except UnsupportedTargetError:
        return "there is no jcmd, which comes with a JDK"
    except AttachError:
        return "it ended meanwhile"
    return None


@contextlib.contextmanager
def dumped(identity: Identity, needed: int) -> Iterator[Path]:
    """The dump (HPROF, live objects only) of the JVM, which may take ``needed`` bytes; gone when the block is left.

    Raises as ``require`` does, and DumpError.
    """
    pid = identity.pid
    owner = _owner(pid)
    jcmd = _jcmd_of(identity, owner)
    with dump_folder(pid, owner, needed) as folder:
        said = _run(jcmd, owner, folder.file, pid)
        try:
            with folder.taken() as path:
                if not path.stat().st_size or re.search(_FULL, said):
                    raise _explained(pid, said)
                yield path
        except FileNotFoundError:
            raise _explained(pid, said) from None


def _owner(pid: int) -> Owner:
    with access(pid):
        return Owner.of(read_status(pid))


def _jcmd_of(identity: Identity, owner: Owner) -> str:
    if os.geteuid() not in (0, owner.uid):
        raise NoRightsError(
            f"Process {identity.pid} is a JVM of another user, and lets nobody else in",
            "Run leakscope as the JVM's own user, or with sudo.",
        )
    jcmd = _find_jcmd(identity)
    if jcmd is None:
        raise UnsupportedTargetError(
            f"Process {identity.pid} is a JVM, which writes a dump if jcmd asks it, and there is no jcmd", _JCMD_MISSING
        )
    return jcmd


def _run(jcmd: str, owner: Owner, file: PurePosixPath, pid: int) -> str:
    """What jcmd says; its exit code says little: several JDKs give 0 for a dump that failed."""
    command = [jcmd, str(pid), "GC.heap_dump", str(file)]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
            **({} if os.geteuid() == owner.uid else _as(owner)),
        )
    except subprocess.TimeoutExpired:
        raise DumpError(
            f"JVM {pid} was not done with its dump after {LIMIT_S:g} s", "Look at what it does: jcmd PID Thread.print"
        ) from None
    except OSError as error:
        raise UnsupportedTargetError(f"{jcmd} cannot be run: {error.strerror}", _JCMD_MISSING) from error
    return f"{done.stdout}\n{done.stderr}"


def _as(owner: Owner) -> dict[str, Any]:
    return {"user": owner.uid, "group": owner.gid, "extra_groups": []}


def _explained(pid: int, said: str) -> AttachError:
    for trouble in _TROUBLES:
        if re.search(trouble.pattern, said):
            return trouble.kind(f"JVM {pid} wrote no dump: {trouble.message}", trouble.help)
    lines = [line.strip() for line in said.splitlines() if line.strip() and line.strip() != f"{pid}:"]
    return DumpError(
        f"JVM {pid} wrote no dump; jcmd says: {lines[0][:200] if lines else 'nothing'}",
        f"Try it by hand: jcmd {pid} GC.heap_dump /tmp/heap.hprof; leakscope reads the file.",
    )


def _find_jcmd(identity: Identity) -> str | None:
    """The one of the JVM's own JDK, which fits; in a container what is installed here, which reaches in.

    Nothing out of a container is run: whoever owns it would get leakscope's rights.
    """
    with contextlib.suppress(OSError):
        if Path(f"/proc/{identity.pid}/ns/mnt").samefile("/proc/self/ns/mnt"):
            own = next(_own(identity), None)
            if own is not None:
                return own
    return next(iter(_installed()), None)


def _own(identity: Identity) -> Iterator[str]:
    libraries = (Path(mapping.path) for mapping in identity.mappings if mapping.path.endswith(_LIBRARY))
    for folder in next(libraries, Path()).parents:
        tool = shutil.which("jcmd", path=str(folder / "bin"))
        if tool is not None:
            yield tool


def _installed() -> list[str]:
    home = os.environ.get("JAVA_HOME")
    places = [shutil.which("jcmd", path=f"{home}/bin") if home else None, shutil.which("jcmd")]
    return [place for place in places if place]
