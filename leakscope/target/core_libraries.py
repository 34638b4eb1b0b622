"""The executable and the libraries of a core: where their files are now, and whether they are the same builds.

A core holds what its process had changed; program text and constants are in these files only. A file
counts as the one that ran if its build id is that in the core's copy of its first page.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from leakscope.errors import InputError
from leakscope.target.core_file import CoreFile
from leakscope.target.elf import HEADER_BYTES, Headers, is_debug_only, parse_headers
from leakscope.target.maps import Mapping

FILES_HELP = (
    "Name the program with --exe PATH, or with --libs DIR a folder that holds its files and libraries "
    "(the root of its container, or the files alone)."
)
_PT_NOTE, _BUILD_ID = 4, 3
_MOST_NOTE_BYTES = 1 << 16
_BLOCK_BYTES = 1 << 16
_MOST_BLOCKS = 256
_SYSTEM_BUILD_IDS = (Path("/usr/lib/.build-id"), Path("/usr/lib/debug/.build-id"))

Read = Callable[[int, int], bytes | None]
"""``read(offset, length)``: bytes of a file, or of the core's copy of it; None where they are not there."""


@dataclass(frozen=True)
class Library:
    """An ELF file that the process had loaded."""

    path: str
    """As the process saw it."""
    file: Path | None
    """Where it is here; None if it is not."""
    problem: str | None
    """Why there is no file, for a person to read."""
    headers: Headers | None
    verified: bool = True
    """False where the core does not have the page by which the file could be told from another."""


class Libraries:
    """Finds the files once and reads them; ``exe`` and ``folder`` are where a user says that they are.

    Raises InputError where ``exe`` is not the file that ran.
    """

    def __init__(
        self, core: CoreFile, mappings: Sequence[Mapping], executable: str, exe: Path | None, folder: Path | None
    ) -> None:
        self._core = core
        self._executable = executable
        self._exe = exe
        self._folder = folder
        self._block = lru_cache(maxsize=_MOST_BLOCKS)(_block)
        groups: dict[str, list[Mapping]] = {}
        for mapping in mappings:
            if mapping.is_file and mapping.flags[3] == "p":
                groups.setdefault(mapping.path, []).append(mapping)
        found = {path: self._library(path, group[0]) for path, group in groups.items()}
        self.by_path = {path: library for path, library in found.items() if library is not None}
        """By the path that the process saw; what is no ELF file is not in it."""

    def open(self, mapping: Mapping) -> BinaryIO:
        """Opens the file behind a mapping; raises OSError if it is not here."""
        library = self.by_path.get(mapping.path)
        if library is None or library.file is None:
            raise FileNotFoundError(mapping.path)
        return _open_regular(library.file)

    def read(self, mapping: Mapping, address: int, length: int) -> bytes | None:
        """What the file has for addresses of a mapping that its process had not changed; zeros behind its end."""
        library = self.by_path.get(mapping.path)
        if library is None or library.file is None:
            return None
        offset = mapping.offset + address - mapping.start
        first, end = offset // _BLOCK_BYTES, (offset + length - 1) // _BLOCK_BYTES + 1
        try:
            joined = b"".join(self._block(library.file, number) for number in range(first, end))
        except OSError:
            return None
        begin = offset - first * _BLOCK_BYTES
        return joined[begin : begin + length]

    def headers_at(self, mappings: Sequence[Mapping]) -> Callable[[int], Headers | None]:
        """``headers(address)`` of the file whose first mapping is there."""
        paths = {mapping.start: mapping.path for mapping in mappings if mapping.is_file}

        def headers(address: int) -> Headers | None:
            library = self.by_path.get(paths.get(address, ""))
            return library.headers if library is not None else None

        return headers

    def _library(self, path: str, first: Mapping) -> Library | None:
        def in_core(offset: int, length: int) -> bytes | None:
            return self._core.read(first.start + offset, length) if first.offset == 0 else None

        page = in_core(0, HEADER_BYTES)
        headers = parse_headers(page) if page is not None else None
        if page is not None and headers is None:
            return None
        build = build_id(in_core)
        problem = None
        for candidate in self._candidates(path, build):
            try:
                with _open_regular(candidate) as file:
                    found = _examine(file)
            except OSError as error:
                self._refuse_if_named(candidate, f"cannot be read: {error.strerror or 'it is no plain file'}")
                continue
            if found is None:
                self._refuse_if_named(candidate, "is no ELF program with contents")
            elif page is None or found.is_same(page, build):
                return Library(path, candidate, None, found.headers, verified=page is not None)
            else:
                told = f"is another build than the core's: build id {_hex(found.build)}, not {_hex(build)}"
                self._refuse_if_named(candidate, told)
                problem = problem or f"{shown(str(candidate))} {told}"
        if page is None and path != self._executable and ".so" not in PurePosixPath(path).name:
            return None  # data, for all that is known
        return Library(path, None, problem or f"{shown(path)} (build id {_hex(build)}) is not here", headers)

    def _refuse_if_named(self, candidate: Path, why: str) -> None:
        """What a user names is meant: nothing else is taken instead."""
        if candidate == self._exe:
            raise InputError(f"--exe {candidate} {why}", FILES_HELP)

    def _candidates(self, path: str, build: bytes | None) -> Iterator[Path]:
        if path == self._executable and self._exe is not None:
            yield self._exe
            return
        plain = os.path.normpath("/" + path.lstrip("/"))[1:]  # nothing climbs out of the folder
        stored = f"{build.hex()[:2]}/{build.hex()[2:]}" if build else None
        if self._folder is not None:
            yield self._folder / plain
            yield self._folder / PurePosixPath(plain).name
            if stored:
                yield self._folder / ".build-id" / stored
                yield self._folder / "usr/lib/debug/.build-id" / stored
        yield Path("/", plain)
        if stored:
            yield from (folder / stored for folder in _SYSTEM_BUILD_IDS)


