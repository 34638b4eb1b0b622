"""Which language runtime a process runs, its version, and whether leakscope can read it."""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from leakscope.errors import AttachError, UnsupportedTargetError
from leakscope.target import elf
from leakscope.target.maps import Mapping, read_maps
from leakscope.target.modules import loaded_files, open_mapped
from leakscope.target.proc import Stat, access, read_stat, read_status

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
WANTED_SYMBOLS = ("PyType_Type", "_PyRuntime", "Py_Version", "_Py_NoneStruct")
SUPPORTED_HELP = (
    "leakscope reads release builds of CPython 3.10 to 3.13 on Linux x86-64, with glibc or musl; "
    "`leakscope ps` shows which processes those are."
)
_FREE_THREADED_SYMBOL = "_Py_MergeZeroLocalRefcount"
_DEBUG_SYMBOL = "_Py_NegativeRefcount"
_MARKS = (_FREE_THREADED_SYMBOL, _DEBUG_SYMBOL)
_PYTHON_NAME = re.compile(r"(?:lib)?python(\d+\.\d+)?")
_NODE_URL = re.compile(rb"/node-v(\d+\.\d+\.\d+)[./-]")
_JAVA_VERSION = re.compile(r'^JAVA_VERSION="([^"]+)"', re.MULTILINE)
_GO_INLINE_STRINGS = 2


@dataclass(frozen=True)
class FileFacts:
    """What an executable or library says about the runtime in it."""

    bits: int
    machine: int
    symbols: dict[str, int]
    """Virtual addresses of wanted symbols and build marks."""
    version: str | None = None
    """Of CPython."""


@dataclass(frozen=True)
class Python:
    """The CPython in a process's files."""

    version: str | None
    reason: str | None
    """Why leakscope cannot read it; None if it can."""
    symbols: dict[str, dict[str, int]]
    """Virtual addresses of Python's symbols by the path of the file that defines them."""


@dataclass(frozen=True)
class Identity:
    """A process, its runtime, and why leakscope cannot read it (None if it can)."""

    pid: int
    stat: Stat
    runtime: str
    """``cpython``, ``jvm``, ``node``, ``go`` or ``unknown``."""
    version: str | None
    executable: str
    mappings: list[Mapping]
    reason: str | None
    symbols: dict[str, dict[str, int]] = field(default_factory=dict)
    """Virtual addresses of Python's symbols by the path of the file that defines them."""


Cache = dict[tuple[str, int], FileFacts | None]
"""By device and inode: many processes share one executable."""


def identify(pid: int, cache: Cache | None = None) -> Identity:
    """Looks at maps and files of a process, not at its memory.

    Raises AttachError for what is no process with a program (zombie, kernel thread, a thread's id),
    TargetGoneError and NoRightsError.
    """
    cache = {} if cache is None else cache
    with access(pid):
        stat = read_stat(pid)
        _refuse_what_has_no_program(pid, stat)
        executable = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")  # noqa: PTH115 (bytes as they are)
        mappings = read_maps(pid)
    if not mappings:
        raise AttachError(f"Process {pid} has no memory of its own: it has ended or is about to")
    python = find_python(executable, mappings, partial(open_mapped, pid), cache)
    if python is not None:
        return Identity(pid, stat, "cpython", python.version, executable, mappings, python.reason, python.symbols)
    runtime, version, reason = _other_runtime(pid, executable, mappings)
    return Identity(pid, stat, runtime, version, executable, mappings, reason)


def require_supported(identity: Identity) -> str:
    """The CPython version; raises UnsupportedTargetError where leakscope has not been verified."""
    if identity.reason is not None or identity.version is None:
        name = PurePosixPath(identity.executable).name
        raise UnsupportedTargetError(
            f"Process {identity.pid} ({name}) is not supported: {identity.reason}", SUPPORTED_HELP
        )
    return identity.version


def _refuse_what_has_no_program(pid: int, stat: Stat) -> None:
    if stat.kernel_thread:
        raise AttachError(f"Process {pid} ({stat.name}) is a thread of the kernel, not a program")
    owner = int(read_status(pid).get("Tgid", pid))
    if owner != pid:
        raise AttachError(f"{pid} is a thread of process {owner}", f"Use the process: {owner}.")
    if stat.state == "Z" and stat.threads > 1:
        raise AttachError(f"The main thread of process {pid} ({stat.name}) has ended, other threads run on")
    if stat.state in ("Z", "X"):
        raise AttachError(
            f"Process {pid} ({stat.name}) is a zombie: it has ended, its parent {stat.parent} has not looked",
            "There is no memory left to read.",
        )


def find_python(
    executable: str, mappings: Sequence[Mapping], open_file: Callable[[Mapping], BinaryIO], cache: Cache
) -> Python | None:
    """The CPython that files define, the executable first; None if there is none.

    ``open_file`` opens the file behind a mapping, or raises OSError.
    """
    found = _python_files(executable, mappings, open_file, cache)
    if not found:
        return None
    symbols = {path: _only(facts.symbols, WANTED_SYMBOLS) for path, facts in found.items()}
    return Python(_version(found), _why_unsupported(found), symbols)


def _python_files(
    executable: str, mappings: Sequence[Mapping], open_file: Callable[[Mapping], BinaryIO], cache: Cache
) -> dict[str, FileFacts]:
    found = {}
    for first in _python_candidates(executable, mappings):
        key = (first.device, first.inode)
        if key not in cache:
            cache[key] = _examine(first, open_file)
        facts = cache[key]
        if facts is not None and (facts.symbols or (facts.bits == 32 and _series(first.path))):
            found[first.path] = facts
    return found


