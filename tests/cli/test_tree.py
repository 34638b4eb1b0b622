"""``snapshot --tree``: the families of real servers, and what else may hang below a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.commands import ROOT, clean_environment, leakscope
from leakscope.cli.tree import exit_code, take_family
from leakscope.errors import AttachError
from leakscope.findings.model import Snapshot
from leakscope.formats.leakscope_file import load
from leakscope.target.processes import family
from tests.catalogue.environments import with_libraries
from tests.catalogue.servers import free_port
from tests.cli.support import document
from tests.interpreters import one_per_version

TARGETS = ROOT / "fixtures" / "targets"
SERVERS = {
    "gunicorn": ("dify", ["gunicorn", "--workers=2", "--no-control-socket", "--bind=127.0.0.1:{port}"], "wsgi"),
    "uvicorn": ("services", ["uvicorn", "--workers=2", "--port={port}"], "asgi"),
}
PATIENCE_S = 40
EASY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(100)"])
other = subprocess.Popen(["sleep", "100"])
print("up", flush=True)
sys.stdin.readline()
for each in (child, other):
    each.kill()
    each.wait()
"""


@contextmanager
def serving(server: str, *, workers: int = 2) -> Iterator[tuple[int, set[int]]]:
    """The server's PID, and those of its workers once each of them has answered."""
    group, arguments, application = SERVERS[server]
    interpreter = next(each for each in one_per_version() if each.version[:2] == (3, 11))
    port = free_port()
    command = [str(with_libraries(interpreter, group)), "-m", *(each.format(port=port) for each in arguments)]
    process = subprocess.Popen(
        [*command, f"family_app:{application}"],
        cwd=TARGETS,
        env={**os.environ, "FAMILY_HELPER": "sleep 100"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process.pid, answering(port, workers)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answering(port: int, workers: int) -> set[int]:
    seen: set[int] = set()
    deadline = time.monotonic() + PATIENCE_S
    while len(seen) < workers:
        assert time.monotonic() < deadline, f"only {seen} answered within {PATIENCE_S} s"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                seen.add(int(answer.read()))
        except OSError:
            time.sleep(0.05)
    return seen


@contextmanager
def easy() -> Iterator[tuple[int, int, int]]:
    """PIDs of a Python, of its Python child, and of its child that is none."""
    command = [sys.executable, "-c", EASY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(2)] == ["up\n"] * 2
            names = {row.command: row.pid for row in family(process.pid)[1:]}
            yield process.pid, next(pid for name, pid in names.items() if name != "sleep"), names["sleep"]
        finally:
            process.communicate("end\n")


@pytest.mark.parametrize("server", SERVERS)
def test_all_workers_of_a_server_are_taken(server: str, tmp_path: Path) -> None:
    with serving(server) as (pid, workers):
        told = document("snapshot", "--tree", pid, "-o", tmp_path / "family")
    members = {member["pid"]: member for member in told["processes"]}
    assert told["processes"][0]["pid"] == pid
    assert {pid, *workers} <= {one for one, member in members.items() if member["snapshot"]}
    assert {members[worker]["parent"] for worker in workers} == {pid}
    assert {m["reason"] for m in members.values() if m["command"] == "sleep"} == {"it runs no CPython"}
    files = sorted((tmp_path / "family").iterdir())
    assert files == sorted(Path(m["snapshot"]["path"]) for m in members.values() if m["snapshot"])
    for worker in workers:
        path = Path(members[worker]["snapshot"]["path"])
        assert path.name.startswith(f"leakscope-{worker}-")
        assert members[worker]["snapshot"]["pause_ms"] > 0
        graph = load(path)
        assert graph.facts["pid"] == worker
        assert any(name == "family_app.ChatSession" for name in graph.types.name)
    if server != "gunicorn":
        return
    # What is asked of the files knows that they are of different processes.
    paths = [one["snapshot"]["path"] for one in told["processes"] if one["pid"] in workers]
    assert document("diff", *paths)["same_process"] is False
    assert "different processes" in leakscope("suspects", *paths).stdout


def test_the_table_shows_pauses_and_what_was_skipped(tmp_path: Path) -> None:
    with easy() as (pid, child, other):
        done = leakscope("snapshot", "--tree", pid, cwd=tmp_path)
        listed = leakscope("ps").stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == [str(pid), str(child)]
    assert all(" ms " in line and f"leakscope-{line.split()[0]}-" in line for line in lines[1:3])
    assert f"skipped: {other} sleep: it runs no CPython" in lines
    assert len(list(tmp_path.glob("leakscope-*.leakscope"))) == 2
    # ps: the child right below its parent, indented.
    rows = {line.split()[0]: line for line in listed}
    assert listed.index(rows[str(child)]) == listed.index(rows[str(pid)]) + 1
    name = Path(sys.executable).resolve().name
    assert rows[str(child)].index(name) == rows[str(pid)].index(name) + 2


def test_one_that_vanishes_does_not_keep_the_others_from_being_taken() -> None:
    with easy() as (pid, child, _):
        rows = family(pid)

        def take(each: int) -> Snapshot:
            from leakscope.target.attach import capture

            if each == pid:
                os.kill(child, signal.SIGKILL)
                while Path(f"/proc/{child}/maps").read_bytes():
                    time.sleep(0.01)
            return Snapshot(None, capture(each).facts.pid, "cpython", "", None, 0, 0, None, None, None, None, None)

        members = {member.pid: member for member in take_family(rows, take)}
    assert members[pid].snapshot is not None and members[pid].snapshot.pid == pid
    assert members[child].snapshot is None and not members[child].refused
    assert exit_code(members.values()) == 0


def test_a_python_that_is_refused_is_told_by_the_exit_code(tmp_path: Path) -> None:
    with easy() as (pid, child, _):
        tracing = subprocess.Popen(
            [sys.executable, str(ROOT / "tests/target/programs/tracer.py"), str(child)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(),
        )
        assert tracing.stdout is not None and tracing.stdout.readline()
        try:
            told = document("snapshot", "--tree", pid, "-o", tmp_path, code=4)
        finally:
            tracing.kill()
            tracing.communicate()
    refused = [member for member in told["processes"] if member["refused"]]
    assert [member["pid"] for member in refused] == [child] and "traced" in refused[0]["reason"]
    assert told["processes"][0]["snapshot"]["pid"] == pid


def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with easy() as (_, _, other):
        for arguments, code, said in [
            (["0"], 2, "0 is no PID"),
            ([str(file)], 3, "neither a PID nor"),
            ([other, "-o", file], 3, "it is a file"),
            ([other, "-o", tmp_path / "a" / "b"], 3, "No such file or directory"),
            ([other, "-o", tmp_path / "new"], 4, "None of the 1 processes runs a Python"),
            (["999999999", "-o", tmp_path / "not-made"], 4, "There is no process"),
        ]:
            done = leakscope("snapshot", "--tree", *arguments, cwd=tmp_path)
            assert (done.returncode, done.stdout) == (code, "")
            assert said in done.stderr and "help: " in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "not-made").exists()


def test_leakscope_below_the_process_is_left_out() -> None:
    rows = family(os.getppid())
    assert os.getpid() not in {row.pid for row in rows}
    with pytest.raises(AttachError, match="There is no process"):
        family(999999999)


def test_a_document_of_a_family_is_one_document(tmp_path: Path) -> None:
    with easy() as (pid, _, _):
        done = leakscope("snapshot", "--tree", pid, "-o", tmp_path, "--json")
    assert done.stderr == "" and json.loads(done.stdout)["source"] == str(pid)
