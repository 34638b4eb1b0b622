"""One service under load, and attach after attach to it; what it lost by them."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from leakscope.cli.options import Pause
from tests.soak.attacks import Attack, attack
from tests.soak.load import Load
from tests.soak.state import State, harm, outgrown, read_state

PROGRAM = Path(__file__).parents[2] / "fixtures" / "soak" / "service.py"
MODES = ("asyncio", "threads", "gevent", "numpy")
SESSIONS = 400
WARM_UP_ANSWERS = 400
"""Until the service's own memory no longer grows."""
_FIRST_GUESS_S = 1.5
_END_S = 30.0
_MOST_TOLD = 20


@dataclass(frozen=True)
class Plan:
    """Which service, in which Python, and how often."""

    mode: str
    python: Path
    version: str
    folder: Path
    """For whatever leakscope writes."""
    attaches: int
    duration_s: float
    seed: int
    ways: tuple[str, ...] = tuple(way.value for way in Pause)


@dataclass
class Siege:
    """What came of it."""

    plan: Plan
    attaches: int = 0
    killed: int = 0
    ways: Counter[str] = field(default_factory=Counter)
    """Of those that came to their end: how the service was paused."""
    answers: int = 0
    wrong: int = 0
    longest_answer_s: float = 0.0
    longest_pause_ms: float = 0.0
    private_before: int = 0
    private_after: int = 0
    descriptors: int = 0
    lost: list[str] = field(default_factory=list)


class Service:
    """The program, started and answering questions."""

    def __init__(self, plan: Plan) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in ``end``
        self.process = subprocess.Popen(
            [str(plan.python), str(PROGRAM), plan.mode],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True,
            start_new_session=True,  # whatever else is of its group is a child of it
        )  # fmt: skip
        ready = self._hear()
        self.pid, self.port = int(ready["pid"]), int(ready["port"])

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the service ended with {self.process.wait()}:\n{self._errors.read()}")
        heard: dict[str, Any] = json.loads(line)
        return heard

    def ask(self) -> dict[str, Any]:
        """The signals and errors that it has noticed."""
        assert self.process.stdin is not None
        self.process.stdin.write("ask\n")
        self.process.stdin.flush()
        return self._hear()

    def status_changed(self) -> str:
        """What its parent would be told: that it stopped, went on, or ended."""
        seen = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WSTOPPED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT)
        return "" if seen is None else f"its parent was told of status {seen.si_status}, code {seen.si_code}"

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self._errors.close()


@contextmanager
def running(plan: Plan) -> Iterator[tuple[Service, Load]]:
    """The service and its clients."""
    service = Service(plan)
    try:
        load = Load(service.port)
        try:
            yield service, load
        finally:
            load.end()
    finally:
        service.end()


_OURS: set[int] = set()
"""Services of all sieges in this process: children, but no harm."""


def besiege(plan: Plan) -> Siege:
    """Attaches as often as planned; stops early only if the service is gone."""
    siege = Siege(plan)
    with running(plan) as (service, load):
        _OURS.add(service.pid)
        if not load.wait_for_answers(WARM_UP_ANSWERS):
            siege.lost.append("it does not answer before anybody attaches")
            return siege
        load.longest_s = 0.0
        dice, until = Random(plan.seed), time.monotonic() + plan.duration_s
        _attach(siege, service, load, dice, "copy", None)  # whatever is done once only
        before = read_state(service.pid)
        ways = itertools.cycle(plan.ways)
        expected_s = _FIRST_GUESS_S
        while siege.attaches < plan.attaches and time.monotonic() < until and len(siege.lost) < _MOST_TOLD:
            kill = siege.killed * 2 < siege.attaches
            way = dice.choice(plan.ways) if kill else next(ways)
            done = _attach(siege, service, load, dice, way, dice.uniform(0, expected_s) if kill else None)
            if not kill:
                expected_s = (expected_s + done.took_s) / 2
            siege.attaches += 1
            siege.killed += done.killed
            siege.ways.update([] if done.killed else [done.strategy])
            siege.longest_pause_ms = max(siege.longest_pause_ms, done.pause_ms)
            if service.process.poll() is not None:
                siege.lost.append("the service is gone")
                return siege
        _judge(siege, service, load, before)
    return siege


def _attach(siege: Siege, service: Service, load: Load, dice: Random, way: str, kill_after_s: float | None) -> Attack:
    """One attach, and everything that is looked at after each."""
    try:
        before = read_state(service.pid)
        done = attack(service.pid, way, siege.plan.folder, kill_after_s, dice, SESSIONS)
        lost = harm(service.pid, before, _OURS)
    except OSError as error:
        done, lost = Attack(0.0, True), [f"its state cannot be read: {error}"]
    lost += [done.wrong] if done.wrong else []
    told = service.status_changed()
    lost += [told] if told else []
    if not load.wait_for_answers(1):
        lost.append("it no longer answers")
    siege.lost += [
        f"attach {siege.attaches} ({way}, {'killed' if kill_after_s else 'let finish'}): {each}" for each in lost
    ]
    return done


def _judge(siege: Siege, service: Service, load: Load, before: State) -> None:
    """Everything that is looked at once, at the end."""
    load.end()
    said = service.ask()
    if said["signals"] or said["errors"] or said["sessions"] != SESSIONS:
        siege.lost.append(f"the service noticed: {json.dumps(said)[:500]}")
    after = read_state(service.pid)
    siege.lost += outgrown(before, after)
    siege.lost += load.wrong[:_MOST_TOLD]
    siege.answers, siege.wrong, siege.longest_answer_s = load.right, len(load.wrong), load.longest_s
    siege.private_before, siege.private_after = before.private_bytes, after.private_bytes
    siege.descriptors = len(before.descriptors)
