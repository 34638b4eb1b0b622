"""Runs workers, replaces those that crash or hang, and keeps what escaped.

A worker that hangs is aborted and its stack is kept; one that ends is replaced by one that goes on behind the input
that ended it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.worker import OUTCOMES, STATE, TALLY, Orders

ROOT = Path(__file__).parents[2]
MEMORY_BYTES = 1 << 30
_LOOK_EVERY_S = 0.05
_STACK_LINES = 60
_PATIENCE = 6
_MEMORY = Path("/dev/shm")
"""Files there cost no disk."""


@dataclass(frozen=True)
class Escape:
    """An input that was neither read nor refused with a line and a help."""

    number: int
    kind: str
    how: str
    """``exception``, ``crash``, ``hang``."""
    text: str


@dataclass
class Outcome:
    """What came of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    """By ``KIND read``, ``KIND refused``, ``KIND escaped``."""
    spent_s: Counter[str] = field(default_factory=Counter)
    """Processor time of workers by kind."""
    escapes: list[Escape] = field(default_factory=list)
    peak_bytes: int = 0
    """Of the largest worker."""
    wall_s: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What to run. ``inputs`` in all, or as many as fit into ``duration_s``."""

    kinds: Sequence[str]
    inputs: int
    duration_s: float = 1e9
    seed: int = 1
    processes: int = 2
    limit_s: float = 10.0
    """For one input, of processor time; a few times as much by the clock."""
    kernels: str = ""


def fuzz(plan: Plan) -> Outcome:
    """Runs all of it."""
    began = time.monotonic()
    outcome = Outcome()
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None, prefix="leakscope-fuzz-") as folder:
        until = began + plan.duration_s
        runs = [_Run(plan, worker, until, Path(folder), outcome) for worker in range(plan.processes)]
        try:
            while [run for run in runs if run.goes_on()]:
                time.sleep(_LOOK_EVERY_S)
        finally:
            for run in runs:
                run.end()
    outcome.wall_s = time.monotonic() - began
    outcome.escapes.sort(key=lambda escape: escape.number)
    return outcome


class _Run:
    """One worker after the other."""

    def __init__(self, plan: Plan, worker: int, until: float, folder: Path, outcome: Outcome) -> None:
        self._plan = plan
        self._outcome = outcome
        self._folder = folder / str(worker)
        self._folder.mkdir()
        state = self._folder / "state"
        state.write_bytes(STATE.pack(worker, 0.0, 0.0) + bytes(TALLY.size * len(plan.kinds)))
        self._orders = Orders(
            kinds=list(plan.kinds), seed=plan.seed, first=worker, step=plan.processes, inputs=plan.inputs, until=until,
            memory=MEMORY_BYTES, state=str(state), kernels=plan.kernels,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._hung = False
        self._start()

    def _start(self) -> None:
        self._hung = False
        with (self._folder / "state").open("r+b") as state:
            state.write(STATE.pack(self._orders.first, 0.0, 0.0))
        command = [sys.executable, "-m", "tests.fuzz.worker", json.dumps(dataclasses.asdict(self._orders))]
        with (self._folder / "said").open("wb") as said, (self._folder / "errors").open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdout=said, stderr=errors, env={**os.environ, "TMPDIR": str(self._folder)}
            )

    def goes_on(self) -> bool:
        """Whether there is more to do; called now and then."""
        if self._process is None:
            return False
        status = self._process.poll()
        number, since, spent_s = STATE.unpack_from((self._folder / "state").read_bytes())
        if status is None:
            if since and self._is_over(time.monotonic() - since, self._process.pid, spent_s):
                self._hung = True
                self._process.send_signal(signal.SIGABRT)  # faulthandler tells where it was
                self._process.wait()
            return True
        self._hear()
        if status == 0:
            self._process = None
            self._tally()
            return False
        errors = (self._folder / "errors").read_text(errors="replace")
        if not since:
            raise RuntimeError(f"a worker ended with {status} and not because of an input:\n{errors}")
        kind = self._kind_of(number)
        how = "hang" if self._hung else "crash"
        text = f"status {status}\n" + "\n".join(errors.splitlines()[-_STACK_LINES:])
        self._outcome.counts[f"{kind} escaped"] += 1
        self._outcome.escapes.append(Escape(number, kind, how, text))
        self._orders = dataclasses.replace(self._orders, first=number + self._orders.step)
        self._start()
        return True

    def _is_over(self, wall_s: float, pid: int, spent_s: float) -> bool:
        """Time on a processor counts, which a busy machine may give late; but somebody may wait for ever as well."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return cpu_s - spent_s > self._plan.limit_s or wall_s > self._plan.limit_s * _PATIENCE

    def _hear(self) -> None:
        for line in (self._folder / "said").read_text().splitlines():
            said: dict[str, Any] = json.loads(line)
            self._outcome.escapes.append(Escape(said["number"], said["kind"], "exception", said["escape"]))

    def _tally(self) -> None:
        state = (self._folder / "state").read_bytes()[STATE.size :]
        for kind, (*counts, spent_s, peak) in zip(self._orders.kinds, TALLY.iter_unpack(state), strict=True):
            self._outcome.counts.update({f"{kind} {how}": count for how, count in zip(OUTCOMES, counts, strict=True)})
            self._outcome.spent_s.update({kind: spent_s})
            self._outcome.peak_bytes = max(self._outcome.peak_bytes, peak)

    def _kind_of(self, number: int) -> str:
        from tests.fuzz.kinds import chosen

        return chosen(self._orders.kinds, self._orders.seed, number)[0]

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
