"""What the kernel says of a process, before and after: anything that an attach could leave behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

SETTLE_S = 5.0
"""For how long what the service itself does may look like harm."""
_MORE_PRIVATE = (1.10, 8 << 20)
"""Private memory may be more by this factor and so many bytes: a service under load breathes."""
_MORE_MAPPED_BYTES = 32 << 20
_MORE_MAPPINGS = 12


@dataclass(frozen=True)
class State:
    """What must not change, and what may breathe."""

    threads: frozenset[int]
    descriptors: dict[int, str]
    """What each leads to."""
    flags: dict[int, str]
    """Of each descriptor, as fdinfo shows them."""
    handlers: tuple[str, ...]
    """Masks of signals that are blocked, ignored, caught."""
    private_bytes: int
    mapped_bytes: int
    mappings: int


def read_state(pid: int) -> State:
    """As it is now. OSError if the process is gone."""
    process = Path(f"/proc/{pid}")
    status = _status(process)
    descriptors = {}
    flags: dict[int, str] = {}
    for each in (process / "fd").iterdir():
        try:
            descriptors[int(each.name)] = str(each.readlink())
            flags[int(each.name)] = (process / "fdinfo" / each.name).read_text().splitlines()[1]
        except FileNotFoundError:  # closed meanwhile
            continue
    rollup = dict(line.split(":", 1) for line in (process / "smaps_rollup").read_text().splitlines()[1:])
    private = sum(int(rollup[name].split()[0]) for name in ("Private_Clean", "Private_Dirty")) * 1024
    return State(
        threads=frozenset(int(each.name) for each in (process / "task").iterdir()),
        descriptors=descriptors,
        flags=flags,
        handlers=tuple(status[name] for name in ("SigBlk", "SigIgn", "SigCgt")),
        private_bytes=private,
        mapped_bytes=int(status["VmSize"].split()[0]) * 1024,
        mappings=len((process / "maps").read_text().splitlines()),
    )


def harm(pid: int, before: State, ours: Set[int], within_s: float = SETTLE_S) -> list[str]:
    """What an attach that has just ended left behind, in words; nothing, if all is as it was in time.

    ``ours`` are children of this process that are meant to be.
    """
    checks: list[Callable[[], list[str]]] = [
        lambda: _not_running(pid),
        lambda: _children(pid),
        lambda: _left_to_us(ours),
        lambda: _changed(before, read_state(pid)),
    ]
    return [found for each in checks for found in _settled(each, within_s)]


def outgrown(before: State, after: State) -> list[str]:
    """Memory that was not there before; compare states that are many attaches apart."""
    factor, slack = _MORE_PRIVATE
    found = []
    if after.private_bytes > before.private_bytes * factor + slack:
        found.append(f"private memory grew from {before.private_bytes >> 20} to {after.private_bytes >> 20} MiB")
    if after.mapped_bytes > before.mapped_bytes + _MORE_MAPPED_BYTES:
        found.append(f"mapped memory grew from {before.mapped_bytes >> 20} to {after.mapped_bytes >> 20} MiB")
    if after.mappings > before.mappings + _MORE_MAPPINGS:
        found.append(f"mappings grew from {before.mappings} to {after.mappings}")
    return found


def children(pid: int) -> frozenset[int]:
    """Of all its threads, zombies included."""
    found: set[int] = set()
    for each in Path(f"/proc/{pid}/task").iterdir():
        try:
            found.update(map(int, (each / "children").read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return frozenset(found)


def _settled(check: Callable[[], list[str]], within_s: float) -> list[str]:
    until = time.monotonic() + within_s
    try:
        while found := check():
            if time.monotonic() > until:
                return found
            time.sleep(0.01)
    except (FileNotFoundError, ProcessLookupError):
        return ["the process is gone"]
    return []


def _not_running(pid: int) -> list[str]:
    """Threads that stand or are traced, and a process that has a new state to tell its parent."""
    found = []
    for each in Path(f"/proc/{pid}/task").iterdir():
        try:
            status = _status(each)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status["State"][0] in "tTZX":
            found.append(f"thread {each.name} is {status['State']}")
        if status["TracerPid"] != "0":
            found.append(f"thread {each.name} is traced by {status['TracerPid']}")
    return found


def _children(pid: int) -> list[str]:
    return [f"it has a child {child}: {_comm(child)}" for child in children(pid)]


def _left_to_us(ours: Set[int]) -> list[str]:
    """Children of a service that were given to its parent, which we are, and what leakscope leaves running.

    What else has ended belongs to threads of ours that are about to reap it, or is what init would reap.
    """
    found = []
    for child in children(os.getpid()) - ours:
        try:
            state, _, group = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[:3]
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(group) in ours:
            found.append(f"a child of the service was left to its parent: {child}, {state}")
        elif b"leakscope" not in command and state != "Z":
            found.append(f"a process was left to us: {child}, {state}")
    return found


def _comm(pid: int) -> str:
    try:
        return _status(Path(f"/proc/{pid}"))["State"]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def _changed(before: State, after: State) -> list[str]:
    found = []
    if before.threads != after.threads:
        found.append(f"threads were {sorted(before.threads)} and are {sorted(after.threads)}")
    if before.descriptors != after.descriptors:
        found.append(f"descriptors changed: {sorted(before.descriptors.items() ^ after.descriptors.items())}")
    elif before.flags != after.flags:
        found.append(f"flags of descriptors changed: {sorted(before.flags.items() ^ after.flags.items())}")
    if before.handlers != after.handlers:
        found.append(f"signals blocked, ignored, caught were {before.handlers} and are {after.handlers}")
    return found


def _status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
