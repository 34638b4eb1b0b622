"""A frozen fork of the target: a copy-on-write child that never runs, to be read while the target goes on.

All threads are stopped, one of them makes one ``clone``, all are let go: the pause is that of a ``fork()``. The child
shares the target's table of descriptors (no connection stays open that the target closes), ends without a signal to
anybody, and is held by ptrace from its first moment: it runs not one instruction of the program. If leakscope dies,
the kernel kills it; what happens to the target then is told in ``fork_chain`` (while the call is made) and
``fork_guard`` (afterwards).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from leakscope.errors import AttachError
from leakscope.target import libc
from leakscope.target.clocks import Moment, now
from leakscope.target.fork_chain import Chain, Gadgets, ThreadState, UnknownStateError, clone_chain
from leakscope.target.fork_gadgets import find_gadgets, holds_gadgets
from leakscope.target.fork_guard import Guard
from leakscope.target.fork_inject import (
    PASSING,
    PATIENCE_S,
    Injection,
    InjectionError,
    Step,
    on_own_stack,
    read_state,
    unfit,
    wait_stop,
)
from leakscope.target.fork_reap import FrozenChild, reap
from leakscope.target.image import StoppedThread
from leakscope.target.maps import Mapping, parse_maps, read_maps
from leakscope.target.proc import access, read_stat, threads
from leakscope.target.stop import Halted, wait_surely, while_stopped

_EXIT_KILL = 1 << 20  # PTRACE_O_EXITKILL, on the child alone
_WALL = 0x40000000
_MOST_THREADS = 16
_MOST_ATTEMPTS = 5
_BETWEEN_S = 0.01
_REAP_S = 2.0
_NO_GUARD = "the process that cleans up should leakscope be killed does not run"
_HELP = "Use --pause copy, which changes nothing in the target but stops it for longer."


class CannotForkError(AttachError):
    """The target cannot be forked; it runs on unharmed and can be copied."""

    def __init__(self, pid: int, reason: str, passing: bool = False) -> None:
        super().__init__(f"Process {pid} cannot be forked: {reason}", _HELP)
        self.reason = reason
        self.passing = passing
        """A moment later it may be otherwise."""


@dataclass(frozen=True)
class Frozen:
    """The child and what was true when it was made."""

    pid: int
    """Of the child: its memory is read like that of any process."""
    mappings: list[Mapping]
    threads: tuple[StoppedThread, ...]
    """Of the target."""
    moment: Moment
    pause_s: float


def no_step(name: str) -> None:
    """Nobody wants to know how far it is."""


@contextmanager
def freeze(pid: int, step: Step = no_step) -> Iterator[Frozen]:
    """Forks process ``pid``; the child is there, and can be read from any thread, until the block ends.

    Raises CannotForkError, and what ``while_stopped`` raises.
    """
    with _guard(pid) as guard:
        with access(pid):
            gadgets = find_gadgets(pid, read_maps(pid))
        if gadgets is None:
            raise CannotForkError(pid, "its C library has no instructions that could be used")
        if not guard.is_ready():
            raise CannotForkError(pid, _NO_GUARD)
        birth = _Birth(pid, gadgets, guard, step)
        try:
            halted = _stopped(pid, birth)
            child, moment, maps = halted.result
            birth.wait_until_held()
            step("released")
            _die_first(child.pid)
            yield Frozen(child.pid, _mappings(pid, child.pid, maps), halted.threads, moment, halted.pause_s)
        finally:
            birth.end()


def _stopped(pid: int, birth: _Birth) -> Halted[tuple[FrozenChild, Moment, str]]:
    for _ in range(_MOST_ATTEMPTS - 1):
        try:
            return while_stopped(pid, birth.give, birth.hold)
        except CannotForkError as error:
            if not error.passing:
                raise
        time.sleep(_BETWEEN_S)
    return while_stopped(pid, birth.give, birth.hold)


def _guard(pid: int) -> Guard:
    try:
        return Guard()
    except OSError as error:
        raise CannotForkError(pid, f"{_NO_GUARD}: {error.strerror}") from error


def _die_first(child: int) -> None:
    """Should memory run out while pages are copied on write, the child goes and not the service."""
    with suppress(OSError):
        Path(f"/proc/{child}/oom_score_adj").write_text("1000")


def _mappings(pid: int, child: int, maps: str) -> list[Mapping]:
    with access(child):
        found = read_maps(child)
    missing = {each[:3] for each in parse_maps(maps) if each.is_own_memory} - {each[:3] for each in found}
    if missing:
        size = sum(end - start for start, end, _ in missing)
        raise CannotForkError(pid, f"{size >> 10} KiB of its memory are not for children (MADV_DONTFORK)")
    return found


class _Birth:
    """What the tracing thread does: while the target stands, and until the end of the child."""

    def __init__(self, pid: int, gadgets: Gadgets, guard: Guard, step: Step) -> None:
        self._pid = pid
        self._gadgets = gadgets
        self._guard = guard
        self._step = step
        self._child: FrozenChild | None = None
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._held = threading.Event()

    def give(self, check: Callable[[], None]) -> tuple[FrozenChild, Moment, str]:
        """Makes the child while all threads stand; CannotForkError if that cannot be."""
        with access(self._pid):
            maps = os.fsdecode(Path(f"/proc/{self._pid}/maps").read_bytes())
            if not holds_gadgets(self._pid, self._gadgets):
                raise CannotForkError(self._pid, "it has become another program")
            tid, state, chain = self._choose(maps)
            check()
            moment = now()
            self._clone(tid, state, chain)
        assert self._child is not None
        return self._child, moment, maps

    def _clone(self, tid: int, state: ThreadState, chain: Chain) -> None:
        try:
            result = Injection(self._pid, tid, state, chain, self._step).run(
                lambda child: self._born(child, chain.child_pid_at)
            )
        except InjectionError as error:
            raise CannotForkError(self._pid, str(error)) from error
        if result < 0:
            raise CannotForkError(self._pid, f"clone: {os.strerror(-result)}")
        if self._child is None:
            raise CannotForkError(self._pid, "clone told nothing of its child")

    def _choose(self, maps: str) -> tuple[int, ThreadState, Chain]:
        """The main thread, or the first other that fits."""
        reasons = []
        for tid in sorted(threads(self._pid), key=lambda tid: tid != self._pid)[:_MOST_THREADS]:
            try:
                state = read_state(tid)
                chain = clone_chain(state, self._gadgets)
            except (UnknownStateError, ProcessLookupError) as error:
                reasons.append(str(error))
                continue
            reason = unfit(self._pid, tid, state)
            if reason is None and not on_own_stack(maps, state.registers, chain.address):
                reason = "it runs on a stack that is not known"
            if reason is None:
                return tid, state, chain
            reasons.append(reason)
        passing = any(reason in PASSING for reason in reasons)
        raise CannotForkError(self._pid, f"no thread can make the call; of the first, {reasons[0]}", passing)

    def _born(self, pid: int, inside_at: int) -> None:
        inside = int.from_bytes(libc.read_memory(self._pid, inside_at, 4), "little")
        self._child = FrozenChild(pid, read_stat(pid).started, inside, self._pid)
        try:
            self._guard.watch(self._child, self._gadgets)
        except OSError as error:
            raise InjectionError(_NO_GUARD) from error
        self._step("told")

    def hold(self) -> None:
        """Traces the child until asked to end it: the thread that traces must live as long as it."""
        if self._child is None:
            return
        try:
            self._secure(self._child.pid)
            self._held.set()
            self._asked.wait()
            self._step("ending")
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._child.pid, os.WEXITED | _WALL)
            self._step("killed")
            if reap(self._child, self._gadgets, _REAP_S, self._reap_step):
                self._guard.done()
        finally:
            self._held.set()
            self._ended.set()

    def _secure(self, child: int) -> None:
        """Its first stop, which the target need not stand for: until then its own stack would make it exit."""
        with suppress(OSError, InjectionError):
            wait_stop(child, time.monotonic() + PATIENCE_S)
            self._step("child stopped")
            libc.ptrace(libc.PTRACE_SETOPTIONS, child, _EXIT_KILL)
            self._step("child held")

    def wait_until_held(self) -> None:
        """The child stands and dies with leakscope."""
        self._held.wait()

    def _reap_step(self, name: str) -> None:
        self._step(f"reap: {name}")

    def end(self) -> None:
        """Kills the child and takes it away; nothing without one."""
        if self._child is not None:
            self._asked.set()
            wait_surely(self._ended)
