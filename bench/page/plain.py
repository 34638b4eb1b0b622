"""The least that reading a process can cost: ``plain.py PID`` stops it, reads what is resident, lets it go.

Two threads read halves of the same ranges that leakscope reads (private, writable, in memory) with process_vm_readv,
into memory that was touched before. What is found out before (which pages are there) does not count. Prints JSON.
"""

import ctypes
import json
import mmap
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np

PAGE = 4096
PIECE = 16 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


class Range(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


LIBC.process_vm_readv.restype = ctypes.c_ssize_t
LIBC.process_vm_readv.argtypes = (
    ctypes.c_int, ctypes.POINTER(Range), ctypes.c_ulong, ctypes.POINTER(Range), ctypes.c_ulong, ctypes.c_ulong,
)  # fmt: skip


def resident(pid):
    """``(address, length)`` of the pages that are in memory, at most PIECE long."""
    ranges = []
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(None, 5)
            if not fields[1].startswith("rw-p"):
                continue
            start, end = (int(each, 16) for each in fields[0].split("-"))
            pagemap.seek(start // PAGE * 8)
            entries = np.frombuffer(pagemap.read((end - start) // PAGE * 8), np.uint64)
            there = np.concatenate(([0], (entries >> np.uint64(62) != 0).astype(np.int8), [0]))
            edges = np.flatnonzero(np.diff(there)).tolist()
            for first, last in zip(edges[::2], edges[1::2], strict=True):
                for page in range(first, last, PIECE // PAGE):
                    ranges.append((start + page * PAGE, min(last - page, PIECE // PAGE) * PAGE))
    return ranges


def read(pid, ranges, into):
    """All ranges, one behind the other, to the address ``into``, many by one call."""
    for first in range(0, len(ranges), 512):
        part = ranges[first : first + 512]
        length = sum(size for _, size in part)
        remote = (Range * len(part))(*part)
        got = LIBC.process_vm_readv(pid, Range(into, length), 1, remote, len(part), 0)
        if got != length:
            raise OSError(ctypes.get_errno(), f"{got} of {length} bytes")
        into += length


def halves(ranges):
    """Two lists of about as many bytes."""
    middle = int(np.searchsorted(np.cumsum([size for _, size in ranges]), sum(size for _, size in ranges) // 2))
    return ranges[:middle], ranges[middle:]


def main(pid):
    ranges = resident(pid)
    total = sum(size for _, size in ranges)
    room = np.frombuffer(mmap.mmap(-1, total), np.uint8)
    room[::PAGE] = 1
    parts = halves(ranges)
    offsets = (0, sum(size for _, size in parts[0]))
    threads = [
        threading.Thread(target=read, args=(pid, part, room.ctypes.data + offset))
        for part, offset in zip(parts, offsets, strict=True)
    ]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(0.02)  # all its threads have stopped
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGCONT)
    sys.stdout.write(json.dumps({"bytes": total, "read_ms": took * 1000}) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
