"""One system call made by a thread of another process, which stands in a ptrace stop of ours, and its way back.

Order makes it safe. The frames are written below the stack first, where they mean nothing to anybody; then one
PTRACE_SETREGS sends the thread on its way, from which it finds home alone (``fork_chain``); at the end one
PTRACE_SETREGS puts it where it was, in the same kind of stop, so that the kernel restarts the system call that it was
in, with the time that was left of it. Between any two of these steps leakscope may die.
"""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable
from contextlib import suppress

from leakscope.target import libc
from leakscope.target.fork_chain import (
    Chain,
    Registers,
    ThreadState,
    pack_registers,
    signed,
    unpack_registers,
)
from leakscope.target.fork_seccomp import forbidden

Step = Callable[[str], None]
"""Called between the steps with the name of the one that was done."""

EVENT_STOP = signal.SIGTRAP | 128 << 8
PATIENCE_S = 5.0
_WALL = 0x40000000
_PEEK = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | _WALL
_TAKE = os.WSTOPPED | os.WNOHANG | _WALL
_POLL_S = 0.00005
_ALL_SIGNALS = b"\xff" * 8
_XSTATE = 0x202  # NT_X86_XSTATE
_MOST_XSTATE_BYTES = 1 << 14
_TRACE_CLONE, _SYSCALL_MARK = 1 << 3, 1  # PTRACE_O_TRACECLONE, PTRACE_O_TRACESYSGOOD
_AT_CALL = signal.SIGTRAP | 0x80
_CLONE_EVENT = signal.SIGTRAP | 3 << 8
_RESTARTED = (-512, -513, -514)
_SIGNAL, _SEQUENCE = "a signal is about to be delivered to it", "it is in a restartable sequence"
PASSING = (_SIGNAL, _SEQUENCE)
"""Of the reasons of ``unfit`` those that are gone in a moment."""
_USER_CODE = 0x33  # code segment of 64-bit programs
_SYSCALL = b"\x0f\x05"


class InjectionError(Exception):
    """The thread could not be used; it has been put back, or finds back by itself."""


def read_state(tid: int) -> ThreadState:
    """Registers and signal mask of a stopped thread."""
    return ThreadState(
        unpack_registers(libc.ptrace_read(libc.PTRACE_GETREGS, tid, libc.REGISTERS_BYTES)),
        int.from_bytes(libc.ptrace_read(libc.PTRACE_GETSIGMASK, tid, 8, 8), "little"),
        libc.read_register_set(tid, _XSTATE, _MOST_XSTATE_BYTES),
    )


def unfit(pid: int, tid: int, state: ThreadState) -> str | None:
    """Why a stopped thread must not make a system call for us, None if it may."""
    registers = state.registers
    if registers["cs"] != _USER_CODE:
        return "it runs 32-bit code"
    forbids = forbidden(pid, tid)
    if forbids:
        return forbids
    _, _, code = struct.unpack("<3i", libc.ptrace_read(libc.PTRACE_GETSIGINFO, tid, 128)[:12])
    if code >> 8 != EVENT_STOP >> 8:
        return _SIGNAL
    if signed(registers["orig_rax"]) < 0:
        return _SEQUENCE if _in_sequence(pid, tid) else None
    if libc.read_memory(pid, registers["rip"] - 2, 2) != _SYSCALL:
        return "it is in a 32-bit system call"
    return None


def _in_sequence(pid: int, tid: int) -> bool:
    """A thread that is taken out of a restartable sequence (rseq) would not be told of it."""
    try:
        raw = libc.ptrace_read(libc.PTRACE_GET_RSEQ_CONFIGURATION, tid, 24, 24)
    except OSError:
        return False  # a kernel before 5.13, on which few libraries use them
    (area,) = struct.unpack_from("<Q", raw)
    return bool(area) and libc.read_memory(pid, area + 8, 8) != bytes(8)


def on_own_stack(maps: str, registers: Registers, lowest: int) -> bool:
    """Whether memory from ``lowest`` to the stack pointer belongs to the stack of the thread itself.

    True for the main thread's ``[stack]``, and for a stack with the thread's control block at its end, as C libraries
    make them: not for fibers, nor for alternate stacks. ``maps``: text of ``/proc/PID/maps``.
    """
    pointer = registers["rsp"]
    for line in maps.splitlines():
        start, _, rest = line.partition("-")
        end, _, facts = rest.partition(" ")
        if int(start, 16) <= lowest and pointer < int(end, 16):
            own = facts.endswith("[stack]") or pointer < registers["fs_base"] < int(end, 16)
            return own and facts.startswith("rw-p")
    return False


