"""Files of other runtimes: what a file is, by how it begins, and one door to those that hold a heap."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from leakscope.errors import InputError
from leakscope.formats.container import as_input_error, regular
from leakscope.graph.heap import HeapGraph
from leakscope.graph.values import ValueSource

Progress = Callable[[str, float], None]
HPROF, HPROF_GZIP, V8 = "heap dump of a JVM", "packed heap dump of a JVM", "heap snapshot of V8"
_BEGINNING = 4096
_GZIP = b"\x1f\x8b"
_HPROF = b"JAVA PROFILE "
_MOST_UNPACKED = 250
"""Times the file's size: heaps full of zeros pack well, and no heap packs better."""
_CHUNK = 1 << 20
_LEAVE_FREE = 64 << 20
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (
        b"JAVA PROFILE 1.0.3",
        "is a heap dump of Android",
        "Convert it with hprof-conv, which comes with Android's platform-tools, and read what that writes.",
    ),
    (
        b"portable heap dump",
        "is a portable heap dump (PHD) of OpenJ9, which has no fields and no values",
        "Take one as HotSpot does: -Xdump:system, then jextract or Eclipse MAT export it as HPROF.",
    ),
    (
        b"go1.7 heap dump\n",
        "is Go's own heap dump, which has no types",
        "leakscope reads profiles of Go: curl -o heap.pb.gz 'http://HOST:PORT/debug/pprof/heap?gc=1'",
    ),
)  # fmt: skip
"""How a file begins that is known and cannot be read: what to say, and what to do instead."""


def recognised(path: Path) -> str | None:
    """What kind of dump the file is: ``HPROF``, ``HPROF_GZIP`` or ``V8``; None for all others.

    InputError, by name, for one that is known and cannot be read.
    """
    beginning = _beginning(path)
    plain = _first_unpacked(beginning) if beginning.startswith(_GZIP) else beginning
    # OpenJ9 writes the length of its name before it.
    for magic, message, help in _REFUSED:
        if plain.startswith(magic) or (magic.startswith(b"portable") and plain[2:].startswith(magic)):
            raise InputError(f"{path} {message}", help)
    if plain.startswith(_HPROF):
        return HPROF_GZIP if plain is not beginning else HPROF
    return V8 if _is_v8(beginning) else None


def _is_v8(beginning: bytes) -> bool:
    text = beginning.lstrip(b" \r\n\t")
    return text.startswith(b"{") and b'"snapshot"' in text[:200] and b'"node_fields"' in text


def load_dump(
    path: Path, kind: str, progress: Progress | None = None, reveal: bool = False
) -> tuple[HeapGraph, ValueSource]:
    """The heap in ``path``, a dump of ``kind``, and what its objects are worth. InputError if it is damaged."""
    if kind == V8:
        from leakscope.formats.v8.load import load_v8

        return load_v8(path, progress)
    from leakscope.formats.hprof.load import load

    with as_input_error(path), regular(path) as (file, size):
        if kind == HPROF:
            return load(file, path, progress, reveal)
        with _unpacked(file, size, path, progress) as plain:
            return load(plain, path, progress, reveal)


def dump_facts(path: Path, kind: str) -> dict[str, Any] | None:
    """What the file says of its capture before it is read, None where only the whole file says it."""
    if kind == V8:
        return None
    from leakscope.formats.hprof.load import facts

    return facts(_first_unpacked(_beginning(path)) if kind == HPROF_GZIP else _beginning(path), path)


def _beginning(path: Path) -> bytes:
    """The first bytes; nothing of what is no file, which others say better."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError):
        return b""
    try:
        return os.read(descriptor, _BEGINNING)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _first_unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(packed, _BEGINNING)
    except zlib.error:
        return b""


@contextlib.contextmanager
def _unpacked(file: BinaryIO, size: int, path: Path, progress: Progress | None) -> Iterator[BinaryIO]:
    """The dump in a packed file, in a file that has no name and is gone afterwards.

    HotSpot writes blocks, each packed by itself. InputError for what unpacks to more than any heap does.
    """
    limit = max(_MOST_UNPACKED * size, _CHUNK)
    with tempfile.TemporaryFile(prefix="leakscope-") as plain:
        written, told = 0, 0
        for part in _parts(file, path):
            written += len(part)
            if written > limit:
                raise InputError(
                    f"{path} unpacks to more than {_MOST_UNPACKED} times its size, as no heap does",
                    "Unpack it yourself if it is one: gzip -dk, then name the unpacked file.",
                )
            if written - told >= _LEAVE_FREE:
                told = written
                _require_room(path)
                if progress is not None:
                    progress("unpacking", file.tell() / size)
            plain.write(part)
        plain.flush()
        yield plain


def _parts(file: BinaryIO, path: Path) -> Iterator[bytes]:
    file.seek(0)
    unpacker = zlib.decompressobj(31)
    packed = file.read(_CHUNK)
    while packed:
        try:
            yield unpacker.decompress(packed, _CHUNK)
        except zlib.error as error:
            raise InputError(f"{path} is damaged: {error}", "Take the dump again.") from None
        packed = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if unpacker.eof:
            packed = packed or file.read(_CHUNK)
            if packed:
                unpacker = zlib.decompressobj(31)
        else:
            packed = packed or file.read(_CHUNK)
    if not unpacker.eof:
        raise InputError(f"{path} is cut off", "Take the dump again, with room for all of it on the disk.")


def _require_room(path: Path) -> None:
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < _LEAVE_FREE:
        raise InputError(
            f"cannot unpack {path}: there is no room left in {folder}", "Set TMPDIR to a folder with more room."
        )
