"""The list of processes: what it knows, and what it must not tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.findings.model import ProcessRow
from leakscope.target import processes
from leakscope.target.processes import list_processes, short_name

from .support import ANY, SUPPORTED, TOO_OLD, Target, running


def row_of(target: Target) -> ProcessRow:
    (row,) = [row for row in list_processes() if row.pid == target.pid]
    return row


@pytest.mark.parametrize("python", SUPPORTED, ids=str)
def test_supported_interpreters(python: Path) -> None:
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
    with running(python, "threads.py", "3", "0") as target:
        row = row_of(target)
    assert (row.runtime, row.version, row.supported, row.reason) == ("cpython", version, True, None)
    assert row.command == "threads.py" and row.threads == 4 and row.connections == 0
    assert row.rss_bytes > 1 << 20 and row.open_files is not None and row.open_files >= 3


@pytest.mark.parametrize("python", TOO_OLD, ids=str)
def test_older_interpreters_are_listed_with_the_reason(python: Path) -> None:
    with running(python, "known.py") as target:
        row = row_of(target)
    assert row.runtime == "cpython" and not row.supported
    assert row.version is not None and row.version in (row.reason or "")


def test_arguments_are_never_told() -> None:
    with running(ANY, "known.py", "--token=hunter2", "hunter3") as target:
        row = row_of(target)
    assert row.command == "known.py" and "hunter" not in repr(row)


def test_leakscope_itself_is_not_listed_and_other_programs_are_unknown(known: Target) -> None:
    shell = subprocess.Popen(["sh", "-c", "echo; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert shell.stdout is not None
    shell.stdout.readline()
    rows = {row.pid: row for row in list_processes()}
    shell.communicate()

    assert os.getpid() not in rows and known.pid in rows
    assert rows[shell.pid].runtime == "unknown" and rows[shell.pid].reason == "it runs no CPython"
    assert list(rows) == sorted(rows)


def test_processes_that_vanish_are_left_out(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    monkeypatch.setattr(processes.psutil, "pids", lambda: [gone.pid, zombie.pid, known.pid])
    assert [row.pid for row in list_processes()] == [known.pid]
    zombie.wait()


def test_processes_of_others_are_listed_with_the_reason(known: Target) -> None:
    code = (
        "import os, sys; from leakscope.target.processes import list_processes\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setuid(65534)\n"
        "rows = {row.pid: row for row in list_processes()}; print(rows[int(sys.argv[1])].reason)"
    )
    pid = known.pid if os.geteuid() == 0 else 1
    told = subprocess.run([sys.executable, "-c", code, str(pid)], capture_output=True, text=True, check=True)
    assert told.stdout == "no rights: try sudo\n"


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["python3", "/srv/app/main.py", "--key", "x"], "main.py"),
        (["python3", "-m", "uvicorn", "app:app"], "uvicorn"),
        (["python3", "-muvicorn"], "uvicorn"),
        (["python3", "-Im", "http.server"], "http.server"),
        (["python3", "-X", "dev", "-Werror", "-W", "ignore", "-u", "job.py"], "job.py"),
        (["python3", "--check-hash-based-pycs", "never", "job.py"], "job.py"),
        (["python3", "-c", "secret = 'c0de'"], "python3.11"),
        (["python3", "-Icprint('c0de')"], "python3.11"),
        (["python3", "-"], "python3.11"),
        (["python3"], "python3.11"),
        (["/opt/venv/bin/python", "/opt/venv/bin/gunicorn", "app:app"], "gunicorn"),
        (["gunicorn: worker [token=x]"], "python3.11"),
        ([], "python3.11"),
    ],
)
def test_short_names(arguments: list[str], name: str) -> None:
    assert short_name("/usr/bin/python3.11", arguments) == name


def test_short_name_of_other_programs() -> None:
    assert short_name("/usr/bin/java", ["java", "-jar", "x.jar"]) == "java"