@dataclass(frozen=True)
class _Candidate:
    page: bytes
    headers: Headers
    build: bytes | None

    def is_same(self, page: bytes, build: bytes | None) -> bool:
        """By build id; by all that the first page says where one of the two has none."""
        return self.build == build if self.build and build else self.page == page


def _examine(file: BinaryIO) -> _Candidate | None:
    def in_file(offset: int, length: int) -> bytes | None:
        file.seek(offset)
        data = file.read(length)
        return data if len(data) == length else None

    page = file.read(HEADER_BYTES)
    headers = parse_headers(page)
    if headers is None or is_debug_only(file):
        return None
    return _Candidate(page.ljust(HEADER_BYTES, b"\0"), headers, build_id(in_file))


def _open_regular(path: Path) -> BinaryIO:
    """Opens a plain file for reading: a core's paths are a stranger's, and a pipe would wait for a writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{path} is no plain file")
    return os.fdopen(descriptor, "rb")


def _block(path: Path, number: int) -> bytes:
    with _open_regular(path) as file:
        file.seek(number * _BLOCK_BYTES)
        return file.read(_BLOCK_BYTES).ljust(_BLOCK_BYTES, b"\0")


def build_id(read: Read) -> bytes | None:
    """The id that the linker gave a 64-bit ELF file; None if it has none, or it cannot be read."""
    head = read(0, 64)
    if head is None or head[:5] != b"\x7fELF\x02":
        return None
    table = struct.unpack_from("<Q", head, 32)[0]
    entry_bytes, count = struct.unpack_from("<HH", head, 54)
    headers = read(table, count * 56) if entry_bytes == 56 and table < 1 << 40 else None
    for at in range(0, len(headers or b""), 56):
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", headers or b"", at)
        if kind == _PT_NOTE and length <= _MOST_NOTE_BYTES and offset < 1 << 40:
            found = _id_in(read(offset, length) or b"")
            if found:
                return found
    return None


def _id_in(notes: bytes) -> bytes | None:
    at = 0
    while at + 12 <= len(notes):
        name_bytes, content_bytes, kind = struct.unpack_from("<III", notes, at)
        content = at + 12 + (name_bytes + 3 & -4)
        if kind == _BUILD_ID and notes[at + 12 : content] == b"GNU\0" and content + content_bytes <= len(notes):
            return notes[content : content + content_bytes] or None
        at = content + (content_bytes + 3 & -4)
    return None


def shown(path: str) -> str:
    """A stranger's path for a person to read: on one line, of characters that every file can hold."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _hex(build: bytes | None) -> str:
    return build.hex() if build else "unknown"
