"""``capture`` on real targets: what it gives, and what it refuses."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from leakscope.errors import AttachError, NoRightsError, TargetGoneError, UnsupportedTargetError, UsageError
from leakscope.target import attach, budget
from leakscope.target.attach import capture
from leakscope.target.budget import Plan
from leakscope.target.image import PAGE_BYTES

from .support import (
    ANY,
    PROGRAMS,
    SUPPORTED,
    TOO_OLD,
    Target,
    assert_let_go,
    environment,
    read,
    running,
    series,
    word,
)

PATTERN = bytes(range(256)) * 4096


@pytest.mark.parametrize("python", SUPPORTED, ids=str)
@pytest.mark.parametrize("pause", ["copy", "none"])
def test_copies_what_the_target_says_it_holds(python: Path, pause: str) -> None:
    with running(python, "known.py") as target:
        image = capture(target.pid, pause)

        info = target.info
        assert read(image, info["block"], info["pattern"]) == PATTERN
        assert word(image, info["mark"] + 8) == info["list"]
        (symbols,) = [module.symbols for module in image.modules if module.symbols]
        assert symbols["PyType_Type"] == info["type"]
        assert symbols["_Py_NoneStruct"] == info["none"]
        assert_let_go(target.pid)
        assert target.ask()["echo"] == "ask"


@pytest.mark.parametrize("python", SUPPORTED, ids=str)
def test_tells_version_modules_threads_and_facts(python: Path) -> None:
    begun = time.time()
    with running(python, "known.py") as target:
        image = capture(target.pid)
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]

    assert image.version == version
    assert image.modules[0].path == image.executable == os.path.realpath(python)
    assert any("libc" in module.path for module in image.modules)
    (thread,), (stack,) = image.threads, image.stacks
    assert thread.tid == target.pid
    assert stack[0] <= thread.stack_pointer < stack[1]
    assert len(thread.registers) == 15
    facts = image.facts
    assert facts.pid == target.pid and facts.strategy == "copy" and facts.warnings == ()
    assert facts.copied_bytes == len(image.buffer) == len(image.pages) * PAGE_BYTES
    assert facts.pause_ms > 0 and facts.captured_at >= begun and abs(facts.started_at - begun) < 10
    assert image.buffer.ctypes.data % 64 == 0
    assert (image.pages[1:] > image.pages[:-1]).all()


@pytest.mark.parametrize("python", SUPPORTED, ids=str)
def test_data_of_modules_is_in_the_image(python: Path) -> None:
    with running(python, "known.py") as target:
        image = capture(target.pid)

    (holder,) = [module for module in image.modules if module.symbols]
    for symbol in ("PyType_Type", "_PyRuntime"):
        address = holder.symbols[symbol]
        assert any(start <= address < end for start, end in holder.data_ranges)
        assert len(read(image, address, 64)) == 64
    for module in image.modules:
        assert all(start < end for start, end in module.data_ranges)
        assert list(module.data_ranges) == sorted(module.data_ranges)


def test_does_not_give_the_target_pages_it_never_touched(known: Target) -> None:
    before = resident_kib(known.pid)
    for _ in range(3):
        capture(known.pid)
    assert resident_kib(known.pid) - before < 64


def resident_kib(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0])


def test_without_pause_says_so(known: Target) -> None:
    image = capture(known.pid, "none")

    assert image.facts.strategy == "none" and image.facts.pause_ms == 0
    assert "while its memory was copied" in image.facts.warnings[0]
    assert [(thread.tid, thread.stack_pointer) for thread in image.threads] == [(known.pid, 0)]
    assert image.stacks == ((0, 0),)


def test_reports_progress(known: Target) -> None:
    seen: list[tuple[str, float]] = []
    capture(known.pid, progress=lambda stage, fraction: seen.append((stage, fraction)))

    assert [fraction for _, fraction in seen] == sorted(fraction for _, fraction in seen)
    assert seen[-1] == ("done", 1.0)


def test_constants_are_read_from_the_living_and_from_the_file_of_the_dead(known: Target) -> None:
    image, untouched = capture(known.pid), capture(known.pid)
    (symbols,) = [module.symbols for module in image.modules if module.symbols]
    living = image.read_only(symbols["Py_Version"], 8)
    assert living is not None and living[2:4] == bytes(reversed(series(ANY)))
    assert image.read_only(known.info["block"], 8) is None, "that is writable"
    known.end()

    assert image.read_only(symbols["Py_Version"], 8) == living
    assert untouched.read_only(symbols["Py_Version"], 8) == living
    assert untouched.read_only(8, 8) is None


def test_file_of_the_dead_is_not_read_where_the_linker_relocates_it(known: Target) -> None:
    image = capture(known.pid)
    maps = Path(f"/proc/{known.pid}/maps").read_text().splitlines()
    holder = next(module for module in image.modules if module.symbols)
    lines = [line.split() for line in maps if line.endswith(holder.path)]
    sealed = [line for line, after in pairwise(lines) if line[1] == "r--p" and after[1] == "rw-p"]
    address = int(sealed[-1][0].split("-")[0], 16)
    known.end()

    assert image.read_only(address, 64) is None


def test_library_deleted_since_and_path_with_blanks(tmp_path: Path) -> None:
    folder = tmp_path / "with blanks (deleted)"
    folder.mkdir()
    python = next(python for python in SUPPORTED if (python.parents[1] / "lib" / f"lib{python.name}.so.1.0").exists())
    library = Path(shutil.copy(python.parents[1] / "lib" / f"lib{python.name}.so.1.0", folder))
    with running(python, "known.py", env={**os.environ, "LD_LIBRARY_PATH": str(folder)}) as target:
        library.unlink()
        image = capture(target.pid)

    (holder,) = [module for module in image.modules if module.symbols]
    assert holder.path == str(library)
    assert holder.symbols["PyType_Type"] == target.info["type"]


def test_outgrown_buffer_is_enlarged_while_the_target_runs(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    true_room = attach._make_room
    sizes: list[int] = []

    def too_small_at_first(estimate: int, plan: Plan) -> attach.Room:
        sizes.append(estimate)
        assert_let_go(known.pid)
        return true_room(estimate, plan) if len(sizes) > 1 else attach.Room(4 * PAGE_BYTES)

    monkeypatch.setattr(attach, "_make_room", too_small_at_first)
    image = capture(known.pid)

    assert len(sizes) == 2
    assert read(image, known.info["block"], len(PATTERN)) == PATTERN


def test_not_enough_memory_for_a_copy(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "available_bytes", lambda: 1 << 20)
    with pytest.raises(AttachError, match="1 MiB of memory are available"):
        capture(known.pid)
    assert_let_go(known.pid)


@pytest.mark.parametrize("python", TOO_OLD, ids=str)
def test_refuses_older_versions_by_name(python: Path) -> None:
    with running(python, "known.py") as target:
        with pytest.raises(UnsupportedTargetError, match=r"CPython 3\.\d\.\d+ is older") as caught:
            capture(target.pid)
        version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        assert version in caught.value.message and caught.value.help
        assert_let_go(target.pid)


def test_refuses_no_such_process() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    with pytest.raises(TargetGoneError, match=f"no process {child.pid}"):
        capture(child.pid)


def test_refuses_a_shell() -> None:
    shell = subprocess.Popen(["sh", "-c", "read x"], stdin=subprocess.PIPE)
    try:
        with pytest.raises(UnsupportedTargetError, match="runs no CPython"):
            capture(shell.pid)
    finally:
        shell.communicate()


def test_refuses_itself_and_unknown_pauses(known: Target) -> None:
    with pytest.raises(AttachError, match="itself"):
        capture(os.getpid())
    with pytest.raises(UsageError, match="spoon") as caught:
        capture(known.pid, "spoon")
    assert "copy" in caught.value.help and "none" in caught.value.help


def test_refuses_a_zombie() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(AttachError, match="zombie"):
        capture(child.pid)
    assert child.wait() == 0


def test_refuses_a_thread_id() -> None:
    with running(ANY, "threads.py", "1", "0") as target:
        tid = max(int(task.name) for task in Path(f"/proc/{target.pid}/task").iterdir())
        with pytest.raises(AttachError, match=f"{tid} is a thread of process {target.pid}"):
            capture(tid)


def test_refuses_a_thread_of_the_kernel() -> None:
    with pytest.raises(AttachError, match="kernel"):
        capture(2)


def test_refuses_another_users_process() -> None:
    with running(ANY, "known.py") as target:
        nobody = ["65534"] if os.geteuid() == 0 else []
        pid = target.pid if nobody else 1
        with running(sys.executable, "capture_once.py", str(pid), *nobody, env=environment()) as other:
            outcome = other.hear()
    assert outcome["error"] == NoRightsError.__name__
    assert "sudo" in outcome["help"]


def test_refuses_a_traced_process_and_leaves_its_tracer_alone(known: Target) -> None:
    with running(sys.executable, "tracer.py", str(known.pid), env=environment()) as tracer:
        with pytest.raises(AttachError, match=f"already traced by process {tracer.pid}"):
            capture(known.pid)
        assert f"TracerPid:\t{tracer.pid}\n" in Path(f"/proc/{known.pid}/status").read_text()
        assert len(capture(known.pid, "none").pages) > 100


def test_process_ends_while_it_is_copied(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    true_copy = attach.copy_ranges

    def kill_first(*arguments: object) -> object:
        if "t" in Path(f"/proc/{known.pid}/stat").read_text().rpartition(")")[2].split()[0]:
            os.kill(known.pid, signal.SIGKILL)
            while Path(f"/proc/{known.pid}/statm").read_text().split()[0] != "0":
                time.sleep(0.001)
        copy: Callable[..., object] = true_copy
        return copy(*arguments)

    monkeypatch.setattr(attach, "copy_ranges", kill_first)
    with pytest.raises(TargetGoneError):
        capture(known.pid)
    assert known.process.wait() == -9, "its status belongs to its parent"


def test_process_becomes_another_program_meanwhile(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    true_maps = attach.read_maps
    calls: list[int] = []

    def other_maps_in_the_end(pid: int) -> list[attach.Mapping]:
        calls.append(pid)
        return true_maps(pid if len(calls) < 3 else os.getpid())

    monkeypatch.setattr(attach, "read_maps", other_maps_in_the_end)
    with pytest.raises(TargetGoneError, match="exec"):
        capture(known.pid)
    assert_let_go(known.pid)


@pytest.mark.parametrize("lifetime", range(0, 60, 3))
def test_short_lived_processes(lifetime: int) -> None:
    child = Target([str(ANY), str(PROGRAMS / "brief.py"), str(lifetime)])
    try:
        image = capture(child.pid)
        assert len(image.pages) > 100
    except AttachError as error:
        assert error.message
    assert child.process.wait(timeout=10) == 7
    child.end()
