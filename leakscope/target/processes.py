"""Lists the processes whose runtime leakscope knows, and says of each whether it can be read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any, TypeVar

import psutil

from leakscope.errors import AttachError, NoRightsError
from leakscope.findings.model import ProcessRow
from leakscope.target import jvm, node
from leakscope.target.proc import gone, pid_inside, read_stat
from leakscope.target.runtimes import Cache, Identity, identify

T = TypeVar("T")
_PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?d?$")
_RUNTIME_NAMES = {"java": "jvm", "node": "node", "nodejs": "node"}
NO_RIGHTS = "no rights: try sudo"
_OTHERS = {"jvm": jvm.why_not, "node": node.why_not}
"""Runtimes that are not read from outside, but write dumps of themselves."""
_LONG_OPTION_WITH_VALUE = "--check-hash-based-pycs"


def list_processes() -> list[ProcessRow]:
    """All processes that run a program, by ascending PID; leakscope's own is left out.

    Processes that end meanwhile are left out as well; those that may not be read are listed
    with that as the reason, and their runtime as far as the name tells it.
    """
    cache: Cache = {}
    rows = (_row(pid, cache) for pid in sorted(psutil.pids()) if pid != os.getpid())
    return [row for row in rows if row is not None]


def family(pid: int) -> list[ProcessRow]:
    """A process and all that come of it, parents before their children; leakscope itself is left out.

    Those that end meanwhile are missing. Raises AttachError if ``pid`` itself is no process with a program.
    """
    cache: Cache = {}
    identify(pid, cache)
    try:
        members = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        raise gone(pid) from None
    rows = (_row(member.pid, cache) for member in members if member.pid != os.getpid())
    return [row for row in rows if row is not None]


def has_ended(pid: int) -> bool:
    """Whether the process is gone or a zombie."""
    try:
        return read_stat(pid).state in ("Z", "X")
    except OSError:
        return True


def _row(pid: int, cache: Cache) -> ProcessRow | None:
    try:
        process = psutil.Process(pid)
        try:
            identity = identify(pid, cache)
        except NoRightsError:
            name = process.name()
            return _describe(process, _runtime_by_name(name), None, NO_RIGHTS, name)
        except AttachError:
            return None  # a zombie, a thread of the kernel, or gone
        command = short_name(identity.executable, _quietly(process.cmdline) or [])
        return _describe(process, identity.runtime, identity.version, why_not(identity), command)
    except psutil.Error:
        return None


def why_not(identity: Identity) -> str | None:
    """Why its heap cannot be had, by whatever way there is."""
    ask = _OTHERS.get(identity.runtime)
    return identity.reason if ask is None else ask(identity)


def _describe(
    process: psutil.Process, runtime: str, version: str | None, reason: str | None, command: str
) -> ProcessRow:
    known = runtime != "unknown"
    connections = _quietly(_connections(process)) if known else None
    return ProcessRow(
        pid=process.pid,
        runtime=runtime,
        version=version,
        rss_bytes=process.memory_info().rss,
        threads=process.num_threads(),
        open_files=_quietly(process.num_fds) if known else None,
        connections=None if connections is None else len(connections),
        supported=reason is None,
        reason=reason,
        command=command,
        parent=process.ppid(),
        pid_inside=_quietly(lambda: pid_inside(process.pid)),
    )


def _connections(process: psutil.Process) -> Callable[[], Sequence[Any]]:
    """``net_connections`` was called ``connections`` before psutil 6."""
    ask: Callable[[], Sequence[Any]] = getattr(process, "net_connections", None) or process.connections
    return ask


def _quietly(ask: Callable[[], T]) -> T | None:
    with suppress(psutil.AccessDenied, OSError):
        return ask()
    return None


def _runtime_by_name(name: str) -> str:
    return "cpython" if name.startswith("python") else _RUNTIME_NAMES.get(name, "unknown")


def short_name(executable: str, arguments: list[str]) -> str:
    """The script's or module's name where Python runs one, else the executable's; never what follows it."""
    name = PurePath(executable).name
    if not _PYTHON.match(name) or not arguments or not _PYTHON.match(PurePath(arguments[0]).name):
        return name
    rest = iter(arguments[1:])
    for argument in rest:
        if argument == _LONG_OPTION_WITH_VALUE:
            next(rest, None)
        elif argument.startswith("-") and not argument.startswith("--"):
            # One dash may carry several letters, and the value of the last: -Im MODULE, -Wignore, -cCODE.
            letters = re.match(r"-[^cmWX]*([cmWX]?)(.*)", argument, re.DOTALL)
            option, value = letters.groups() if letters else ("", "")
            if option == "c" or argument == "-":
                return name
            if option:
                value = value or next(rest, name)
            if option == "m":
                return value
        elif not argument.startswith("-"):
            return PurePath(argument).name or name
    return name


def where_profiles_are(pid: int) -> str:
    """The next thing to try with a Go program: the addresses at which it listens, since one may offer profiles."""
    try:
        listening = [one.laddr for one in _connections(psutil.Process(pid))() if one.status == psutil.CONN_LISTEN]
    except (psutil.Error, OSError):
        listening = []
    hosts = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}
    places = sorted({f"{hosts.get(place.ip, place.ip)}:{place.port}" for place in listening}) or ["HOST:PORT"]
    return f"leakscope snapshot http://{places[0]}/debug/pprof/heap, if the program imports net/http/pprof" + (
        f"; it also listens at {', '.join(places[1:4])}" if places[1:] else ""
    )
