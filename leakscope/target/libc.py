"""The few system calls that Python does not wrap: ptrace, process_vm_readv, its sister and kcmp, by ctypes."""

from __future__ import annotations

import ctypes
import errno
import os

PTRACE_GETREGS = 12
PTRACE_SETREGS = 13
PTRACE_DETACH = 17
PTRACE_SYSCALL = 24
PTRACE_SETOPTIONS = 0x4200
PTRACE_GETEVENTMSG = 0x4201
PTRACE_GETSIGINFO = 0x4202
PTRACE_GETREGSET = 0x4204
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_GETSIGMASK = 0x420A
PTRACE_SETSIGMASK = 0x420B
_PTRACE_SECCOMP_GET_FILTER = 0x420C
PTRACE_GET_RSEQ_CONFIGURATION = 0x420F
REGISTERS_BYTES = 27 * 8
"""``struct user_regs_struct`` of x86-64."""
MAX_RANGES = 1024
"""IOV_MAX: ranges in one ``process_vm_readv``."""
_KCMP = 312
_KCMP_VM = 1
_USERFAULTFD = 323
_USER_MODE_ONLY = 1
_M_MMAP_THRESHOLD = -3

_libc = ctypes.CDLL(None, use_errno=True)


class _Range(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


_ptrace = _libc.ptrace
_ptrace.restype = ctypes.c_long
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)

_readv, _writev = _libc.process_vm_readv, _libc.process_vm_writev
for _transfer in (_readv, _writev):
    _transfer.restype = ctypes.c_ssize_t
    _transfer.argtypes = (
        ctypes.c_int,
        ctypes.POINTER(_Range),
        ctypes.c_ulong,
        ctypes.c_void_p,
        ctypes.c_ulong,
        ctypes.c_ulong,
    )

_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def ptrace(request: int, tid: int, data: int = 0, address: int = 0) -> None:
    """One ptrace request; ``data`` is a number or an address. OSError (or its subclasses) if refused."""
    if _ptrace(request, tid, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def ptrace_read(request: int, tid: int, length: int, address: int = 0) -> bytes:
    """What a ptrace request writes to where ``data`` points: ``length`` bytes. Raises OSError."""
    room = ctypes.create_string_buffer(length)
    ptrace(request, tid, ctypes.addressof(room), address)
    return room.raw


def ptrace_write(request: int, tid: int, data: bytes, address: int = 0) -> None:
    """A ptrace request that reads ``data``. Raises OSError."""
    room = ctypes.create_string_buffer(data, len(data))
    ptrace(request, tid, ctypes.addressof(room), address)


def read_register_set(tid: int, kind: int, most: int) -> bytes:
    """PTRACE_GETREGSET of ``kind``, at most ``most`` bytes. Raises OSError."""
    room = ctypes.create_string_buffer(most)
    wanted = _Range(ctypes.addressof(room), most)
    ptrace(PTRACE_GETREGSET, tid, ctypes.addressof(wanted), kind)
    return room.raw[: wanted.length]


def seccomp_filter(tid: int, index: int) -> bytes | None:
    """A filter of a stopped thread that is traced, as instructions of 8 bytes; None if there is none at ``index``.

    Raises OSError: EACCES without CAP_SYS_ADMIN, or if leakscope is filtered itself.
    """
    count = _ptrace(_PTRACE_SECCOMP_GET_FILTER, tid, index, None)
    if count >= 0:
        return ptrace_read(_PTRACE_SECCOMP_GET_FILTER, tid, count * 8, index)
    error = ctypes.get_errno()
    if error == errno.ENOENT:
        return None
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


def write_memory(pid: int, address: int, data: bytes) -> None:
    """Writes all of ``data`` to memory of a process that it may write itself; raises OSError."""
    room = ctypes.create_string_buffer(data, len(data))
    where = _Range(address, len(data))
    done = _writev(pid, _Range(ctypes.addressof(room), len(data)), 1, ctypes.addressof(where), 1, 0)
    if done != len(data):
        error = ctypes.get_errno() if done < 0 else errno.EFAULT
        raise OSError(error, os.strerror(error))


def share_memory(one: int, other: int) -> bool:
    """Whether two processes run in one address space, as a vfork child and its parent do."""
    answer: int = _syscall(_KCMP, one, other, _KCMP_VM, 0, 0)
    return answer == 0


def userfaultfd() -> int:
    """A descriptor on which this process can wait for its own page faults. Raises OSError where it may not.

    Faults of the process itself alone, which needs no rights where the kernel can tell them apart (Linux 5.11).
    """
    for flags in (_USER_MODE_ONLY, 0):
        descriptor: int = _syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK | flags)
        if descriptor >= 0:
            return descriptor
    error = ctypes.get_errno()
    raise OSError(error, os.strerror(error))


def map_large_blocks(least: int) -> None:
    """Blocks from so many bytes on go back to the kernel when they are freed; glibc would keep up to 32 MiB each."""
    if hasattr(_libc, "mallopt"):  # musl gives them back anyway
        _libc.mallopt(_M_MMAP_THRESHOLD, least)


def trim_heap() -> None:
    """What was freed and kept for later goes back to the kernel."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
