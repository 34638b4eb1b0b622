"""The few system calls that Python does not wrap: ptrace, process_vm_readv and kcmp, by ctypes."""

from __future__ import annotations

import ctypes
import os

PTRACE_GETREGS = 12
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
REGISTERS_BYTES = 27 * 8
"""``struct user_regs_struct`` of x86-64."""
MAX_RANGES = 1024
"""IOV_MAX: ranges in one ``process_vm_readv``."""
_KCMP = 312
_KCMP_VM = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Range(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

_readv = _libc.process_vm_readv
_readv.restype = ctypes.c_ssize_t
_readv.argtypes = (
    ctypes.c_int,
    ctypes.POINTER(_Range),
    ctypes.c_ulong,
    ctypes.c_void_p,
    ctypes.c_ulong,
    ctypes.c_ulong,
)

_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def ptrace(request: int, tid: int, data: int = 0) -> None:
    """One ptrace request; ``data`` is a number or an address. OSError (or its subclasses) if refused."""
    if _ptrace(request, tid, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def read_ranges(pid: int, into: int, length: int, ranges: int, count: int) -> int:
    """``process_vm_readv`` of ``count`` ranges (iovecs at address ``ranges``) to address ``into``.

    Returns the bytes that were read before the first page that could not be. The GIL is
    released meanwhile. Raises OSError: EFAULT where already the first page could not be read.
    """
    got: int = _readv(pid, _Range(into, length), 1, ranges, count, 0)
    if got < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return got


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Up to ``length`` bytes at ``address`` of a process; raises OSError as ``read_ranges``."""
    room = ctypes.create_string_buffer(length)
    wanted = _Range(address, length)
    got = read_ranges(pid, ctypes.addressof(room), length, ctypes.addressof(wanted), 1)
    return room.raw[:got]


def share_memory(one: int, other: int) -> bool:
    """Whether two processes run in one address space, as a vfork child and its parent do."""
    answer: int = _syscall(_KCMP, one, other, _KCMP_VM, 0, 0)
    return answer == 0
