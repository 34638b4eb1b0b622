"""A frozen fork: nobody notices it, whatever happens to leakscope or to the target meanwhile."""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leakscope.target import attach
from leakscope.target.attach import capture, captured
from leakscope.target.fork import CannotForkError, freeze
from leakscope.target.fork_checks import obstacle
from leakscope.target.fork_seccomp import run_filter
from leakscope.target.libc import read_memory
from leakscope.target.proc import read_status

from .support import (
    ANY,
    PROGRAMS,
    SUPPORTED,
    Target,
    assert_let_go,
    environment,
    read,
    running,
    series,
    thread_facts,
    wait_for,
)
from .test_attach import PATTERN

BEFORE_CHILD = ["written", "options", "registers", "masked", "entered"]
WITH_CHILD = ["cloned", "told", "left", "unmasked", "restored", "child stopped", "child held", "released"]
AT_THE_END = ["ending", "killed"]
WHILE_REAPING = [f"reap: {step}" for step in (*BEFORE_CHILD, "left", "unmasked", "restored")]
STEPS = [*BEFORE_CHILD, *WITH_CHILD, *AT_THE_END, *WHILE_REAPING]


EACH_SERIES = list({series(python): python for python in SUPPORTED}.values())


@pytest.fixture(scope="module")
def freezer() -> Iterator[Target]:
    with running(sys.executable, "freezer.py", env=environment()) as target:
        yield target


@pytest.fixture
def obeying() -> Iterator[Target]:
    with running(ANY, "obey.py") as target:
        yield target


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children_of(task)]


def _children_of(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def is_alone(pid: int) -> bool:
    return not children(pid) and {tracer for _, tracer in thread_facts(pid)} == {"0"}


def facts(target: Target) -> dict[str, Any]:
    found = target.ask()
    return {key: found[key] for key in ("children", "waited", "threads", "descriptors", "noticed")}


@pytest.mark.parametrize("python", EACH_SERIES, ids=str)
def test_leakscope_killed_at_any_step(freezer: Target, python: Path) -> None:
    with running(python, "worker.py", "pipe") as target:
        before = facts(target)
        assert freezer.ask(f"{target.pid} -")["steps"] == STEPS
        for step in [*STEPS, "hold"]:
            told = freezer.ask(f"{target.pid} {step}")
            assert told["at"] == step
            os.kill(told["leakscope"], signal.SIGKILL)
            wait_for(lambda: is_alone(target.pid))
            rounds = target.ask()["rounds"]
            wait_for(lambda rounds=rounds: target.ask()["rounds"] > rounds)
            assert facts(target) == before, step
        assert_let_go(target.pid)


@pytest.mark.parametrize("work", ["compute", "lock", "sleep"])
@pytest.mark.parametrize("step", ["registers", "cloned", "left", "reap: entered"])
def test_leakscope_killed_in_the_midst_whatever_the_thread_does(freezer: Target, work: str, step: str) -> None:
    with running(ANY, "worker.py", work) as target:
        told = freezer.ask(f"{target.pid} {step}")
        os.kill(told["leakscope"], signal.SIGKILL)
        rounds = target.ask()["rounds"]
        wait_for(lambda: is_alone(target.pid) and target.ask()["rounds"] > rounds)
        assert target.ask()["noticed"] == []


UPWARD = 0x800
PARTICULAR = (
    "import faulthandler; faulthandler.enable()",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])",
    "m = ctypes.CDLL('libm.so.6')",
    f"m.fesetround({UPWARD})",
    "old = (ctypes.c_long * 3)()",
)
STATE = (
    "answer = [libc.sigaltstack(None, old), *old, m.fegetround(), 1 / 3 + 1 / 3 > 2 / 3 or 2.0 + 1e-30 > 2.0,"
    " [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])]]"
)


