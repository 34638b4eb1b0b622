"""Makes a killed child of the target vanish: one ``wait4`` by one thread of the target, in less than a millisecond.

The child ends without a signal and ``waitpid(-1)`` does not see it, so the program itself would never take it away.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leakscope.target import libc
from leakscope.target.fork_chain import Gadgets, UnknownStateError, reap_chain
from leakscope.target.fork_gadgets import find_gadgets, holds_gadgets
from leakscope.target.fork_inject import (
    EVENT_STOP,
    Injection,
    InjectionError,
    Step,
    on_own_stack,
    read_state,
    unfit,
    wait_stop,
)
from leakscope.target.maps import read_maps
from leakscope.target.proc import Stat, read_stat, threads

_STOP_S = 0.05
_BETWEEN_S = 0.002
_MOST_THREADS = 16


@dataclass(frozen=True)
class FrozenChild:
    """A forked copy of the target that never runs."""

    pid: int
    started: int
    """As in ``Stat``."""
    inside: int
    """Its pid as the target counts it."""
    target: int

    def stat(self) -> Stat | None:
        """None once nothing is left of it (or only its pid, given to another)."""
        try:
            stat = read_stat(self.pid)
        except OSError:
            return None
        return stat if stat.started == self.started and stat.parent == self.target else None


def reap(child: FrozenChild, gadgets: Gadgets, limit_s: float, step: Step) -> bool:
    """Waits until the killed child has ended and takes it away. False if something is left after ``limit_s``."""
    give_up = time.monotonic() + limit_s
    while (stat := child.stat()) is not None:
        if stat.state == "Z":
            # What a thread traces is let go when it ends, also a thread that never stopped.
            attempt = threading.Thread(target=_attempt, args=(child, gadgets, step), name="leakscope-reaper")
            attempt.start()
            attempt.join()
        if time.monotonic() > give_up:
            return child.stat() is None
        time.sleep(_BETWEEN_S)
    return True


def _attempt(child: FrozenChild, gadgets: Gadgets, step: Step) -> None:
    with suppress(OSError, InjectionError, UnknownStateError):
        found = _gadgets(child.target, gadgets)
        if found is None:
            return
        for tid in threads(child.target)[:_MOST_THREADS]:
            if child.stat() is None:
                return
            with suppress(OSError, InjectionError):
                _reap_in(tid, child, found, step)


def _gadgets(pid: int, gadgets: Gadgets) -> Gadgets | None:
    """It may have become another program since."""
    with suppress(OSError):
        if holds_gadgets(pid, gadgets):
            return gadgets
    return find_gadgets(pid, read_maps(pid))


def _reap_in(tid: int, child: FrozenChild, gadgets: Gadgets, step: Step) -> None:
    libc.ptrace(libc.PTRACE_SEIZE, tid)
    libc.ptrace(libc.PTRACE_INTERRUPT, tid)
    stop = wait_stop(tid, time.monotonic() + _STOP_S)
    try:
        if stop >> 8 == EVENT_STOP >> 8:
            _inject(tid, child, gadgets, step)
    finally:
        libc.ptrace(libc.PTRACE_DETACH, tid, 0 if stop >> 8 else stop)


def _inject(tid: int, child: FrozenChild, gadgets: Gadgets, step: Step) -> None:
    pid = child.target
    state = read_state(tid)
    chain = reap_chain(state, gadgets, child.inside)
    maps = os.fsdecode(Path(f"/proc/{pid}/maps").read_bytes())
    if unfit(pid, tid, state) is None and on_own_stack(maps, state.registers, chain.address):
        Injection(pid, tid, state, chain, step).run()
