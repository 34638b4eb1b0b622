"""What users can do wrong: one line, one line of help, the exit code of the kind, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.commands import clean_environment, command, leakscope
from leakscope.errors import EXIT_ATTACH, EXIT_BUG, EXIT_INPUT, EXIT_USAGE

NO_SUCH_PID = 2**22 + 1
"""Above the kernel's largest pid_max."""


def complaint(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The message line, after checking everything that holds for all complaints."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("leakscope: ")
    assert lines[1].startswith("help: ")
    assert len(lines[1]) > len("help: ")
    return lines[0]


@pytest.mark.parametrize("name", ["snapshot", "sessions", "chains", "top"])
def test_no_such_process(name: str, tmp_path: Path) -> None:
    done = leakscope(name, NO_SUCH_PID, cwd=tmp_path)
    assert str(NO_SUCH_PID) in complaint(done, EXIT_ATTACH)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["snapshot", "sessions", "chains", "top"])
def test_the_process_is_a_shell(name: str, tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE) as shell:
        done = leakscope(name, shell.pid, cwd=tmp_path)
        assert shell.poll() is None
        shell.communicate(b"\n")
    complaint(done, EXIT_ATTACH)
    assert list(tmp_path.iterdir()) == []


def test_a_fork_that_cannot_be_is_refused_and_not_replaced(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as python:
        assert python.stdout is not None and python.stdout.readline()
        os.kill(python.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, python.pid, os.WSTOPPED | os.WNOWAIT)
        done = leakscope("snapshot", python.pid, "--pause", "fork", cwd=tmp_path)
        python.kill()
    assert "cannot be forked: it is stopped" in complaint(done, EXIT_ATTACH)
    assert "--pause copy" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_json_changes_nothing_about_complaints(tmp_path: Path) -> None:
    complaint(leakscope("sessions", NO_SUCH_PID, "--json", cwd=tmp_path), EXIT_ATTACH)
    complaint(leakscope("top", "absent.leakscope", "--json", cwd=tmp_path), EXIT_INPUT)


@pytest.mark.parametrize("name", ["sessions", "chains", "top"])
def test_a_snapshot_file_that_is_none(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.leakscope").touch()
    (tmp_path / "damaged.leakscope").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 64)
    (tmp_path / "device.leakscope").symlink_to("/dev/zero")
    for source in ("absent.leakscope", "empty.leakscope", "damaged.leakscope", "device.leakscope", tmp_path):
        assert Path(source).name in complaint(leakscope(name, source, cwd=tmp_path), EXIT_INPUT)


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "device").symlink_to("/dev/null")
    for output in ("no/such/folder/a.leakscope", "file/a.leakscope", ".", "device", "/proc/a.leakscope"):
        # The process does not exist either: the output is looked at first.
        message = complaint(leakscope("snapshot", NO_SUCH_PID, "-o", output, cwd=tmp_path), EXIT_INPUT)
        assert "cannot write" in message
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["top"],
        ["top", "1", "2"],
        ["top", "1", "--limit", "0"],
        ["top", "1", "--limit", "many"],
        ["chains", "1", "--at", "nowhere"],
        ["chains", "1", "--at", "0x10", "--class", "dict"],
        ["snapshot", "file.leakscope"],
        ["snapshot", "-5"],
        ["snapshot", "1", "--pause", "perhaps"],
        ["sessions", "file.leakscope", "--pause", "none"],
        ["sessions", "file.leakscope", "--reveal"],
        ["sessions", "file.leakscope", "--watch", "1s"],
        ["sessions", "1", "--older-than", "30"],
        ["sessions", "1", "--older-than", "soon"],
        ["sessions", "1", "--older-than", "1m2x"],
        ["sessions", "1", "--idle-longer-than", "9" * 400 + "d"],
        ["chains", "1", "--id", "a", "--class", "dict"],
        ["diff"],
        ["diff", "a.leakscope"],
        ["diff", "1", "2"],
        ["--nonsense"],
    ],
    ids=lambda arguments: " ".join(arguments)[:60],
)
def test_usage(arguments: list[str], tmp_path: Path) -> None:
    complaint(leakscope(*arguments, cwd=tmp_path), EXIT_USAGE)


def test_a_complaint_cannot_steer_the_terminal(tmp_path: Path) -> None:
    message = complaint(leakscope("top", "evil\x1b[2J\n\u202e.leakscope", cwd=tmp_path), EXIT_INPUT)
    assert r"evil\x1b[2J\x0a\u202e.leakscope" in message


def run_main(patch: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``main`` in a process of its own in which ``patch`` has replaced something."""
    program = f"import sys\n{patch}\nfrom leakscope.cli.main import main\nmain(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**clean_environment(), **environment},
    )


def failing(exception: str) -> str:
    return (
        "import leakscope.target.processes as room\n"
        f"def list_processes(): raise {exception}\n"
        "room.list_processes = list_processes"
    )


def test_a_bug_is_called_one_and_its_traceback_is_shown_on_request() -> None:
    patch = failing("ZeroDivisionError('never')")
    assert "bug in leakscope: ZeroDivisionError: never" in complaint(run_main(patch, "ps"), EXIT_BUG)
    told = run_main(patch, "ps", LEAKSCOPE_DEBUG="1")
    assert told.returncode == EXIT_BUG
    assert "Traceback" in told.stderr
    assert "list_processes" in told.stderr


def test_too_little_memory_is_no_bug() -> None:
    assert "not enough memory" in complaint(run_main(failing("MemoryError"), "ps"), EXIT_INPUT)


def test_control_c_is_one_line() -> None:
    done = run_main(failing("KeyboardInterrupt"), "ps")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr.split() == ["leakscope:", "interrupted"]


def test_a_real_control_c_while_the_demo_runs_stops_everything(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("demo", "--keep", tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        start_new_session=True,
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        first_line = demo.stdout.readline()
        service = int(first_line.partition("PID ")[2].partition(";")[0])
        assert Path(f"/proc/{service}").exists()
        demo.send_signal(signal.SIGINT)
        _, complained = demo.communicate(timeout=30)
    assert demo.returncode == 130
    assert complained.split() == ["leakscope:", "interrupted"]
    assert not Path(f"/proc/{service}").exists()


def test_the_service_ends_with_a_demo_that_is_killed() -> None:
    with subprocess.Popen(
        command("demo"), stdout=subprocess.PIPE, text=True, env=clean_environment(), start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        service = int(demo.stdout.readline().partition("PID ")[2].partition(";")[0])
        demo.kill()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{service}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{service}").exists()


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        command("--help"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" | head -c 1', "sh", *command("ps", "--all", "--json")],
        capture_output=True,
        env=clean_environment(),
    )
    assert (done.stdout, done.stderr) == (b"{", b"")
