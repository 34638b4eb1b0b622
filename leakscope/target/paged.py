"""The memory of a frozen process as if it had been copied: pages come when they are touched, and may go again."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
from contextlib import suppress
from types import TracebackType

import numpy as np

from leakscope.errors import AttachError
from leakscope.kernels import _columns
from leakscope.kernels.paging import Pager
from leakscope.target.copy import Bytes, total_bytes
from leakscope.target.libc import userfaultfd
from leakscope.target.residency import Ranges

_API = 0xC018AA3F  # UFFDIO_API
_REGISTER = 0xC020AA00  # UFFDIO_REGISTER
_UNREGISTER = 0x8010AA01  # UFFDIO_UNREGISTER
_MISSING = 1  # UFFDIO_REGISTER_MODE_MISSING


def paged_or_none(pid: int, ranges: Ranges) -> Paged | None:
    """``Paged``, where the kernel lets this process answer its own faults (seccomp may not)."""
    try:
        return Paged(pid, ranges)
    except OSError:
        return None


def frozen_lost(pid: int) -> AttachError:
    """The error for a frozen copy that is gone before its time."""
    return AttachError(
        f"The frozen copy of the process (process {pid}) was killed before it was read",
        "If the host is short of memory, free some, or use --pause copy.",
    )


class Paged:
    """``bytes``: the pages of ``ranges`` of process ``pid``, which never runs, one behind the other; for a block.

    Raises OSError where the kernel refuses faults to be answered by this process (EPERM, ENOSYS). What is touched comes
    in windows of some pages; ``drop`` gives all of them back, and so does leakscope's watch over its memory.
    """

    is_dear = True

    def __init__(self, pid: int, ranges: Ranges) -> None:
        self._pid = pid
        size = total_bytes(ranges)
        self._map = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.bytes: Bytes = np.frombuffer(self._map, np.uint8)
        self._faults = userfaultfd()
        self._until, self._stop = os.pipe()
        base = self.bytes.ctypes.data
        self._area = struct.pack("=2Q", base, len(self._map))
        try:
            fcntl.ioctl(self._faults, _API, struct.pack("=3Q", 0xAA, 0, 0))
            fcntl.ioctl(self._faults, _REGISTER, self._area + struct.pack("=2Q", _MISSING, 0))
        except OSError:
            self._close_descriptors()
            raise
        self._pager = Pager(self._faults, self._until, pid, base, ranges[:, 0], ranges[:, 1])
        self._thread = threading.Thread(target=self._pager.serve, name="leakscope-pages", daemon=True)
        self._thread.start()
        self._open = True
        _columns.STORE.watch(self)

    def __enter__(self) -> Paged:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self.lost:  # and whatever else was raised comes of that
            raise frozen_lost(self._pid) from value

    @property
    def lost(self) -> bool:
        """Whether the process was gone when a page of it was wanted: what was read is worth nothing."""
        return self._pager.lost

    def drop(self) -> None:
        """Gives all pages back."""
        with suppress(ValueError):
            self._map.madvise(mmap.MADV_DONTNEED)

    def close(self) -> None:
        """Forgets the process. ``bytes`` are zeros from now on."""
        if self._open:
            self._open = False
            # Pages before the thread: nobody may wait for one that nobody will bring.
            fcntl.ioctl(self._faults, _UNREGISTER, self._area)
            os.write(self._stop, b"\0")
            self._thread.join()
            self._close_descriptors()
            self.drop()

    def _close_descriptors(self) -> None:
        for descriptor in (self._faults, self._until, self._stop):
            os.close(descriptor)
