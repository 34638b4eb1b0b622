"""A short soak, and that each kind of harm would be seen in a long one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leakscope.target import libc
from tests.soak.load import Load
from tests.soak.siege import Plan, Service
from tests.soak.state import harm, outgrown, read_state

ROOT = Path(__file__).parents[2]
HARMED = """
import os, signal, subprocess, sys, threading
kept = []
pipe = os.pipe()
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
HARMS = {
    "child": ("kept.append(subprocess.Popen(['sleep', '60']))", "it has a child"),
    "zombie": ("kept.append(subprocess.Popen(['true']))", "Z (zombie)"),
    "descriptor": ("kept.append(open('/dev/null'))", "descriptors changed"),
    "flags": ("os.set_blocking(pipe[0], False)", "flags of descriptors changed"),
    "handler": ("signal.signal(signal.SIGUSR2, print)", "caught were"),
    "blocked": ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])", "signals blocked"),
    "thread": ("threading.Thread(target=threading.Event().wait, daemon=True).start()", "threads were"),
}


class Harmed:
    """A process that does to itself what it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HARMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = self.process.pid
        self._hear()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()

    def do(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        self._hear()


@pytest.fixture
def harmed() -> Iterator[Harmed]:
    target = Harmed()
    yield target
    for child in target.process.stdin, target.process.stdout:
        assert child is not None
        child.close()
    target.process.kill()
    target.process.wait()


def told(harmed: Harmed, do: Callable[[], object]) -> str:
    """What ``harm`` says after ``do``; nothing before."""
    before = read_state(harmed.pid)
    ours = {harmed.pid}
    assert harm(harmed.pid, before, ours, within_s=1.0) == []
    do()
    return "; ".join(harm(harmed.pid, before, ours, within_s=0.1))


@pytest.mark.parametrize("name", HARMS)
def test_what_an_attach_could_leave_behind_is_seen(harmed: Harmed, name: str) -> None:
    line, expected = HARMS[name]
    assert expected in told(harmed, lambda: harmed.do(line))
    harmed.do("[each.kill() for each in kept if hasattr(each, 'kill')]")


def test_a_stopped_a_traced_and_a_dead_process_are_seen(harmed: Harmed) -> None:
    assert "stopped" in told(harmed, lambda: harmed.process.send_signal(signal.SIGSTOP))
    harmed.process.send_signal(signal.SIGCONT)
    assert "is traced by" in told(harmed, lambda: libc.ptrace(libc.PTRACE_SEIZE, harmed.pid))
    libc.ptrace(libc.PTRACE_INTERRUPT, harmed.pid)
    time.sleep(0.05)
    libc.ptrace(libc.PTRACE_DETACH, harmed.pid)

    def end() -> None:
        harmed.process.kill()
        harmed.process.wait()

    assert "gone" in told(harmed, end)


def test_memory_that_grows_is_seen(harmed: Harmed) -> None:
    before = read_state(harmed.pid)
    assert outgrown(before, read_state(harmed.pid)) == []
    harmed.do("kept.append(bytes(range(256)) * (40 << 12))")
    assert "private memory grew" in outgrown(before, read_state(harmed.pid))[0]


def test_a_wrong_answer_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = Service(Plan("threads", Path(sys.executable), "", tmp_path, 0, 0.0, 0))
    try:
        load = Load(service.port)
        assert load.wait_for_answers(5)
        monkeypatch.setattr("tests.soak.load.answer", lambda number: "another")
        until = time.monotonic() + 5
        while not load.wrong and time.monotonic() < until:
            time.sleep(0.01)
        load.end()
    finally:
        service.end()
    assert load.wrong


def test_a_short_soak_loses_nothing() -> None:
    series = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, "-m", "tests.soak", "8", "--python", series, "--services", "asyncio,threads"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^8 attaches in \d+ s, ([2-5]) of them killed", done.stdout, re.M), done.stdout
    assert "Lost: nothing." in done.stdout
    for service in ("asyncio", "threads"):
        assert re.search(rf"^\| {service} \| {series}", done.stdout, re.M)