class Injection:
    """Runs a ``Chain`` in thread ``tid`` of ``pid``, which the calling thread traces and has stopped."""

    def __init__(self, pid: int, tid: int, state: ThreadState, chain: Chain, step: Step) -> None:
        self._pid = pid
        self._tid = tid
        self._state = state
        self._chain = chain
        self._step = step
        self._inside = False

    def run(self, on_clone: Callable[[int], None] | None = None) -> int:
        """Makes the system call; what it returned. ``on_clone(child)`` is called while its child's birth is told.

        Raises InjectionError, what ``on_clone`` raises, and OSError (ESRCH: killed meanwhile).
        """
        libc.write_memory(self._pid, self._chain.address, self._chain.code)
        self._step("written")
        libc.ptrace(libc.PTRACE_SETOPTIONS, self._tid, _SYSCALL_MARK | (_TRACE_CLONE if on_clone else 0))
        self._step("options")
        libc.ptrace_write(libc.PTRACE_SETREGS, self._tid, pack_registers(self._chain.registers))
        try:
            self._step("registers")
            libc.ptrace_write(libc.PTRACE_SETSIGMASK, self._tid, _ALL_SIGNALS, 8)
            self._step("masked")
            return self._call(on_clone)
        finally:
            self._put_back()

    def _call(self, on_clone: Callable[[int], None] | None) -> int:
        deadline = time.monotonic() + PATIENCE_S
        passed_on, failed = 0, None
        while True:
            libc.ptrace(libc.PTRACE_SYSCALL, self._tid, passed_on)
            stop = wait_stop(self._tid, deadline)
            passed_on = 0
            if stop == _CLONE_EVENT and on_clone:
                self._step("cloned")
                failed = self._tell(on_clone)
            elif stop == _AT_CALL and not self._inside:
                self._inside = True
                self._step("entered")
            elif stop == _AT_CALL:
                self._inside = False
                self._step("left")
                result = signed(self._registers()["rax"])
                if failed:
                    raise failed
                if result not in _RESTARTED:
                    return result  # else the kernel makes the call once more
            elif stop == signal.SIGSTOP:
                passed_on = stop  # of all signals only this one cannot be blocked: it takes effect when we let go
            elif stop >> 8 != EVENT_STOP >> 8:
                raise InjectionError(f"thread {self._tid} stopped for {stop:#x}")

    def _tell(self, on_clone: Callable[[int], None]) -> Exception | None:
        """Its errors wait until the thread has left the call: in the midst of it, it cannot be put back."""
        try:
            on_clone(int.from_bytes(libc.ptrace_read(libc.PTRACE_GETEVENTMSG, self._tid, 8), "little"))
        except Exception as error:
            return error
        return None

    def _put_back(self) -> None:
        """Nothing if it is in the midst of the call, for too long: it finds back alone once we let go."""
        if self._inside:
            return
        with suppress(ProcessLookupError):
            libc.ptrace_write(libc.PTRACE_SETSIGMASK, self._tid, self._state.mask.to_bytes(8, "little"), 8)
            self._step("unmasked")
            libc.ptrace_write(libc.PTRACE_SETREGS, self._tid, pack_registers(self._state.registers))
            self._step("restored")

    def _registers(self) -> Registers:
        return unpack_registers(libc.ptrace_read(libc.PTRACE_GETREGS, self._tid, libc.REGISTERS_BYTES))


def wait_stop(tid: int, deadline: float) -> int:
    """The next stop of a traced thread: signal, and event in the bits above. InjectionError if it comes too late."""
    while True:
        seen = os.waitid(os.P_PID, tid, _PEEK)
        if seen is not None:
            if seen.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
                raise ProcessLookupError(f"thread {tid} ended")  # its exit status is for its parent to take
            os.waitid(os.P_PID, tid, _TAKE)
            return int(seen.si_status)
        if time.monotonic() > deadline:
            raise InjectionError(f"thread {tid} did not come back from the kernel")
        time.sleep(_POLL_S)