@pytest.mark.parametrize("step", ["registers", "cloned", "unmasked", "hold", "reap: left"])
def test_rounding_mask_and_alternate_stack_survive(freezer: Target, obeying: Target, step: str) -> None:
    for line in PARTICULAR:
        obeying.ask(line)
    before = obeying.ask(STATE)
    assert before["answer"][4:] == [UPWARD, True, [signal.SIGUSR1]]
    os.kill(freezer.ask(f"{obeying.pid} {step}")["leakscope"], signal.SIGKILL)
    wait_for(lambda: is_alone(obeying.pid))
    assert obeying.ask(STATE) == before


@pytest.mark.parametrize("work", ["nanosleep", "poll", "futex", "lock", "sleep", "selects", "compute"])
def test_what_waits_goes_on_waiting_as_long_as_it_was_told(freezer: Target, work: str) -> None:
    with running(SUPPORTED[len(work) % len(SUPPORTED)], "worker.py", work) as target:
        for _ in range(5):
            assert freezer.ask(f"{target.pid} -")["steps"] == STEPS
        rounds = target.ask()["rounds"]
        wait_for(lambda: target.ask()["rounds"] > rounds + 1)
        assert target.ask()["noticed"] == []
        assert is_alone(target.pid)


def test_guard_killed_while_the_child_is_read(freezer: Target) -> None:
    with running(ANY, "worker.py", "pipe") as target:
        before = facts(target)

        def kill_guard(step: str) -> None:
            if step == "released":
                (guard,) = [pid for pid in children(os.getpid()) if b"fork_guard" in command(pid)]
                os.kill(guard, signal.SIGKILL)

        with freeze(target.pid, kill_guard) as frozen:
            assert frozen.pid in children(target.pid)
        assert facts(target) == before and is_alone(target.pid)


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_interrupted_reading_leaves_nothing() -> None:
    with running(ANY, "worker.py", "sleep") as target:
        before = facts(target)
        with pytest.raises(KeyboardInterrupt), freeze(target.pid):
            raise KeyboardInterrupt
        assert facts(target) == before and is_alone(target.pid)


@pytest.mark.parametrize("python", EACH_SERIES, ids=str)
def test_image_is_that_of_the_moment_of_the_fork(python: Path) -> None:
    with running(python, "known.py") as target:
        forked, copied = capture(target.pid, "fork"), capture(target.pid, "copy")

        assert read(forked, target.info["block"], target.info["pattern"]) == PATTERN
        assert set(forked.pages.tolist()) == set(copied.pages.tolist())
        assert forked.facts.strategy == "fork" and forked.facts.pause_ms > 0 and forked.facts.warnings == ()
        assert [thread.tid for thread in forked.threads] == [target.pid]
        assert is_alone(target.pid)
        assert target.ask()["echo"] == "ask"


def test_child_never_runs_and_the_target_does(obeying: Target) -> None:
    obeying.ask("number = ctypes.c_long(1)")
    address = obeying.ask("answer = ctypes.addressof(number)")["answer"]
    obeying.ask("def count():\n    while True: number.value += 1".replace("\n", "\\n").join(["exec('", "')"]))
    obeying.ask("threading.Thread(target=count, daemon=True).start()")
    with freeze(obeying.pid) as frozen:
        first, later = (read_memory(frozen.pid, address, 8), read_memory(obeying.pid, address, 8))
        wait_for(lambda: read_memory(obeying.pid, address, 8) != later)
        assert read_memory(frozen.pid, address, 8) == first
        assert read_status(frozen.pid)["State"].startswith("t")
        assert thread_facts(obeying.pid)[0][1] == "0"
    assert is_alone(obeying.pid)


def test_what_the_target_closes_is_closed(obeying: Target) -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    obeying.ask(f"fd = os.open('/proc/{os.getpid()}/fd/{writer}', os.O_WRONLY)")
    os.close(writer)
    with freeze(obeying.pid):
        obeying.ask("os.close(fd)")
        assert os.read(reader, 1) == b"", "somebody else holds the pipe open"
    os.close(reader)


