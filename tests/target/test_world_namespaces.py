"""Processes that see another world than leakscope: namespaces, other roots, deleted programs, other processors."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leakscope.cpython.layouts import layout_for
from leakscope.cpython.reader import read_heap
from leakscope.errors import UnsupportedTargetError
from leakscope.graph.kinds import Root
from leakscope.target import doctor
from leakscope.target.attach import capture
from leakscope.target.maps import Mapping, read_maps
from leakscope.target.processes import family
from leakscope.target.runtimes import find_python

from .support import PROGRAMS, SUPPORTED, Target, environment

PYTHON = SUPPORTED[-1]
LIBRARY = "lib/libpython3.*.so.1.0"
SHARED = next(python.resolve() for python in SUPPORTED if [*python.resolve().parents[1].glob(LIBRARY)])
"""A CPython whose code is in a library."""
NOBODY = 65534
AS_NOBODY = f"""
import ctypes, json, os, sys, threading
with open({str(PROGRAMS / "world.py")!r}) as file:
    code = compile(file.read(), "world.py", "exec")
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: as if it had been started by that user
exec(code)
"""
PLAIN = f"import runpy; runpy.run_path({str(PROGRAMS / 'world.py')!r}, run_name='__main__')"
CAPTURE_AS_NOBODY = f"""
import os, sys
from leakscope.cpython.reader import read_heap
from leakscope.errors import LeakscopeError
from leakscope.target.attach import capture
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
try:
    graph = read_heap(capture(int(sys.argv[1])))
    print(sum(graph.types.name[row] == "__main__.WorldSession" for row in graph.type))
except LeakscopeError as error:
    print(error.message)
"""


def kept(pid: int) -> int:
    """How many of the objects that ``world.py`` keeps are found."""
    graph = read_heap(capture(pid))
    names = {graph.names[name] for name in graph.roots.name[graph.roots.kind == Root.FRAME]}
    assert {"MainThread", "world thread"} <= names
    return sum(graph.types.name[row] == "__main__.WorldSession" for row in graph.type)


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[Target]:
    target = Target(command, **options)
    try:
        yield target
    finally:
        target.end()


def test_user_pid_and_mount_namespaces() -> None:
    """As in a rootless container: another PID, another root, and thread ids of its own."""
    isolated = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with started([*isolated, str(PYTHON), str(PROGRAMS / "world.py")]) as target:
        assert target.info["pid"] == 1
        (row,) = [row for row in family(target.pid) if row.runtime == "cpython"]
        assert row.pid != 1 and row.pid_inside == 1 and row.supported
        assert kept(row.pid) == target.info["kept"]
        image = capture(row.pid)
        checks = {check.name: check.detail for check in doctor.check(row.pid)}
    assert [thread.inside for thread in image.threads] == [1, 2]
    assert checks["pid namespace"].endswith("it knows itself as PID 1")
    assert checks["user namespace"].startswith("another")


def test_threads_of_a_pid_namespace_keep_their_names() -> None:
    """What only a C stack holds is told with the name of its thread, by the id that Python knows it by."""
    isolated = ["unshare", "--pid", "--fork", "--kill-child"]
    code = (
        "import threading, time; beside = threading.Thread(target=time.sleep, args=(100,), daemon=True, name='nap')\n"
        f"beside.start(); import runpy; runpy.run_path({str(PROGRAMS / 'world.py')!r}, run_name='__main__')"
    )
    with started([*isolated, str(PYTHON), "-c", code]) as target:
        (row,) = [row for row in family(target.pid) if row.runtime == "cpython"]
        graph = read_heap(capture(row.pid))
    stacks = {graph.names[name] for name in graph.roots.name[graph.roots.kind == Root.C_STACK]}
    assert stacks and not any(name.startswith("thread ") for name in stacks)


def test_another_root_in_another_mount_namespace(tmp_path: Path) -> None:
    """As in a container: the kernel tells names of files as the process sees them."""
    enter = f"mount --rbind / {tmp_path} && exec chroot {tmp_path} {PYTHON} {PROGRAMS / 'world.py'}"
    with started(["unshare", "--mount", "sh", "-c", enter]) as target:
        assert kept(target.pid) == target.info["kept"]


def test_another_root_in_the_same_mount_namespace(tmp_path: Path) -> None:
    """As after chroot: names begin with the root's own, and do not lead anywhere below it."""
    program = f"{sys.executable} {PROGRAMS / 'below_root.py'} {tmp_path} {PYTHON} {PROGRAMS / 'world.py'}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount --rbind / {tmp_path} && exec {program}"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"executable": f"{tmp_path}{PYTHON.resolve()}", "sessions": 1000}


@contextmanager
def copy_of_python(code: str) -> Iterator[tuple[list[str], dict[str, str], Path, Path]]:
    """A command and its environment, and the executable and the library that it runs, which may be deleted."""
    with tempfile.TemporaryDirectory(prefix="leakscope-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        (original,) = SHARED.parents[1].glob(LIBRARY)
        executable, library = shutil.copy(SHARED, home / SHARED.name), shutil.copy(original, home / original.name)
        variables = {"LD_LIBRARY_PATH": folder, "PYTHONHOME": str(SHARED.parents[1])}
        yield [str(executable), "-c", code], {**os.environ, **variables}, executable, library


def test_programs_that_an_upgrade_has_replaced() -> None:
    """What has taken their names is none of theirs."""
    with copy_of_python(PLAIN) as (command, variables, executable, library), started(command, env=variables) as target:
        for file in (executable, library):
            file.unlink()
            file.write_bytes(b"a newer one")
        assert " (deleted)" in Path(f"/proc/{target.pid}/maps").read_text()
        assert kept(target.pid) == target.info["kept"]


def as_nobody(pid: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CAPTURE_AS_NOBODY, str(pid)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_root_the_executable_has_a_door_and_libraries_have_none() -> None:
    with (
        copy_of_python(AS_NOBODY) as (command, variables, executable, library),
        started(command, env=variables) as target,
    ):
        executable.unlink()
        assert as_nobody(target.pid) == "1000"
        library.unlink()
        said = as_nobody(target.pid)
    assert said.endswith(f"its {library.name} was replaced or deleted, and only root may still read it")


@pytest.mark.parametrize(
    ("bits", "machine", "said"),
    [
        (2, 183, "a 64-bit program for aarch64"),
        (1, 3, "a 32-bit program for i386"),
        (2, 9999, "a 64-bit program for machine 9999"),
    ],
)
def test_other_processors_are_refused_in_one_line(bits: int, machine: int, said: str) -> None:
    """By the executable's own header, as it is read from a process's files."""
    with started([str(PYTHON), str(PROGRAMS / "world.py")]) as target:
        mappings = read_maps(target.pid)

    def open_file(mapping: Mapping) -> io.BytesIO:
        head = bytearray(Path(mapping.path).read_bytes())
        head[4], head[18:20] = bits, machine.to_bytes(2, "little")
        return io.BytesIO(head)

    found = find_python(str(PYTHON.resolve()), mappings, open_file, {})
    assert found is not None and found.reason is not None
    assert said in found.reason and found.reason.endswith("verified on x86-64 only")


def test_layouts_say_for_which_processor_they_are() -> None:
    assert layout_for("3.12", "x86-64") == layout_for("3.12")
    with pytest.raises(UnsupportedTargetError, match="aarch64 has not been derived") as refused:
        layout_for("3.12", "aarch64")
    assert "fixtures.probe.derive" in refused.value.help
