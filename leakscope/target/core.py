"""``read_core``: from an ELF core file to a ``MemoryImage``, as if its process had been copied while it lived.

Whatever the process can have changed is in the core, the rest in the files it had loaded. What a core does
not tell is unknown: when it was taken (its file's time stands for that), what the clocks showed, what the
kernel knew of descriptors and sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from leakscope.errors import InputError, UnsupportedTargetError
from leakscope.target.budget import Budget
from leakscope.target.clocks import TargetClocks
from leakscope.target.core_clocks import clocks_of, lives_on
from leakscope.target.core_copy import Part, gather
from leakscope.target.core_file import CoreFile
from leakscope.target.core_libraries import FILES_HELP, Libraries, shown
from leakscope.target.core_maps import combine, dumped_end, with_flags_of
from leakscope.target.core_notes import ENTRY, PROGRAM_HEADERS, CoreNotes, read_notes
from leakscope.target.image import CaptureFacts, MemoryImage
from leakscope.target.maps import Mapping, mapping_at
from leakscope.target.modules import load_modules
from leakscope.target.runtimes import SUPPORTED_HELP, Python, find_python
from leakscope.target.stacks import known_inside, stack_of

Progress = Callable[[str, float], None]
_MOST_NAMED = 3


def read_core(
    path: Path,
    exe: Path | None = None,
    libs: Path | None = None,
    progress: Progress | None = None,
    budget: Budget | None = None,
) -> MemoryImage:
    """The memory of the CPython process whose core ``path`` is.

    ``exe`` is the program that ran, ``libs`` a folder with its files, where they are not where they were;
    ``budget`` what of leakscope's own memory may be taken.
    Raises InputError for what is damaged, cut off, or lacks the files it needs; UnsupportedTargetError for
    what leakscope has not been verified on.
    """
    report = progress or (lambda stage, fraction: None)
    report("look", 0.0)
    core = CoreFile(path)
    notes = read_notes(core)
    mappings = combine(core, notes.files)
    _require_whole(core, mappings)
    executable = _executable(notes, mappings)
    libraries = Libraries(core, mappings, executable, exe, libs)
    python = find_python(executable, mappings, libraries.open, {})
    version = _require_supported(core, executable, python, libraries)
    mappings = [_flagged(core, mapping, libraries) for mapping in mappings]
    report("copy", 0.2)
    parts, left_out = _own_memory(core, mappings, libraries)
    buffer, pages = gather(core, parts, lambda fraction: report("copy", 0.2 + 0.7 * fraction), budget)
    assert python is not None  # or it were not supported
    lives = lives_on(notes, mappings)
    started, clocks = clocks_of(core, notes, lives)
    facts = CaptureFacts(
        pid=notes.pid,
        captured_at=core.modified_at,
        strategy="core",
        pause_ms=0.0,
        copied_bytes=len(buffer),
        started_at=started,
        warnings=tuple(_warnings(core, libraries, left_out, clocks)),
        monotonic_at=clocks.monotonic_at,
        boottime_at=clocks.boottime_at,
        utc_offset_s=clocks.utc_offset_s,
        seasons_s=clocks.seasons_s,
    )
    report("done", 1.0)
    return MemoryImage(
        buffer=buffer,
        pages=pages,
        modules=tuple(load_modules(mappings, executable, libraries.headers_at(mappings), python.symbols)),
        threads=known_inside(notes.pid, notes.threads) if lives else notes.threads,
        stacks=tuple(stack_of(mappings, thread) for thread in notes.threads),
        executable=executable,
        version=version,
        facts=facts,
        read_only=_ReadOnly(core, mappings, libraries),
    )


class _ReadOnly:
    """``memory(address, length)``: bytes from the core, or from the file that was mapped there; None elsewhere."""

    def __init__(self, core: CoreFile, mappings: Sequence[Mapping], libraries: Libraries) -> None:
        self._core = core
        self._mappings = mappings
        self._libraries = libraries

    def __call__(self, address: int, length: int) -> bytes | None:
        mapping = mapping_at(self._mappings, address)
        if mapping is None or length < 0 or address + length > mapping.end:
            return None
        if address < dumped_end(self._core, mapping):
            return self._core.read(address, length)
        return self._libraries.read(mapping, address, length)


def _require_whole(core: CoreFile, mappings: Sequence[Mapping]) -> None:
    """InputError where bytes are missing that only the process had."""
    starts = [mapping.start for mapping in mappings if mapping.is_own_memory]
    rows = sorted({core.segment_at(start) for start in starts} - {-1})
    if core.missing(core.segments[rows]):
        raise core.cut_off(core.missing(core.segments))
    anonymous = [mapping for mapping in mappings if mapping.is_own_memory and not mapping.is_file]
    if not any(dumped_end(core, mapping) > mapping.start for mapping in anonymous):
        raise InputError(
            f"{core.path} holds none of the memory of its process",
            "Its coredump_filter left it out: echo 0x33 > /proc/PID/coredump_filter before the next one.",
        )


def _executable(notes: CoreNotes, mappings: Sequence[Mapping]) -> str:
    """Its path as the process saw it, by what the kernel told it about its own program."""
    for key in (PROGRAM_HEADERS, ENTRY):
        mapping = mapping_at(mappings, notes.auxiliary.get(key, 0))
        if mapping is not None and mapping.is_file:
            return mapping.path
    return notes.files[0].path if notes.files else ""


def _require_supported(core: CoreFile, executable: str, python: Python | None, libraries: Libraries) -> str:
    """The CPython version; InputError where a file that may hold Python is not here."""
    if python is not None and python.reason is None and python.version is not None:
        return python.version
    for path, library in libraries.by_path.items():
        if library.problem and (path == executable or PurePosixPath(path).name.startswith("libpython")):
            raise InputError(f"{core.path} cannot be read without its program: {library.problem}", FILES_HELP)
    name = shown(PurePosixPath(executable).name) or "unknown"
    reason = "it ran no CPython" if python is None else python.reason
    raise UnsupportedTargetError(f"{core.path}, a core of {name}, is not supported: {reason}", SUPPORTED_HELP)


def _flagged(core: CoreFile, mapping: Mapping, libraries: Libraries) -> Mapping:
    library = libraries.by_path.get(mapping.path)
    if library is None or library.headers is None or core.segment_at(mapping.start) >= 0:
        return mapping
    return with_flags_of(mapping, library.headers)


def _own_memory(core: CoreFile, mappings: Sequence[Mapping], libraries: Libraries) -> tuple[list[Part], int]:
    """What to copy, ascending, and how many bytes of it are in no file."""
    parts: list[Part] = []
    left_out = 0
    for mapping in mappings:
        if not mapping.is_own_memory:
            continue
        end = dumped_end(core, mapping)
        if end > mapping.start:
            segment = core.segments[core.segment_at(mapping.start)]
            offset = int(segment["offset"]) + mapping.start - int(segment["start"])
            parts.append(Part(mapping.start, end - mapping.start, offset))
        if end < mapping.end:
            data = libraries.read(mapping, end, mapping.end - end) if mapping.path in libraries.by_path else None
            if data is not None:
                parts.append(Part(end, len(data), data=data))
            elif not mapping.is_file:
                left_out += mapping.end - end
    return parts, left_out


def _warnings(core: CoreFile, libraries: Libraries, left_out: int, clocks: TargetClocks) -> Iterator[str]:
    taken = datetime(1970, 1, 1) + timedelta(seconds=core.modified_at)
    yield f"A core does not say when it was taken: ages are those at its file's time, {taken:%Y-%m-%d %H:%M:%S} UTC."
    if clocks.monotonic_at is None:
        yield "What the clocks of its process showed is unknown, and so are ages that only a monotonic clock tells."
    if left_out:
        yield f"{left_out >> 10} KiB of its memory were left out of the core; what they hold is missing."
    missing = core.missing(core.segments)
    if missing:
        yield f"The core is cut off: {missing >> 10} KiB are missing, none of them the memory of objects."
    problems = [library.problem for library in libraries.by_path.values() if library.problem]
    if problems:
        more = f", and {len(problems) - _MOST_NAMED} more" if len(problems) > _MOST_NAMED else ""
        yield f"Names of C code may be missing: {'; '.join(problems[:_MOST_NAMED])}{more}. {FILES_HELP}"
    if not all(library.verified for library in libraries.by_path.values()):
        yield "Whether files are the builds that ran cannot be told: the core has none of their first pages."
