"""Stopping and releasing: no thread forgotten, no signal lost, nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from leakscope.errors import AttachError
from leakscope.target import attach
from leakscope.target.attach import capture
from leakscope.target.proc import threads
from leakscope.target.stop import while_stopped

from .support import ANY, PROGRAMS, SUPPORTED, Target, assert_let_go, read, running, thread_facts, wait_for


def states(pid: int) -> set[str]:
    return {state for state, _ in thread_facts(pid)}


def test_all_threads_stand_during_the_work_and_run_after_it() -> None:
    with running(ANY, "threads.py", "20", "0") as target:
        halted = while_stopped(target.pid, lambda check: (states(target.pid), threads(target.pid)))

        stood, tids = halted.result
        assert stood == {"t"}
        assert [thread.tid for thread in halted.threads] == sorted(tids) and len(tids) == 21
        assert halted.pause_s > 0
        assert_let_go(target.pid)
        target.ask()


@pytest.mark.parametrize("python", [SUPPORTED[0], SUPPORTED[-1]], ids=str)
def test_threads_born_all_the_time(python: Path) -> None:
    with running(python, "threads.py", "30", "2") as target:
        for _ in range(10):
            before = target.ask()["born"]

            def look(check: object) -> tuple[set[str], list[int], list[int]]:
                first = threads(target.pid)
                time.sleep(0.01)
                return states(target.pid), first, threads(target.pid)

            halted = while_stopped(target.pid, look)
            stood, first, later = halted.result
            assert stood == {"t"} and first == later
            assert sorted(thread.tid for thread in halted.threads) == sorted(first)
            assert_let_go(target.pid)
            wait_for(lambda before=before: target.ask()["born"] > before)


def test_image_of_a_target_in_a_thread_storm_knows_their_stacks() -> None:
    with running(ANY, "threads.py", "50", "1") as target:
        image = capture(target.pid)
        assert len(image.threads) >= 51
        assert all(
            start <= thread.stack_pointer < end
            for thread, (start, end) in zip(image.threads, image.stacks, strict=True)
        )
        assert_let_go(target.pid)


def test_stopped_target_is_read_and_stays_stopped() -> None:
    command = [str(ANY), str(PROGRAMS / "known.py")]
    with running(ANY, "parent.py", *command) as parent:
        pid, info = parent.info["pid"], parent.info["child"]
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: parent.ask()["signals"] == ["SIGCHLD"])
        for _ in range(3):
            image = capture(pid)
            assert read(image, info["block"], 256) == bytes(range(256))
            assert_let_go(pid, stopped=True)
        assert parent.ask() == {"signals": ["SIGCHLD"], "status": os.CLD_STOPPED}
        os.kill(pid, signal.SIGCONT)
        wait_for(lambda: "T" not in states(pid))


def test_parent_of_the_target_hears_nothing() -> None:
    command = [str(ANY), str(PROGRAMS / "threads.py"), "5", "1"]
    with running(ANY, "parent.py", *command) as parent:
        for _ in range(5):
            capture(parent.info["pid"])
        assert parent.ask() == {"signals": [], "status": None}
        assert_let_go(parent.info["pid"])


def test_no_signal_is_lost_or_invented(known: Target) -> None:
    done = threading.Event()

    def send() -> None:
        for _ in range(400):
            os.kill(known.pid, signal.SIGRTMIN)
            time.sleep(0.0005)
        done.set()

    sender = threading.Thread(target=send)
    sender.start()
    captures = 0
    while not done.is_set():
        while_stopped(known.pid, lambda check: None)
        captures += 1
    sender.join()
    assert captures > 10
    assert known.ask()["signals"] == 400
    assert_let_go(known.pid)


@pytest.mark.parametrize("interrupts", [1, 3])
def test_interrupt_while_the_target_stands(known: Target, monkeypatch: pytest.MonkeyPatch, interrupts: int) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def endless_copy(pid: int, ranges: object, into: object, helper: object, check: object) -> object:
        if states(known.pid) != {"t"}:
            return []  # the rehearsal
        for _ in range(interrupts):
            signal.pthread_kill(main, signal.SIGINT)
            time.sleep(0.02)
        while callable(check):
            check()
            time.sleep(0.001)
        return []

    monkeypatch.setattr(attach, "copy_ranges", endless_copy)
    with pytest.raises(KeyboardInterrupt):
        capture(known.pid)
    assert_let_go(known.pid)
    assert known.ask()["echo"] == "ask"
    assert signal.SIGTSTP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_leakscope_is_ended_while_the_target_stands(ending: signal.Signals) -> None:
    with running(ANY, "known.py", "600") as target:
        caught_standing = 0
        for _ in range(10):
            with running(sys.executable, "capture_once.py", str(target.pid), env=_env()) as leakscope:
                wait_for(lambda: "t" in states(target.pid) or leakscope.process.poll() is not None)
                caught_standing += "t" in states(target.pid)
                leakscope.process.send_signal(ending)
                leakscope.process.wait()
            assert_let_go(target.pid)
            assert target.ask()["echo"] == "ask"
            if caught_standing:
                break
        assert caught_standing


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(attach.__file__).parents[2])}


def test_target_that_is_an_own_child_may_be_polled_meanwhile(known: Target) -> None:
    assert while_stopped(known.pid, lambda check: known.process.poll()).result is None
    assert known.process.returncode is None


def test_failing_work_releases(known: Target) -> None:
    def fail(check: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        while_stopped(known.pid, fail)
    assert_let_go(known.pid)


def test_thread_inside_vfork_is_given_up_and_the_rest_runs_on() -> None:
    with running(ANY, "vfork.py", "5") as target:
        wait_for(lambda: "D" in states(target.pid))
        gaps = Gaps(target)
        with pytest.raises(AttachError, match=r"did not stop within 2 s \(state D\)") as caught:
            capture(target.pid)
        assert gaps.end() < 1.5, "it ran between the attempts"
        assert "--pause none" in caught.value.help
        assert {tracer for _, tracer in thread_facts(target.pid)} == {"0"}
        assert target.ask()["echo"] == "ask"
        assert len(capture(target.pid, "none").pages) > 100


class Gaps:
    """Asks a target all the time, in a thread, and remembers the longest time without an answer."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._stop = threading.Event()
        self._longest = 0.0
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            self._target.ask()
            self._longest = max(self._longest, time.monotonic() - began)

    def end(self) -> float:
        self._stop.set()
        self._thread.join()
        return self._longest


def test_child_inside_vfork_is_refused() -> None:
    with running(ANY, "vfork.py", "3") as target:
        children: list[str] = []
        while not children:
            tasks = Path(f"/proc/{target.pid}/task").iterdir()
            children = [pid for task in tasks for pid in (task / "children").read_text().split()]
        with pytest.raises(AttachError, match=f"between vfork and exec, in the memory of process {target.pid}"):
            capture(int(children[0]))
        assert_let_go(int(children[0]))
