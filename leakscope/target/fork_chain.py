"""What a thread finds on its stack while it makes a system call for leakscope: its own way back.

The thread is sent to a ``syscall; ret`` of the target's C library, with its stack pointer on a signal frame. If
leakscope dies at whatever moment, nobody has to put anything back: the ``ret`` leads to ``rt_sigreturn``, by which the
kernel restores every register, the vector registers and the signal mask from the frame, as after a signal handler.
Before that a forked child's parent waits for the child, whose own stack leads nowhere but to ``exit_group``.

All frames lie below the stack pointer and its red zone (128 bytes): memory that belongs to nobody, where the kernel
would put the frame of the next signal. Plain bytes in, bytes out; no process is touched here.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

Registers = Mapping[str, int]
"""``struct user_regs_struct`` by name, unsigned."""

NAMES = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)
NO_CALL = (1 << 64) - 1
"""``orig_rax`` outside a system call: the kernel restarts nothing."""
NOBODY = 0x7FFFFFFF
"""A pid above the kernel's limit."""
_IN_FRAME = (
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx"),
    *("rdx", "rax", "rcx", "rsp", "rip", "eflags"),
)
_RED_ZONE_BYTES = 128
_FRAME_BYTES = 312  # return address, struct ucontext
_FRAME_RDI = 48 + 8 * _IN_FRAME.index("rdi")
_VECTORS = 960  # three frames and a gap: XRSTOR wants 64-byte alignment
_UC_FLAGS = 7  # UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
_NO_STACK_MODE = 3  # SS_ONSTACK with SS_DISABLE is refused, so that the alternate stack stays as it is
_ALL_SIGNALS = (1 << 64) - 1
_SIGRETURN, _CLONE, _WAIT4, _EXIT_GROUP = 15, 56, 61, 231
_CLONE_FILES = 0x400  # one table of descriptors: what the target closes is closed, and no lock is dropped by the child
_CLONE_PARENT_SETTID = 0x100000
WNOHANG, WCLONE = 1, 0x80000000  # children that end without SIGCHLD: never one that the program itself made
CALLS = (
    (_CLONE, (_CLONE_FILES | _CLONE_PARENT_SETTID, 0, 0, 0, 0, 0)),
    (_WAIT4, (NOBODY, 0, WCLONE, 0, 0, 0)),
    (_WAIT4, (NOBODY, 0, WCLONE | WNOHANG, 0, 0, 0)),
    (_EXIT_GROUP, (0, 0, 0, 0, 0, 0)),
    (_SIGRETURN, (0, 0, 0, 0, 0, 0)),
)
"""Number and arguments (addresses left out) of each system call that a chain may make."""
_RESTARTED = (-512, -513, -514)  # ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND
_RESTART_BLOCK = -516

_FX_MAGIC, _FX_MAGIC_END = 0x46505853, 0x46505845
_FX_SOFTWARE, _LIVE_FEATURES = 464, 512
_AMX = 1 << 17 | 1 << 18
_PKRU = 1 << 9
_KNOWN_BESIDE_AMX = 0xFF | _PKRU | 1 << 19


class UnknownStateError(Exception):
    """The processor has a state whose place in a signal frame is not known."""


@dataclass(frozen=True)
class Gadgets:
    """Addresses of instructions that the target has anyway."""

    syscall: int
    """``syscall; ret``"""
    sigreturn: int
    """``mov $15, %rax; syscall``"""


@dataclass(frozen=True)
class ThreadState:
    """All that a thread had when it was stopped."""

    registers: Registers
    mask: int
    """Blocked signals."""
    vectors: bytes
    """XSAVE area in the form of PTRACE_GETREGSET."""


@dataclass(frozen=True)
class Chain:
    """``code`` is to be written at ``address``, then ``registers`` set, and the thread let run."""

    address: int
    code: bytes
    registers: Registers
    child_pid_at: int
    """Where the kernel writes the child's pid (4 bytes), as the target counts it; 0 without a child."""


def clone_chain(state: ThreadState, gadgets: Gadgets) -> Chain:
    """``clone``; then, if nobody is there, wait for the child's end and go back."""
    base, back_at, back = _way_back(state, gadgets)
    vectors_at = base + _VECTORS
    wait_at = base + _FRAME_BYTES
    leave = _Frame({"rax": _EXIT_GROUP, "rip": gadgets.syscall, "rsp": base}, _ALL_SIGNALS, vectors_at)
    wait = _Frame({**_wait(NOBODY, WCLONE), "rip": gadgets.syscall, "rsp": back_at}, _ALL_SIGNALS, vectors_at)
    child_pid_at = wait_at + _FRAME_RDI
    arguments = {"rdi": _CLONE_FILES | _CLONE_PARENT_SETTID, "rsi": base, "rdx": child_pid_at, "r10": 0, "r8": 0}
    call = {"rax": _CLONE, **arguments, "rip": gadgets.syscall, "rsp": wait_at}
    code = leave.pack(state, gadgets) + wait.pack(state, gadgets) + back
    return Chain(base, code, {**state.registers, **call, "orig_rax": NO_CALL}, child_pid_at)