def test_programs_own_reaping_goes_on_as_ever(obeying: Target) -> None:
    obeying.ask("import subprocess")
    with freeze(obeying.pid) as frozen:
        assert children(obeying.pid) == [frozen.pid]
        assert obeying.ask("exec('try: os.wait()\\nexcept ChildProcessError: answer = True')")["answer"]
        told = obeying.ask("answer = subprocess.call(['false'])")
        assert told == {"answer": 1, "noticed": ["SIGCHLD"]}
    assert obeying.ask("signal.signal(signal.SIGCHLD, signal.SIG_IGN)")["noticed"] == ["SIGCHLD"]
    with freeze(obeying.pid):
        pass
    assert is_alone(obeying.pid)


def test_target_that_becomes_another_program_is_rid_of_the_child() -> None:
    with running(ANY, "obey.py") as target:
        with freeze(target.pid):
            line = f"os.execv({str(ANY)!r}, [{str(ANY)!r}, {str(PROGRAMS / 'obey.py')!r}])"
            assert target.ask(line)["pid"] == target.pid
        assert is_alone(target.pid)


def test_target_may_end_meanwhile(obeying: Target) -> None:
    with freeze(obeying.pid) as frozen:
        obeying.process.kill()
        assert obeying.process.wait() == -signal.SIGKILL
    wait_for(lambda: not Path(f"/proc/{frozen.pid}").exists())


def test_target_stopped_meanwhile_stays_stopped(obeying: Target) -> None:
    with freeze(obeying.pid):
        os.kill(obeying.pid, signal.SIGSTOP)
        wait_for(lambda: {state for state, _ in thread_facts(obeying.pid)} == {"T"})
    assert children(obeying.pid) == []
    assert_let_go(obeying.pid, stopped=True)
    os.kill(obeying.pid, signal.SIGCONT)
    assert obeying.ask("answer = 1")["answer"] == 1


def test_no_signal_is_lost_or_invented(known: Target) -> None:
    done = threading.Event()

    def send() -> None:
        for _ in range(300):
            os.kill(known.pid, signal.SIGRTMIN)
            time.sleep(0.001)
        done.set()

    sender = threading.Thread(target=send)
    sender.start()
    forked = 0
    while not done.is_set():
        with freeze(known.pid):
            forked += 1
    sender.join()
    assert forked
    assert known.ask()["signals"] == 300
    assert is_alone(known.pid)


def filtered(*instructions: tuple[int, int, int, int]) -> list[str]:
    """Lines that put the own system calls under a seccomp filter."""
    code = b"".join(struct.pack("<HBBI", *each) for each in instructions).hex()
    return [
        "class Program(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('at', ctypes.c_void_p)]",
        f"code = ctypes.create_string_buffer(bytes.fromhex('{code}'))",
        "libc.prctl(38, 1, 0, 0, 0)",
        f"answer = libc.prctl(22, 2, ctypes.byref(Program({len(instructions)}, ctypes.addressof(code))), 0, 0)",
    ]


ALLOW, REFUSE, NUMBER = (0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001), (0x20, 0, 0, 0)
UNFORKABLE = {
    "seccomp forbids": filtered(NUMBER, (0x15, 0, 1, 56), REFUSE, ALLOW),
    "MADV_DONTFORK": ["import mmap", "m = mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE)", "m.madvise(10)"],
}


def test_filter_that_allows_it_is_no_obstacle(obeying: Target) -> None:
    for line in filtered(NUMBER, (0x15, 0, 1, 57), REFUSE, ALLOW):
        told = obeying.ask(line)
    assert told["answer"] == 0 and read_status(obeying.pid)["Seccomp"] == "2"
    assert capture(obeying.pid, "fork").facts.strategy == "fork"
    assert is_alone(obeying.pid) and obeying.ask("answer = 4") == {"answer": 4, "noticed": []}


