"""Writing a file so that readers see all of it or nothing, and failures leave nothing behind."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from leakscope.errors import InputError

# A file system without O_TMPFILE says the first, a kernel without it one of the others.
_NO_NAMELESS_FILES = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A new file (mode 0600) that takes the place of ``path`` when the block ends well.

    Until then it has no name at all where the file system can do that
    (O_TMPFILE), so that not even SIGKILL leaves anything; elsewhere it lies
    beside ``path`` under a name that is removed whatever ends the block early.
    Raises InputError when ``path`` cannot be written, be it at the start or
    half-way (disk full).
    """
    _refuse_non_files(path)
    # Chosen before the file exists: an interruption at any later instruction finds the name to remove.
    temporary = path.parent / f".{path.name[:100]}-{secrets.token_hex(4)}.tmp"
    try:
        with os.fdopen(_new_file(temporary), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            _publish(file.fileno(), temporary, path)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            temporary.unlink()
    _sync_folder(path.parent)


def _new_file(temporary: Path) -> int:
    """A descriptor of a new file: nameless if that can be had, or else of that name."""
    try:
        return os.open(temporary.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _NO_NAMELESS_FILES:
            raise
    return os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)


def _publish(descriptor: int, temporary: Path, path: Path) -> None:
    """Makes the file appear at ``path``, in one step where nothing is there yet."""
    if not temporary.exists():
        try:
            return _give_name(descriptor, path)
        except FileExistsError:
            _give_name(descriptor, temporary)
    temporary.replace(path)
    return None


def _give_name(descriptor: int, name: Path) -> None:
    """Names a nameless file; only with a folder's descriptor does Python follow the link (linkat, not link)."""
    folder = os.open(name.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(f"/proc/self/fd/{descriptor}", name.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


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
