"""Writing a file so that readers see all of it or nothing, and failures leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from leakscope.errors import InputError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file (mode 0600) that takes the place of ``path`` when the block ends well.

    Until then it lies beside ``path`` under a temporary name, which is removed
    whatever ends the block early. Raises InputError when ``path`` cannot be
    written, be it at the start or half-way (disk full).
    """
    _refuse_non_files(path)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}-", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _refuse_non_files(path: Path) -> None:
    """Renaming over a device or fifo would replace it; over a directory it cannot work."""
    try:
        exists, is_folder, is_file = path.exists(), path.is_dir(), path.is_file()
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from error
    if is_folder:
        raise InputError(f"cannot write {path}: it is a folder", "name a file in it: -o FOLDER/NAME.leakscope")
    if exists and not is_file:
        raise InputError(f"cannot write {path}: not a regular file", "name a new file with -o FILE")


def _cannot_write(path: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(
        f"cannot write {path}: {reason}",
        f"check that {path.parent} exists, may be written to and has room, or name another file with -o",
    )


def _sync_folder(folder: Path) -> None:
    """Makes the new name outlive a power cut; some file systems cannot, and the data is safe anyway."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