def test_filters_are_understood() -> None:
    """As libseccomp writes them: the architecture, ranges, masks of arguments, arithmetic."""
    code = [
        (0x20, 0, 0, 4),
        (0x15, 1, 0, 0xC000003E),
        (0x06, 0, 0, 0),
        NUMBER,
        (0x35, 0, 3, 100),
        (0x20, 0, 0, 16),
        (0x54, 0, 0, 0x7E020000),
        (0x15, 1, 0, 0),
        REFUSE,
        ALLOW,
    ]
    assert run_filter(code, 56, (0x7E020000,) * 6) == REFUSE[3]
    assert run_filter(code, 231, (0,) * 6) == ALLOW[3]
    assert run_filter(code, 231, (0x10000000,) * 6) == REFUSE[3]
    scratch = [(0x00, 0, 0, 6), (0x02, 0, 0, 3), (0x07, 0, 0, 0), (0x60, 0, 0, 3), (0x0C, 0, 0, 0), (0x16, 0, 0, 0)]
    assert run_filter(scratch, 0, (0,) * 6) == 12


@pytest.mark.parametrize("reason", list(UNFORKABLE))
def test_what_cannot_be_forked_is_copied_with_the_reason(
    obeying: Target, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setattr(attach, "FORK_FROM_BYTES", 0)
    for line in UNFORKABLE[reason]:
        obeying.ask(line)
    with captured(obeying.pid, "auto") as image:
        assert image.facts.strategy == "copy" and reason in image.facts.warnings[0]
    with pytest.raises(CannotForkError, match=reason) as caught:
        capture(obeying.pid, "fork")
    assert "--pause copy" in caught.value.help
    assert is_alone(obeying.pid) and obeying.ask("answer = 2") == {"answer": 2, "noticed": []}


def test_stopped_target_is_copied(obeying: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attach, "FORK_FROM_BYTES", 0)
    os.kill(obeying.pid, signal.SIGSTOP)
    wait_for(lambda: {state for state, _ in thread_facts(obeying.pid)} == {"T"})
    with captured(obeying.pid, "auto") as image:
        assert image.facts.strategy == "copy" and "it is stopped" in image.facts.warnings[0]
    assert_let_go(obeying.pid, stopped=True)


def test_at_the_limit_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(ANY, "obey.py", user=12345) as target:
        target.ask("import resource; resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))")
        with pytest.raises(CannotForkError, match="limit of 1 processes"):
            capture(target.pid, "fork")
        monkeypatch.setattr(attach, "obstacle", lambda pid, size: None)
        with pytest.raises(CannotForkError, match="clone: Resource temporarily unavailable"):
            capture(target.pid, "fork")
        assert is_alone(target.pid) and target.ask("answer = 3") == {"answer": 3, "noticed": []}


def test_without_memory_for_what_the_target_writes(obeying: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leakscope.target.fork_checks._meminfo", lambda name: 1 << 20)
    with pytest.raises(CannotForkError, match="1 MiB are available"):
        capture(obeying.pid, "fork")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"pids.max": 7, "pids.current": 7}, "cgroup is at the limit of 7 processes"),
        ({"memory.max": 50 << 20, "memory.current": 9 << 20}, "41 MiB are available"),
        ({"memory.max": "max", "memory.high": 50 << 20, "memory.current": 49 << 20}, "1 MiB are available"),
        ({"pids.max": "max", "pids.current": 7, "memory.max": "max", "memory.current": 9 << 20}, None),
    ],
)
def test_limits_of_a_cgroup(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, int | str], reason: str | None
) -> None:
    monkeypatch.setattr("leakscope.target.fork_checks._GROUPS", tmp_path)
    for folder in (tmp_path, tmp_path / "pids", tmp_path / "memory"):  # version 2; version 1
        folder.mkdir(exist_ok=True)
        for name, value in files.items():
            (folder / name).write_text(f"{value}\n")
    found = obstacle(os.getpid(), 60 << 20)
    assert (found is None) if reason is None else found and reason in found


def test_small_targets_are_copied(known: Target) -> None:
    with captured(known.pid, "auto") as image:
        assert image.facts.strategy == "copy" and image.facts.warnings == ()
