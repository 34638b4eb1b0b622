"""Answers page faults of leakscope's own with another process's pages (userfaultfd, Linux 4.3).

A thread that holds no lock of Python's: whoever waits for a page may hold it.
"""

import cython
import numpy as np
from cython.cimports.leakscope.kernels.system import (
    Polled,
    control,
    error_number,
    fill_bytes,
    read_file,
    system_call,
    wait_for,
)

PAGE_BYTES = cython.declare(cython.longlong, 4096)
WINDOW_BYTES = cython.declare(cython.longlong, 256 << 10)
"""What comes at one fault: the pages around it, since neighbours are mostly wanted next."""
FAULT = cython.declare(cython.int, 0x12)  # UFFD_EVENT_PAGEFAULT
COPY = cython.declare(cython.ulonglong, 0xC028AA03)  # UFFDIO_COPY
WAKE = cython.declare(cython.ulonglong, 0x8010AA02)  # UFFDIO_WAKE
PROCESS_VM_READV = cython.declare(cython.long, 310)
POLLIN = cython.declare(cython.short, 1)
UNREADABLE = cython.declare(cython.int, 14)  # EFAULT


@cython.final
@cython.cclass
class Pager:
    """``Pager(faults, stop, pid, base, starts, lengths)``; ``serve`` in a thread of its own.

    ``faults``: a userfaultfd; ``stop``: a descriptor that ``serve`` ends at once it can be read. ``base``: where the
    memory begins that faults, which is as long as all ranges together. ``starts`` and ``lengths`` (uint64, whole
    pages): the ranges of process ``pid``, one behind the other. What cannot be read is zeros: ``unreadable`` bytes of
    pages that nobody may read, and everything once ``lost`` says that the process was gone.
    """

    def __init__(self, faults, stop, pid, base, starts, lengths):
        self.faults = faults
        self.stop = stop
        self.pid = pid
        self.base = base
        ends = np.cumsum(lengths, dtype=np.uint64)
        self.size = int(lengths.sum())
        self.starts = np.ascontiguousarray(starts, dtype=np.uint64)
        self.offsets = np.concatenate([np.zeros(1, dtype=np.uint64), ends])
        self.window = np.zeros(WINDOW_BYTES, dtype=np.uint8)
        self.pieces = np.zeros(WINDOW_BYTES // PAGE_BYTES * 2, dtype=np.uint64)
        self.lost = False
        self.unreadable = 0

    def serve(self):
        """Answers faults until ``stop`` can be read."""
        message = cython.declare(cython.ulonglong[4])
        waited = cython.declare(Polled[2])
        with cython.nogil:
            waited[0].fd = self.faults
            waited[1].fd = self.stop
            while True:
                waited[0].events = waited[1].events = POLLIN
                waited[0].revents = waited[1].revents = 0
                wait_for(waited, 2, -1)
                if waited[1].revents:
                    break
                if read_file(self.faults, message, 32) == 32 and message[0] & 0xFF == FAULT:
                    self.fill(message[2])

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def fill(self, address: cython.ulonglong) -> cython.void:
        """Makes the window around ``address`` present."""
        start: cython.longlong = cython.cast(cython.longlong, address - self.base) & ~(WINDOW_BYTES - 1)
        length: cython.longlong = self.size - start
        if length > WINDOW_BYTES:
            length = WINDOW_BYTES
        self.read_pages(start, length)
        self.give(start, length)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def read_pages(self, start: cython.longlong, length: cython.longlong) -> cython.void:
        """Copies a part of the ranges to the window; pages that cannot be read become zeros."""
        done: cython.longlong = 0
        got: cython.longlong
        count: cython.longlong
        local = cython.declare(cython.ulonglong[2])
        while done < length:
            count = self.cut(start + done, length - done)
            local[0] = cython.cast(cython.ulonglong, cython.address(self.window[0])) + done
            local[1] = length - done
            got = -1
            if not self.lost:
                got = system_call(PROCESS_VM_READV, self.pid, local, 1, cython.address(self.pieces[0]), count, 0)
                self.lost = got < 0 and error_number != UNREADABLE
            if self.lost:
                fill_bytes(cython.address(self.window[done]), 0, length - done)
                return
            done += got & ~(PAGE_BYTES - 1) if got > 0 else 0
            if done < length:
                fill_bytes(cython.address(self.window[done]), 0, PAGE_BYTES)
                self.unreadable += PAGE_BYTES
                done += PAGE_BYTES

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def cut(self, start: cython.longlong, length: cython.longlong) -> cython.longlong:
        """Writes what of the ranges lies at ``start`` into ``pieces``, as iovecs; returns how many."""
        low: cython.longlong = 0
        high: cython.longlong = self.starts.shape[0]
        middle: cython.longlong
        part: cython.longlong
        count: cython.longlong = 0
        while high - low > 1:
            middle = (low + high) >> 1
            if cython.cast(cython.longlong, self.offsets[middle]) <= start:
                low = middle
            else:
                high = middle
        while length > 0:
            part = cython.cast(cython.longlong, self.offsets[low + 1]) - start
            if part > length:
                part = length
            self.pieces[2 * count] = self.starts[low] + start - self.offsets[low]
            self.pieces[2 * count + 1] = part
            count += 1
            start += part
            length -= part
            low += 1
        return count

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def give(self, start: cython.longlong, length: cython.longlong) -> cython.void:
        """Puts the window where it belongs and wakes who waits; pages that are there already stay."""
        request = cython.declare(cython.ulonglong[5])
        copied: cython.longlong
        done: cython.longlong = 0
        while done < length:
            request[0] = self.base + start + done
            request[1] = cython.cast(cython.ulonglong, cython.address(self.window[0])) + done
            request[2] = length - done
            request[3] = 0
            request[4] = 0
            if control(self.faults, COPY, request) == 0:
                break
            # Some were copied; or the first was there before, since another fault brought it.
            copied = cython.cast(cython.longlong, request[4])
            done += copied if copied > 0 else PAGE_BYTES
        request[0] = self.base + start
        request[1] = length
        control(self.faults, WAKE, request)
