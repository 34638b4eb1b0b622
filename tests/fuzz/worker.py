"""One process of the fuzzer: runs its share of the inputs and tells what escaped.

Its state lies in a small shared file: the number of the input at work and since when, so that whoever started it can
tell a hang, and which input was at work when it ended; and the counts. JSON lines on standard output tell of escapes.
Started by ``driver.py``, with ``Orders`` as JSON.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
import mmap
import os
import resource
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import Any

STATE = struct.Struct("<qdd")
"""Number of the input at work (the next one while none is), and when it began, 0 for none: by ``time.monotonic()``, and
by the processor time of the worker."""
TALLY = struct.Struct("<qqqdq")
"""Behind it, for each kind: how many were read, refused, escaped; seconds of processor time; bytes at the peak."""
OUTCOMES = ("read", "refused", "escaped")


@dataclasses.dataclass(frozen=True)
class Orders:
    """Which inputs to run, and how."""

    kinds: list[str]
    seed: int
    first: int
    step: int
    inputs: int
    """Numbers end before this one."""
    until: float
    """``time.monotonic()`` at which to stop."""
    memory: int
    """Bytes of address space beyond what the process has when it is ready."""
    state: str
    kernels: str
    """Folder of the leakscope to test; empty: the one of this tree."""


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    if orders.kernels:
        sys.path.insert(0, orders.kernels)
    faulthandler.enable()
    from leakscope import kernels

    assert not orders.kernels or str(kernels.__file__).startswith(orders.kernels), kernels.__file__
    _Worker(orders).run()


class _Worker:
    def __init__(self, orders: Orders) -> None:
        from tests.fuzz.kinds import load

        self._orders = orders
        self._kinds = {name: load(name) for name in orders.kinds}
        with Path(orders.state).open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), 0)
        self._unraisable: list[str] = []
        sys.unraisablehook = self._note_unraisable
        self._limit_memory()

    def _note_unraisable(self, unraisable: Any) -> None:
        """A kernel that may not raise found an index out of bounds."""
        self._unraisable.append("".join(traceback.format_exception(unraisable.exc_value)))

    def _limit_memory(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + self._orders.memory
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    def run(self) -> None:
        orders = self._orders
        for number in range(orders.first, orders.inputs, orders.step):
            began = time.monotonic()
            if began > orders.until:
                break
            STATE.pack_into(self._state, 0, number, began, time.process_time())
            self._one(number)
            STATE.pack_into(self._state, 0, number + orders.step, 0.0, 0.0)

    def _one(self, number: int) -> None:
        from leakscope.errors import LeakscopeError
        from tests.fuzz.kinds import chosen

        name, dice = chosen(self._orders.kinds, self._orders.seed, number)
        kind = self._kinds[name]
        made = kind.make(dice)
        began = time.process_time()
        outcome = "read"
        escaped = ""
        try:
            kind.run(made)
        except LeakscopeError as error:
            outcome = "refused"
            if not error.message or "\n" in error.message or not error.help:
                escaped = f"no line, or no help: {error!r}"
        except Exception:
            escaped = traceback.format_exc()
        if self._unraisable:
            escaped += "".join(self._unraisable)
            self._unraisable.clear()
        self._count(name, "escaped" if escaped else outcome, time.process_time() - began)
        if escaped:
            _say({"number": number, "kind": name, "escape": escaped})

    def _count(self, kind: str, outcome: str, spent_s: float) -> None:
        at = STATE.size + self._orders.kinds.index(kind) * TALLY.size
        *counts, spent, _ = TALLY.unpack_from(self._state, at)
        counts[OUTCOMES.index(outcome)] += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        TALLY.pack_into(self._state, at, *counts, spent + spent_s, peak)


def _say(fact: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
