"""A running Node writes a heap snapshot when it is told to, if it was started so that it can be; nothing else is tried.

``--heapsnapshot-signal=SIGUSR2`` says which signal does it. The process must also catch that signal: to others it is
deadly.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from leakscope.errors import DumpError, UnsupportedTargetError
from leakscope.target.dump_folder import free_bytes, no_room, readable
from leakscope.target.proc import access, gone, pid_inside, read_stat, read_status
from leakscope.target.runtimes import Identity

LIMIT_S = 600.0
_POLL_S = 0.05
_OPTION = re.compile(r"--(heapsnapshot-signal|diagnostic-dir)(?:=(.*))?", re.DOTALL)
_WITH_VALUE = frozenset({"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"})
_NO_SIGNAL_HELP = (
    "Start it with --heapsnapshot-signal=SIGUSR2 (NODE_OPTIONS takes that, too); or start it with --inspect and name "
    "its inspector: leakscope snapshot http://127.0.0.1:9229"
)


@dataclass(frozen=True)
class Offer:
    """What a Node was started with."""

    signal: signal.Signals
    folder: str | None
    """``--diagnostic-dir``; None: its working directory."""


def require(identity: Identity) -> Offer:
    """UnsupportedTargetError if the Node was not started so that it takes snapshots; it is not asked."""
    offer = offer_of(identity.pid)
    if offer is None:
        raise UnsupportedTargetError(
            f"Process {identity.pid} is a Node that was not started so that it writes heap snapshots", _NO_SIGNAL_HELP
        )
    return offer


def why_not(identity: Identity) -> str | None:
    """The same in few words; None if it can be asked."""
    return None if offer_of(identity.pid) else "it was started without --heapsnapshot-signal"


def offer_of(pid: int) -> Offer | None:
    """None if the process was not started so, or does not catch the signal, or may not be asked."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
        caught = int(read_status(pid)["SigCgt"], 16)
    except (OSError, ValueError, LookupError):
        return None
    inherited = next((line.partition("=")[2] for line in environment if line.startswith("NODE_OPTIONS=")), "")
    options = {**_options(inherited.split()), **_options(_before_script(words[1:]))}
    number = getattr(signal.Signals, options.get("heapsnapshot-signal", ""), None)
    if number is None or not caught >> (number - 1) & 1:
        return None
    return Offer(number, options.get("diagnostic-dir"))


@contextlib.contextmanager
def dumped(identity: Identity, needed: int) -> Iterator[Path]:
    """The heap snapshot of a Node, which may take ``needed`` bytes; gone from its folder at once.

    UnsupportedTargetError where it takes none, AttachError where it does not come.
    """
    pid = identity.pid
    offer = require(identity)
    with access(pid), _folder(pid, offer) as folder:
        if free_bytes(folder) < needed:
            raise no_room(pid, needed, {offer.folder or "its working directory": free_bytes(folder)})
        descriptor = _taken(identity, offer, folder)
    try:
        yield readable(descriptor)
    finally:
        os.close(descriptor)


def _taken(identity: Identity, offer: Offer, folder: int) -> int:
    """An open file that has no name any more."""
    pid = identity.pid
    pattern = re.compile(rf"Heap\.\d+\.\d+\.{pid_inside(pid) or pid}\.\d+\.\d+\.heapsnapshot")
    before = set(os.listdir(folder))
    if read_stat(pid).started != identity.stat.started:
        raise gone(pid)
    os.kill(pid, offer.signal)

    def found() -> str | None:
        return next((name for name in os.listdir(folder) if name not in before and pattern.fullmatch(name)), None)

    name = _waited(identity, found)
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.unlink(name, dir_fd=folder)
        wanted = os.fstat(descriptor)
        _waited(identity, lambda: None if _has_open(pid, wanted) else name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _waited(identity: Identity, ask: Callable[[], str | None]) -> str:
    """What ``ask`` says once it says something. AttachError if the process ends or takes too long."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        answer = ask()
        if answer is not None:
            return answer
        if read_stat(identity.pid).state in ("Z", "X"):
            raise gone(identity.pid)
        time.sleep(_POLL_S)
    raise DumpError(
        f"Node {identity.pid} wrote no heap snapshot within {LIMIT_S:g} s of its signal",
        "Its event loop may be blocked: it writes between two events.",
    )


def _has_open(pid: int, wanted: os.stat_result) -> bool:
    """Whether the process still writes that file."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.path.samestat(entry.stat(), wanted):
                return True
    return False


@contextlib.contextmanager
def _folder(pid: int, offer: Offer) -> Iterator[int]:
    """The folder into which it writes, open."""
    start = f"/proc/{pid}/root" if offer.folder and offer.folder.startswith("/") else f"/proc/{pid}/cwd"
    descriptor = os.open(f"{start}/{offer.folder or ''}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _before_script(words: list[str]) -> list[str]:
    """Node's own options: what follows the script is the program's."""
    own: list[str] = []
    for word in words:
        takes_value = bool(own) and (own[-1] in _WITH_VALUE or _waits_for_value(own[-1]))
        if not word.startswith("-") and not takes_value:
            break
        own.append(word)
    return own


def _waits_for_value(word: str) -> bool:
    option = _OPTION.fullmatch(word)
    return option is not None and option[2] is None


def _options(words: list[str]) -> dict[str, str]:
    """Of those options that matter here the last value of each."""
    found: dict[str, str] = {}
    for word, following in zip(words, [*words, ""][1:], strict=True):
        option = _OPTION.fullmatch(word)
        if option:
            found[option[1]] = following if option[2] is None else option[2]
    return found
