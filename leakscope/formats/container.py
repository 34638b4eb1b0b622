"""The zip container around the tables: opened with distrust, members read whole and checked."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from leakscope.errors import InputError
from leakscope.formats.layout import MAX_META_BYTES, MAX_ROWS, META, OPTIONAL, SCHEMA, members, tables_of

_ZIP_MAGIC = b"PK\x03\x04"
_RETAKE = "take the snapshot again: leakscope snapshot PID"
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,  # encrypted members; NotImplementedError and RecursionError are kinds of it
    LookupError,
    ValueError,  # JSON, UTF-8 and Arrow's own errors are kinds of it
    OverflowError,
)


class Damaged(ValueError):  # noqa: N818 - a finding about a file
    """The file is not what it should be; the text says in which way."""


@dataclass(frozen=True)
class Meta:
    """``meta.json``."""

    schema: int
    leakscope: str
    """The version that wrote the file."""
    rows: dict[str, int]
    """Length of each table."""
    facts: dict[str, Any]
    without: tuple[str, ...]
    """Which of the ``OPTIONAL`` tables the heap was read without."""


@contextlib.contextmanager
def as_input_error(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file makes a reader raise into InputError."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        help = "read it on a machine with more memory"
        raise InputError(f"cannot read {path}: it needs more memory than there is", help) from error
    except OSError as error:
        if error.errno is None:  # Arrow's, about the content
            raise _damaged(path, error) from error
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
    return InputError(f"{path} is damaged: {reason}", _RETAKE)


@contextlib.contextmanager
def regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The regular file at ``path`` and its size in bytes, at least one; never blocks on a fifo or device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        size = _size_of_regular(descriptor, path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file, size
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The same, if it begins as leakscope's own files do."""
    with regular(path) as (file, size):
        if file.read(4) != _ZIP_MAGIC:
            raise _not_a_snapshot(path)
        yield file, size


def _size_of_regular(descriptor: int, path: Path) -> int:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"cannot read {path}: it is a folder", "name a .leakscope file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"cannot read {path}: not a regular file", "name a .leakscope file")
    if status.st_size == 0:
        raise InputError(f"{path} is empty", _RETAKE)
    return status.st_size


def _not_a_snapshot(path: Path) -> InputError:
    return InputError(f"{path} is not a leakscope snapshot", "name a file that leakscope snapshot wrote, or a PID")


def open_members(file: BinaryIO) -> zipfile.ZipFile:
    """The container, if it has a ``meta.json`` and stores its members plainly. Raises as zipfile does."""
    container = zipfile.ZipFile(file)
    listed = container.infolist()
    names = [info.filename for info in listed]
    if META not in names:
        raise Damaged(f"member {META} is missing")
    if len(set(names)) < len(names):
        raise Damaged("unexpected members")
    for info in listed:
        plain = info.compress_type == zipfile.ZIP_STORED and info.file_size == info.compress_size
        if not plain or info.flag_bits & 1:
            raise Damaged(f"member {info.filename} is not stored plainly")
    return container


def read_meta(container: zipfile.ZipFile, path: Path) -> Meta:
    """``meta.json`` and the list of members that its schema has, checked; InputError if a newer leakscope wrote it."""
    if container.getinfo(META).file_size > MAX_META_BYTES:
        raise Damaged(f"{META} is too large")
    document = json.loads(container.read(META), parse_constant=_refuse_constant)
    if not isinstance(document, dict) or document.get("format") != "leakscope":
        raise _not_a_snapshot(path)
    schema, writer = document.get("schema"), document.get("leakscope")
    rows, facts = document.get("rows"), document.get("facts")
    if type(schema) is not int or not isinstance(writer, str):
        raise Damaged(f"{META} names no schema")
    if schema > SCHEMA:
        message = f"{path} was written by a newer leakscope ({writer[:40]!r}, schema {schema})"
        raise InputError(message, "upgrade: pip install --upgrade leakscope-cli")
    if schema < 1:
        raise Damaged(f"schema {schema} is unknown")
    names = container.namelist()
    if names != members(schema):
        missing = [name for name in members(schema) if name not in names]
        raise Damaged(f"member {missing[0]} is missing" if missing else "unexpected members")
    if not isinstance(rows, dict) or rows.keys() != set(tables_of(schema)) or not all(map(_is_count, rows.values())):
        raise Damaged(f"{META} gives no proper row counts")
    if not isinstance(facts, dict):
        raise Damaged(f"{META} gives no facts")
    return Meta(schema, writer, rows, facts, _without(schema, document.get("without"), rows))


def _without(schema: int, told: object, rows: dict[str, int]) -> tuple[str, ...]:
    if schema == 1:
        return OPTIONAL
    without = tuple(table for table in OPTIONAL if isinstance(told, list) and table in told)
    if told != list(without) or any(rows[table] for table in without):
        raise Damaged(f"{META} does not say properly what the heap was read without")
    return without


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MAX_ROWS


def _refuse_constant(name: str) -> None:
    raise Damaged(f"{META} holds {name}")
