"""An output that cannot be written: one clear error, nothing left behind, nothing else touched."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from leakscope.errors import InputError
from leakscope.formats import leakscope_file, tables
from leakscope.formats.leakscope_file import save
from tests.formats.graphs import random_graph

GRAPH = random_graph(1, objects=50_000, references=200_000, names=["name"])


def _refused(path: Path) -> InputError:
    """What ``save`` says of ``path``."""
    with pytest.raises(InputError) as caught:
        save(GRAPH, path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.help
    return caught.value


def test_a_missing_folder(tmp_path: Path) -> None:
    """Is named, with the reason."""
    assert "No such file" in _refused(tmp_path / "missing" / "x.leakscope").message


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    """A path through a file."""
    (tmp_path / "file").touch()
    assert "Not a directory" in _refused(tmp_path / "file" / "x.leakscope").message


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    """Is left alone."""
    (tmp_path / "folder").mkdir()
    assert "folder" in _refused(tmp_path / "folder").message
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_an_overlong_name(tmp_path: Path) -> None:
    """The kernel's refusal becomes an error with help."""
    assert "too long" in _refused(tmp_path / ("x" * 300)).message
    assert list(tmp_path.iterdir()) == []


def test_devices_are_not_replaced(tmp_path: Path) -> None:
    """A rename as root would turn /dev/null or a fifo into a plain file."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/full")
    for path in (tmp_path / "fifo", tmp_path / "link"):
        assert "not a regular file" in _refused(path).message
    assert (tmp_path / "fifo").is_fifo()
    assert Path("/dev/full").is_char_device()


_WRITER = """
import os, resource, signal, sys
from pathlib import Path
from leakscope.errors import InputError
from leakscope.formats.leakscope_file import save
from tests.formats.graphs import random_graph
graph = random_graph(1, 50_000, 200_000, ["name"])
{prepare}
try:
    save(graph, Path(sys.argv[1]))
except InputError as error:
    sys.stdout.write(error.message)
    sys.exit(error.exit_code)
"""


def _save_elsewhere(path: Path, prepare: str) -> tuple[int, str]:
    """Exit code and message of a process that saves GRAPH to ``path`` after ``prepare``."""
    program = textwrap.dedent(_WRITER).format(prepare=prepare)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout or done.stderr


def test_a_read_only_folder(tmp_path: Path) -> None:
    """As a user who may not write there; root may write everywhere, so it steps down."""
    tmp_path.chmod(0o555)
    prepare = "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    code, message = _save_elsewhere(_reachable(tmp_path) / "x.leakscope", prepare)
    assert (code, list(tmp_path.iterdir())) == (3, []), message
    assert "Permission denied" in message


def _reachable(folder: Path) -> Path:
    """Lets other users through to ``folder``, which pytest keeps for its own."""
    for parent in (folder.parent, folder.parent.parent):
        if parent.owner() == folder.owner() and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    return folder


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    """The write fails half-way: the old snapshot stays as it was, the new one leaves nothing."""
    path = tmp_path / "x.leakscope"
    path.write_bytes(b"old")
    prepare = (
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    )
    code, message = _save_elsewhere(path, prepare)
    assert code == 3, message
    assert "File too large" in message
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


def test_a_full_disk(tmp_path: Path) -> None:
    """On a file system of 256 KiB; without the right to mount one, on a file that may not grow."""
    libc = ctypes.CDLL(None, use_errno=True)
    room = tmp_path / "room"
    room.mkdir()
    mounted = libc.mount(b"tmpfs", str(room).encode(), b"tmpfs", 0, b"size=256k") == 0
    try:
        limit = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))"
        code, message = _save_elsewhere(room / "x.leakscope", "" if mounted else limit)
        assert (code, list(room.iterdir())) == (3, []), message
        assert ("No space left" if mounted else "File too large") in message
        assert "room" in message
    finally:
        if mounted:
            assert libc.umount(str(room).encode()) == 0


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_an_interruption_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interruption: BaseException
) -> None:
    """In the middle of the tables."""
    written: list[str] = []
    write_table = tables.write_table

    def interrupted(file: object, table: str, columns: object) -> None:
        written.append(table)
        if len(written) == 3:
            raise interruption
        write_table(file, table, columns)  # type: ignore[arg-type]

    monkeypatch.setattr(leakscope_file, "write_table", interrupted)
    with pytest.raises((InputError, KeyboardInterrupt, MemoryError)):
        save(GRAPH, tmp_path / "x.leakscope")
    assert len(written) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ending", "nameless"), [("SIGINT", True), ("SIGINT", False), ("SIGKILL", True)])
def test_an_ended_process_leaves_nothing(tmp_path: Path, ending: str, nameless: bool) -> None:
    """A signal at any moment of the writing: the file is whole or absent."""
    prepare = f"import threading, time; stop = lambda: os.kill(os.getpid(), signal.{ending})"
    if not nameless:
        prepare += "; os.O_TMPFILE = os.O_DIRECTORY | os.O_CREAT"  # the kernel answers EINVAL
    for delay in (0.0, 0.005, 0.02, 0.05, 0.1, 0.15):
        path = tmp_path / "x.leakscope"
        _save_elsewhere(path, f"{prepare}; threading.Timer({delay}, stop).start()")
        left = [entry.name for entry in tmp_path.iterdir()]
        assert left in ([], [path.name])
        if left:
            assert leakscope_file.load(path).objects == GRAPH.objects
            path.unlink()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_file_system_without_nameless_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes a named one beside the path, also over an older snapshot, and leaves only the result."""
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY | os.O_CREAT)
    path = tmp_path / "x.leakscope"
    path.write_bytes(b"old")
    save(GRAPH, path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert leakscope_file.load(path).objects == GRAPH.objects
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_graph_that_load_would_refuse_is_not_saved(tmp_path: Path) -> None:
    """It is a bug of the reader, not of the user: ValueError."""
    wrong = replace(GRAPH, target=np.full_like(GRAPH.target, GRAPH.objects))
    with pytest.raises(ValueError, match=r"references\.target"):
        save(wrong, tmp_path / "x.leakscope")
    assert list(tmp_path.iterdir()) == []
