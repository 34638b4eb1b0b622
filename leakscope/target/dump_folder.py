"""Where a process writes a dump of itself: a folder that only it and leakscope can enter, gone when the dump is taken.

The folder lies where the process sees it, which in a container is not where leakscope does; it is reached through
``/proc/PID/root``, step by step, so that no link in a container leads out of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from leakscope.errors import DumpError

FOLDERS = ("/var/tmp", "/tmp")
"""Tried in this order: what lies in the first survives a restart, so it is on a disk."""
_FILE = "heap.dump"
_IN_MEMORY = ("tmpfs", "ramfs")
_AS_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AS_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Owner:
    """Whose process it is."""

    uid: int
    gid: int

    @classmethod
    def of(cls, status: dict[str, str]) -> Owner:
        """By the effective ids in ``/proc/PID/status``."""
        return cls(int(status["Uid"].split()[1]), int(status["Gid"].split()[1]))


@dataclass(frozen=True)
class DumpFolder:
    """An empty folder."""

    descriptor: int
    inside: PurePosixPath
    """What the process calls it."""

    @property
    def file(self) -> PurePosixPath:
        """Where the process is to write."""
        return self.inside / _FILE

    @contextlib.contextmanager
    def taken(self) -> Iterator[Path]:
        """The dump, for as long as the block lasts, under a name of leakscope's own; in the folder it is gone.

        FileNotFoundError if nothing was written, DumpError if what was written is no file.
        """
        try:
            descriptor = os.open(_FILE, _AS_FILE, dir_fd=self.descriptor)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise _no_file() from error
        try:
            os.unlink(_FILE, dir_fd=self.descriptor)
            yield readable(descriptor)
        finally:
            os.close(descriptor)


def readable(descriptor: int) -> Path:
    """A path to an open file that may have no name any more. DumpError if it is no regular file."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise _no_file()
    return Path(f"/proc/self/fd/{descriptor}")


def _no_file() -> DumpError:
    return DumpError("What the process wrote in place of a dump is no file", "Look at what runs there.")


@contextlib.contextmanager
def dump_folder(pid: int, owner: Owner, needed: int) -> Iterator[DumpFolder]:
    """A folder with room for ``needed`` bytes; removed with what is in it when the block is left.

    DumpError if there is none.
    """
    with contextlib.ExitStack() as stack:
        parent, where = _parent(pid, needed)
        stack.callback(os.close, parent)
        name = f"leakscope-dump-{secrets.token_hex(8)}"
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except OSError as error:
            raise DumpError(
                f"Cannot make a folder for the dump in {where} of process {pid}: {error.strerror}",
                "Make that folder writable for the process's user.",
            ) from error
        stack.callback(_remove_folder, name, parent)
        descriptor = os.open(name, _AS_FOLDER, dir_fd=parent)
        stack.callback(os.close, descriptor)
        stack.callback(_remove_file, descriptor)
        if os.geteuid() != owner.uid:
            os.fchown(descriptor, owner.uid, owner.gid)
        yield DumpFolder(descriptor, where / name)


def _remove_file(folder: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_FILE, dir_fd=folder)


def _remove_folder(name: str, parent: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)


def _parent(pid: int, needed: int) -> tuple[int, PurePosixPath]:
    """An open folder with room, one on a disk if there is one. The caller closes it."""
    found: list[tuple[bool, int, int, PurePosixPath]] = []
    for place in map(PurePosixPath, FOLDERS):
        descriptor = _opened(pid, place)
        if descriptor is not None:
            found.append((_in_memory(pid, descriptor), -free_bytes(descriptor), descriptor, place))
    chosen = min((each for each in found if -each[1] >= needed), default=None)
    for each in found:
        if each is not chosen:
            os.close(each[2])
    if chosen is None:
        raise no_room(pid, needed, {str(place): -less for _, less, _, place in found})
    return chosen[2], chosen[3]


def no_room(pid: int, needed: int, free: dict[str, int]) -> DumpError:
    """The error for a disk that the dump might fill; ``free``: bytes by folder."""
    if not free:
        return DumpError(f"Process {pid} sees neither {' nor '.join(FOLDERS)}", "Give its container one of them.")
    said = " and ".join(f"{folder} has {bytes_ >> 20} MiB free" for folder, bytes_ in free.items())
    return DumpError(
        f"The dump of process {pid} may take {needed >> 20} MiB on its disk, and {said}",
        "Free some there, so that the service does not run out of it.",
    )


def _opened(pid: int, place: PurePosixPath) -> int | None:
    """``place`` as the process sees it; None if it is not there, or a link is on the way."""
    try:
        descriptor = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        for part in place.parts[1:]:
            outer = descriptor
            try:
                descriptor = os.open(part, _AS_FOLDER, dir_fd=outer)
            finally:
                os.close(outer)
    except OSError:
        return None
    return descriptor


def free_bytes(descriptor: int) -> int:
    """On the file system of an open file or folder."""
    facts = os.fstatvfs(descriptor)
    return facts.f_bavail * facts.f_frsize


def _in_memory(pid: int, descriptor: int) -> bool:
    """Whether its file system keeps files in memory, which the process's container may have little of."""
    device = os.fstat(descriptor).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return False
    return any(
        line.split(" ", 3)[2] == number and line.partition(" - ")[2].split(" ", 1)[0] in _IN_MEMORY for line in lines
    )