def reap_chain(state: ThreadState, gadgets: Gadgets, child: int) -> Chain:
    """``wait4`` that does not wait, for a child that has ended, and back. ``child`` as the target counts it."""
    _, back_at, back = _way_back(state, gadgets)
    call = {**_wait(child, WNOHANG | WCLONE), "rip": gadgets.syscall, "rsp": back_at}
    return Chain(back_at, back, {**state.registers, **call, "orig_rax": NO_CALL}, 0)


def unpack_registers(raw: bytes) -> dict[str, int]:
    """From ``struct user_regs_struct``."""
    return dict(zip(NAMES, struct.unpack_from("<27Q", raw), strict=True))


def pack_registers(registers: Registers) -> bytes:
    """To ``struct user_regs_struct``."""
    return struct.pack("<27Q", *(registers[name] for name in NAMES))


def signed(value: int) -> int:
    """A register as the kernel's ``long``."""
    return value - (1 << 64) if value >> 63 else value


def _wait(child: int, options: int) -> dict[str, int]:
    return {"rax": _WAIT4, "rdi": child, "rsi": 0, "rdx": options, "r10": 0}


def _way_back(state: ThreadState, gadgets: Gadgets) -> tuple[int, int, bytes]:
    """``(base, address of the frame, bytes from the frame on)``."""
    vectors = _frame_vectors(state.vectors)
    base = state.registers["rsp"] - _RED_ZONE_BYTES - _VECTORS - len(vectors) & -64
    frame = _Frame(_resumed(state.registers), state.mask, base + _VECTORS).pack(state, gadgets)
    gap = bytes(_VECTORS - 3 * _FRAME_BYTES)
    return base, base + 2 * _FRAME_BYTES, frame + gap + vectors


def _resumed(registers: Registers) -> dict[str, int]:
    """As the kernel itself would let the thread go on: ``rt_sigreturn`` restarts no system call."""
    found = dict(registers)
    result = signed(registers["rax"])
    if signed(registers["orig_rax"]) < 0:
        return found
    if result in _RESTARTED:
        found["rax"] = registers["orig_rax"]
        found["rip"] -= 2
    elif result == _RESTART_BLOCK:
        # How long is left to wait, the kernel forgets at rt_sigreturn; the program knows and asks again.
        found["rax"] = (1 << 64) - errno.EINTR
    return found


@dataclass(frozen=True)
class _Frame:
    """``struct rt_sigframe`` without siginfo."""

    registers: Registers
    mask: int
    vectors_at: int

    def pack(self, state: ThreadState, gadgets: Gadgets) -> bytes:
        registers = {**state.registers, **self.registers}
        head = struct.pack("<3Q", gadgets.sigreturn, _UC_FLAGS, 0)
        stack = struct.pack("<QIIQ", 0, _NO_STACK_MODE, 0, 0)
        general = struct.pack("<18Q", *(registers[name] for name in _IN_FRAME))
        segments = struct.pack("<4H4Q", registers["cs"], 0, 0, registers["ss"], 0, 0, 0, 0)
        return head + stack + general + segments + struct.pack("<10Q", self.vectors_at, *[0] * 8, self.mask)


def _frame_vectors(raw: bytes) -> bytes:
    """The XSAVE area as a signal frame has it: with its size and features between magic words.

    A thread that may not use AMX is refused a frame as large as one with AMX, so it is left out where unused.
    """
    if len(raw) < _LIVE_FEATURES + 64:
        raise UnknownStateError("the processor has no XSAVE")
    (features,) = struct.unpack_from("<Q", raw, _FX_SOFTWARE)
    (live,) = struct.unpack_from("<Q", raw, _LIVE_FEATURES)
    size = len(raw)
    if features & _AMX and not live & _AMX:
        if features & ~(_KNOWN_BESIDE_AMX | _AMX):
            raise UnknownStateError(f"the processor has features {features:#x}")
        features &= ~_AMX
        size = 2696 if features & _PKRU else 2688
    software = struct.pack("<IIQI", _FX_MAGIC, size + 4, features, size).ljust(48, b"\0")
    return raw[:_FX_SOFTWARE] + software + raw[_LIVE_FEATURES:size] + struct.pack("<I", _FX_MAGIC_END)
