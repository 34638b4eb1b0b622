"""Whether a thread's seccomp filters let it make the system calls of a fork: they are asked, not guessed.

The kernel hands out the filters (classic BPF) to a tracer with CAP_SYS_ADMIN; they are run here on the calls to come.
"""

from __future__ import annotations

import errno
import operator
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

from leakscope.target.fork_chain import CALLS
from leakscope.target.libc import seccomp_filter

_ARCH_X86_64 = 0xC000003E
_ALLOWED = (0x7FFF0000, 0x7FFC0000)  # SECCOMP_RET_ALLOW, SECCOMP_RET_LOG
_ACTION = 0xFFFF0000
_NONE, _FILTER = "0", "2"
_WORD = 0xFFFFFFFF
_MOST_FILTERS = 64

_ALU: Mapping[int, Callable[[int, int], int]] = {
    0x00: operator.add,
    0x10: operator.sub,
    0x20: operator.mul,
    0x30: lambda one, other: one // other if other else 0,
    0x40: operator.or_,
    0x50: operator.and_,
    0x60: lambda one, other: one << (other & 31),
    0x70: lambda one, other: one >> (other & 31),
    0x80: lambda one, other: -one,
    0xA0: operator.xor,
}
_JUMP: Mapping[int, Callable[[int, int], bool]] = {
    0x10: operator.eq,
    0x20: operator.gt,
    0x30: operator.ge,
    0x40: lambda one, other: bool(one & other),
}


class _UnknownProgramError(Exception):
    pass


def forbidden(pid: int, tid: int) -> str | None:
    """Why a stopped thread that the calling thread traces must not make the calls; None if it may."""
    mode = _mode(pid, tid)
    if mode == _NONE:
        return None
    if mode != _FILTER:
        return "its system calls are filtered (seccomp strict)"
    try:
        return None if all(_allows(program) for program in _filters(tid)) else "seccomp forbids it the system calls"
    except OSError as error:
        if error.errno == errno.ESRCH:
            raise
        return "its system calls are filtered (seccomp), and the filter cannot be read"
    except _UnknownProgramError:
        return "its system calls are filtered (seccomp), by a filter that is not understood"


def _mode(pid: int, tid: int) -> str:
    lines = Path(f"/proc/{pid}/task/{tid}/status").read_text(errors="replace").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Seccomp:")), _NONE)


def _filters(tid: int) -> list[bytes]:
    found: list[bytes] = []
    for index in range(_MOST_FILTERS):
        program = seccomp_filter(tid, index)
        if program is None:
            return found
        found.append(program)
    raise _UnknownProgramError


def _allows(program: bytes) -> bool:
    code = list(struct.iter_unpack("<HBBI", program))
    return all(run_filter(code, number, arguments) & _ACTION in _ALLOWED for number, arguments in CALLS)


def run_filter(code: list[tuple[int, int, int, int]], number: int, arguments: tuple[int, ...]) -> int:
    """What a filter of ``(code, jump if true, jump if false, k)`` returns for a system call of x86-64."""
    data = struct.unpack("<16I", struct.pack("<iIQ6Q", number, _ARCH_X86_64, 0, *arguments))
    a = x = at = 0
    memory = [0] * 16
    while at < len(code):
        op, if_true, if_false, k = code[at]
        at += 1
        kind, operand = op & 7, x if op & 8 else k
        if kind == 6:
            return a if op & 0x18 == 0x10 else k
        if kind == 4:
            a = _known(_ALU, op & 0xF0)(a, operand) & _WORD
        elif kind == 5:
            at += k if op & 0xF0 == 0 else if_true if _known(_JUMP, op & 0xF0)(a, operand) else if_false
        elif kind in (2, 3):
            memory[k & 15] = a if kind == 2 else x
        elif kind == 7:
            a, x = (x, x) if op & 0xF8 == 0x80 else (a, a)
        else:
            value = _load(op, k, data, memory)
            a, x = (value, x) if kind == 0 else (a, value)
    raise _UnknownProgramError


def _load(op: int, k: int, data: tuple[int, ...], memory: list[int]) -> int:
    """The modes that seccomp permits: data, its length, a constant, scratch memory."""
    mode = op & 0xE0
    if mode == 0x20 and k % 4 == 0 and k < 64:
        return data[k // 4]
    if mode == 0x00:
        return k
    if mode == 0x60:
        return memory[k & 15]
    if mode == 0x80:
        return 64
    raise _UnknownProgramError


def _known(table: Mapping[int, Callable[[int, int], int]], op: int) -> Callable[[int, int], int]:
    if op not in table:
        raise _UnknownProgramError
    return table[op]