def _python_candidates(executable: str, mappings: Sequence[Mapping]) -> Iterator[Mapping]:
    libraries = []
    for group in loaded_files(mappings):
        first = group[0]
        if first.path == executable:
            yield first
        elif PurePosixPath(first.path).name.startswith("libpython"):
            libraries.append(first)
    yield from libraries


def _examine(first: Mapping, open_file: Callable[[Mapping], BinaryIO]) -> FileFacts | None:
    try:
        with open_file(first) as file:
            headers = elf.parse_headers(file.read(elf.HEADER_BYTES))
            if headers is None:
                return None
            symbols = elf.find_symbols(file, (*WANTED_SYMBOLS, *_MARKS)) if headers.bits == 64 else {}
            version = _cpython_version(file, headers, symbols, first.path) if symbols else None
            return FileFacts(headers.bits, headers.machine, symbols, version)
    except OSError:
        return None


def _cpython_version(file: BinaryIO, headers: elf.Headers, symbols: dict[str, int], path: str) -> str | None:
    if "Py_Version" in symbols:
        word = elf.read_at(file, headers, symbols["Py_Version"], 8)
        return elf.version_text(int.from_bytes(word, "little")) if word else None
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as constants:
        series = _series(path)
        if series is None:
            named = re.search(rb"python(\d\.\d+)\0", constants)
            series = named.group(1).decode() if named else None
        return (elf.version_in_constants(constants, series) or series) if series else None


def _series(path: str) -> str | None:
    named = _PYTHON_NAME.match(PurePosixPath(path).name)
    return named.group(1) if named else None


def _version(python: dict[str, FileFacts]) -> str | None:
    return next((facts.version for facts in python.values() if facts.version), None)


def _why_unsupported(python: dict[str, FileFacts]) -> str | None:
    symbols = {name for facts in python.values() for name in facts.symbols}
    version = _version(python)
    for facts in python.values():
        if facts.bits != 64 or facts.machine != elf.MACHINE_X86_64:
            machine = elf.MACHINES.get(facts.machine, f"machine {facts.machine}")
            return f"it is a {facts.bits}-bit program for {machine}, and leakscope has been verified on x86-64 only"
    if version is None:
        return "the version of its CPython cannot be found"
    series = ".".join(version.split(".")[:2])
    if series not in SUPPORTED:
        age = "older" if _number(series) < _number(SUPPORTED[0]) else "newer"
        return f"CPython {version} is {age} than what leakscope reads ({SUPPORTED[0]} to {SUPPORTED[-1]})"
    if not version.replace(".", "").isdigit():
        return f"CPython {version} is a pre-release"
    if _FREE_THREADED_SYMBOL in symbols:
        return f"CPython {version} is a free-threaded build"
    if _DEBUG_SYMBOL in symbols:
        return f"CPython {version} is a debug build"
    if not {"PyType_Type", "_PyRuntime"} <= symbols:
        return f"CPython {version} has been stripped of the symbols PyType_Type and _PyRuntime"
    return None


def _number(series: str) -> tuple[int, ...]:
    return tuple(int(part) for part in series.split("."))


def _only(symbols: dict[str, int], names: Sequence[str]) -> dict[str, int]:
    return {name: symbols[name] for name in names if name in symbols}


def _other_runtime(pid: int, executable: str, mappings: Sequence[Mapping]) -> tuple[str, str | None, str | None]:
    """Runtime, version, and the reason why it cannot be attached to."""
    name = PurePosixPath(executable).name
    libraries = {PurePosixPath(mapping.path).name: mapping for mapping in mappings if mapping.is_file}
    deleted = next((lib for lib in libraries if lib.startswith("libpython") and libraries[lib].deleted), None)
    if deleted:
        return (
            "cpython",
            _series(deleted),
            f"its {deleted} was replaced or deleted, and only root may still read it",
        )
    if name.startswith("pypy") or any(lib.startswith("libpypy") for lib in libraries):
        return "unknown", None, "PyPy keeps its objects in another way than CPython"
    if "libjvm.so" in libraries:
        return (
            "jvm",
            _jvm_version(pid, libraries["libjvm.so"]),
            "a JVM is read from a heap dump (HPROF), not live",
        )
    first = next((mapping for mapping in mappings if mapping.path == executable), None)
    if name in ("node", "nodejs"):
        return "node", _node_version(pid, first), "Node.js is read from a heap snapshot, not live"
    go = _go_version(pid, first)
    if go is not None:
        return "go", go, "Go is read from a heap profile, not live"
    return "unknown", None, "it runs no CPython"


def _jvm_version(pid: int, library: Mapping) -> str | None:
    for folder in PurePosixPath(library.path).parents:
        try:
            text = Path(f"/proc/{pid}/root{folder}/release").read_text(errors="replace")
        except OSError:
            continue
        version = _JAVA_VERSION.search(text)
        return version.group(1) if version else None
    return None


def _node_version(pid: int, first: Mapping | None) -> str | None:
    if first is None:
        return None
    try:
        with open_mapped(pid, first) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            version = _NODE_URL.search(text)
            return version.group(1).decode() if version else None
    except (OSError, ValueError):
        return None


def _go_version(pid: int, first: Mapping | None) -> str | None:
    """Go's own record in the executable; since Go 1.18 the version stands in it as it is."""
    if first is None:
        return None
    try:
        with open_mapped(pid, first) as file:
            record = elf.read_section(file, ".go.buildinfo")
    except OSError:
        return None
    if record is None or len(record) < 34 or not record[15] & _GO_INLINE_STRINGS:
        return None if record is None else "unknown"
    return record[33 : 33 + record[32]].decode(errors="replace").removeprefix("go")
