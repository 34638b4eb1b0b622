"""Holds all threads of a process still for as long as some work takes, by ptrace and without signals.

Everything ptrace does happens in one thread of its own. That is the safety net: whatever
happens to it, the kernel lets go of the target when the thread (or all of leakscope) ends,
and an interrupt of the main thread cannot strike between a stop and its release.

What the target can notice: a system call that waits (``epoll_wait``) may return EINTR, as it does
after any debugger or stack sampler that stops threads; CPython and the usual event loops ask again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from leakscope.errors import AttachError, NoRightsError
from leakscope.target import libc
from leakscope.target.image import StoppedThread
from leakscope.target.proc import RIGHTS_HELP, access, gone, hurried, read_stat, read_status, threads

T = TypeVar("T")

PATIENCE_S = 2.0
_FIRST_ATTEMPT_S = 0.1
_BETWEEN_ATTEMPTS_S = 0.05
_POLL_S = 0.00005
_NOTICE_S = 0.1
_SETTLE_S = 0.001  # until the caller waits: a thread that is put off while it holds the GIL holds up the release
_WALL = 0x40000000
_PEEK = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | _WALL
_TAKE = os.WEXITED | os.WSTOPPED | os.WNOHANG | _WALL
_EVENT_SHIFT = 8
_DEAD = ("Z", "X", "x")
_STACK_POINTER = 19  # places in struct user_regs_struct
_THREAD_POINTER = 21
_GENERAL = range(15)
_JOB_CONTROL = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


@dataclass(frozen=True)
class Halted(Generic[T]):
    """What was done while the process stood."""

    result: T
    threads: tuple[StoppedThread, ...]
    pause_s: float
    """From the first thread asked to stop to the last let go."""


class _StuckError(Exception):
    def __init__(self, tid: int) -> None:
        self.tid = tid


class _CancelledError(Exception):
    """The caller has been interrupted and waits for the release."""


def while_stopped(
    pid: int, work: Callable[[Callable[[], None]], T], linger: Callable[[], None] | None = None
) -> Halted[T]:
    """Stops every thread of ``pid``, calls ``work(check)``, lets all go, whatever happens.

    ``work`` runs in another thread and should call ``check`` every few milliseconds: it raises
    when the caller was interrupted. A thread that sits in the kernel (D, vfork) may not stop;
    then the target runs on between attempts, and AttachError after ``PATIENCE_S``. After the release ``linger``
    keeps that thread alive: what else it traces is let go only when ``linger`` returns.
    Also raises TargetGoneError, NoRightsError and what ``work`` raises.
    """
    give_up = time.monotonic() + PATIENCE_S
    attempt_s = _FIRST_ATTEMPT_S
    while True:
        attempt_s = min(attempt_s, max(give_up - time.monotonic(), _BETWEEN_ATTEMPTS_S))
        try:
            return _Attempt(pid, work, attempt_s, linger).run()
        except _StuckError as error:
            if time.monotonic() + _BETWEEN_ATTEMPTS_S >= give_up:
                raise _stuck(pid, error.tid) from None
        time.sleep(_BETWEEN_ATTEMPTS_S)
        attempt_s *= 2


def _stuck(pid: int, tid: int) -> AttachError:
    try:
        state = read_stat(pid, tid).state
    except OSError:
        state = "?"
    return AttachError(
        f"Thread {tid} of process {pid} did not stop within {PATIENCE_S:.0f} s (state {state}); the process was let go",
        "It waits inside the kernel: for a disk, a network file system, or a child between vfork and exec. "
        "Try again later, or use --pause none.",
    )


class _Attempt(Generic[T]):
    """One try: a thread that seizes, stops, works, and releases by ending."""

    def __init__(
        self,
        pid: int,
        work: Callable[[Callable[[], None]], T],
        limit_s: float,
        linger: Callable[[], None] | None,
    ) -> None:
        self._linger = linger
        self._pid = pid
        self._work = work
        self._limit_s = limit_s
        self._cancelled = threading.Event()
        self._released = threading.Event()
        self._outcome: Halted[T] | None = None
        self._error: Exception | None = None

    def run(self) -> Halted[T]:
        tracer = threading.Thread(target=self._run, name="leakscope-tracer")
        with _no_job_control(), hurried():
            try:
                tracer.start()
                # Not join(): before Python 3.13 an interrupted join takes the thread for ended. And not once: an
                # interrupt that strikes on the last steps into a wait does not end that wait.
                while not self._released.wait(_NOTICE_S):
                    pass
            except BaseException:
                self._cancelled.set()
                if tracer.ident is not None:
                    wait_surely(self._released)
                raise
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    def _run(self) -> None:
        time.sleep(_SETTLE_S)
        try:
            self._hold_and_release()
        finally:
            self._released.set()
        if self._linger is not None:
            self._linger()

    def _hold_and_release(self) -> None:
        threads_of_target = _Threads(self._pid, self._check)
        try:
            began, result, registers = self._hold(threads_of_target)
        except Exception as error:
            self._error = error
            return
        finally:
            threads_of_target.release()
        pause_s = time.perf_counter() - began
        self._outcome = Halted(result, registers.threads(), pause_s)

    def _hold(self, target: _Threads) -> tuple[float, T, _Registers]:
        with access(self._pid):
            target.seize_new()
        began = time.perf_counter()
        with access(self._pid):
            target.stop_all(time.monotonic() + self._limit_s)
        registers = _Registers(sorted(target.stopped))
        return began, self._work(self._check), registers

    def _check(self) -> None:
        if self._cancelled.is_set():
            raise _CancelledError


class _Threads:
    """The threads of the target, and which of them this thread traces."""

    def __init__(self, pid: int, check: Callable[[], None]) -> None:
        self._pid = pid
        self._check = check
        self._known: set[int] = set()
        self._running: list[int] = []
        self.stopped: dict[int, int] = {}
        """By thread id: the signal that was about to be delivered, to be given back; 0 for none."""

    def seize_new(self) -> bool:
        """Traces the threads that are not traced yet; they run on. False if there was none."""
        new = [tid for tid in threads(self._pid) if tid not in self._known]
        for tid in new:
            self._known.add(tid)
            if self._seize(tid):
                self._running.append(tid)
        return bool(new)

    def _seize(self, tid: int) -> bool:
        try:
            libc.ptrace(libc.PTRACE_SEIZE, tid)
        except OSError as error:
            if error.errno == errno.ESRCH or self._is_dead(tid):
                return False
            raise self._refused(tid, error) from error
        return True

    def _is_dead(self, tid: int) -> bool:
        try:
            return read_stat(self._pid, tid).state in _DEAD
        except OSError:
            return True

    def _refused(self, tid: int, error: OSError) -> AttachError:
        tracer = read_status(tid).get("TracerPid", "0")
        if tracer != "0":
            return traced_error(self._pid, int(tracer))
        return NoRightsError(f"No rights to stop process {self._pid}: {error.strerror}", RIGHTS_HELP)

    def stop_all(self, give_up: float) -> None:
        """Until a look at the list of threads shows none that is not stopped."""
        while True:
            for tid in self._running:
                try:
                    libc.ptrace(libc.PTRACE_INTERRUPT, tid)
                except ProcessLookupError:
                    continue  # it ended; _await sees that
            self._await(give_up)
            if not self.seize_new():
                break
        if not self.stopped:
            raise gone(self._pid)

    def _await(self, give_up: float) -> None:
        while self._running:
            self._running = [tid for tid in self._running if not self._has_settled(tid)]
            if not self._running:
                return
            self._check()
            if time.monotonic() > give_up:
                raise _StuckError(self._running[0])
            time.sleep(_POLL_S)

    def _has_settled(self, tid: int) -> bool:
        try:
            seen = os.waitid(os.P_PID, tid, _PEEK)
        except ChildProcessError:
            return True
        if seen is None:
            return False
        stands = seen.si_code in (os.CLD_TRAPPED, os.CLD_STOPPED)
        # Only a look so far: the exit status of the process is its parent's, and gets there when we let go.
        # All else is ours to take; a stop left there would look like an end to Popen.poll() of a parent.
        if stands or tid != self._pid:
            os.waitid(os.P_PID, tid, _TAKE)
        if stands:
            stop = seen.si_status
            self.stopped[tid] = 0 if stop >> _EVENT_SHIFT else stop
        return True

    def release(self) -> None:
        """Lets all stopped threads go. The end of this thread releases those that never stopped."""
        for tid, pending in self.stopped.items():
            try:
                libc.ptrace(libc.PTRACE_DETACH, tid, pending)
            except OSError:
                continue  # killed while it stood: nothing left to let go


class _Registers:
    """Registers of all stopped threads, raw: they are taken apart once the target runs again."""

    def __init__(self, tids: list[int]) -> None:
        self._tids = tids
        self._raw = ctypes.create_string_buffer(libc.REGISTERS_BYTES * len(tids))
        base = ctypes.addressof(self._raw)
        for place, tid in enumerate(tids):
            try:
                libc.ptrace(libc.PTRACE_GETREGS, tid, base + place * libc.REGISTERS_BYTES)
            except ProcessLookupError:
                continue  # killed while it stood: zeros

    def threads(self) -> tuple[StoppedThread, ...]:
        found = []
        for place, tid in enumerate(self._tids):
            words = struct.unpack_from("=27Q", self._raw, place * libc.REGISTERS_BYTES)
            general = tuple(words[i] for i in _GENERAL)
            found.append(StoppedThread(tid, words[_STACK_POINTER], general, words[_THREAD_POINTER]))
        return tuple(found)


def traced_error(pid: int, tracer: int) -> AttachError:
    """The error for a process that a debugger or tracer already holds."""
    try:
        name = read_stat(tracer).name
    except OSError:
        name = "unknown"
    return AttachError(
        f"Process {pid} is already traced by process {tracer} ({name})",
        "Only one tracer can hold a process: end or detach that debugger first, or use --pause none.",
    )


@contextmanager
def _no_job_control() -> Iterator[None]:
    """Ctrl-Z waits: a suspended leakscope would leave the target standing."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _JOB_CONTROL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wait_surely(event: threading.Event) -> None:
    """Waits however often the user presses Ctrl-C meanwhile: it takes milliseconds."""
    while not event.is_set():
        with suppress(KeyboardInterrupt):
            event.wait()
