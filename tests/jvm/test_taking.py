"""Dumps of a running JVM: by whom they can be had, what is said where they cannot, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.commands import clean_environment, command, leakscope
from leakscope.errors import DumpError, NoRightsError, UnsupportedTargetError
from leakscope.target import dump_folder, jvm
from leakscope.target.runtimes import Identity, identify

LEAST = 1 << 20
FOLDERS = [Path(folder) for folder in dump_folder.FOLDERS]


@contextlib.contextmanager
def running(*words: str | Path, before: tuple[str, ...] = ()) -> Iterator[int]:
    """A ``Shop`` of a JVM with these options, once it is there; its PID."""
    started = [*before, "java", "-Xmx32m", "-XX:TieredStopAtLevel=1", *words, "Shop"]
    process = subprocess.Popen(
        started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        while process.stdout.readline() != "ready\n":
            assert process.poll() is None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield int(children[0]) if before and children else process.pid
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def plain(shop: Path) -> Iterator[Identity]:
    """A JVM of one's own, in one's own world."""
    with running("-cp", shop) as pid:
        yield identify(pid)


def left(pid: int) -> list[Path]:
    """Folders of dumps that the process sees."""
    return [path for folder in FOLDERS for path in Path(f"/proc/{pid}/root{folder}").glob("leakscope-dump-*/")]


def fake_jdk(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JDK whose jcmd does as told, found in place of the JVM's own."""
    tool = folder / "bin" / "jcmd"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setattr(jvm, "_own", lambda _: iter(()))
    monkeypatch.setenv("JAVA_HOME", str(folder))


def test_the_dump_is_there_for_the_block_and_gone_from_the_disk_at_once(plain: Identity) -> None:
    before = left(plain.pid)
    with jvm.dumped(plain, LEAST) as path:
        assert path.read_bytes().startswith(b"JAVA PROFILE ")
        assert not [file for folder in left(plain.pid) for file in folder.iterdir()]
    assert left(plain.pid) == before
    with pytest.raises(ZeroDivisionError), jvm.dumped(plain, LEAST):
        raise ZeroDivisionError
    assert left(plain.pid) == before


def test_a_jvm_in_a_container_is_asked_from_outside(shop: Path, tmp_path: Path) -> None:
    """Its own PIDs and mounts: it writes where only it sees, in what little it has."""
    mounts = " && ".join(f"mount -t tmpfs -o size=1m none {folder}" for folder in dump_folder.FOLDERS)
    world = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    home = tmp_path if not tmp_path.is_relative_to("/tmp") else Path("/opt")
    classes = home / f"leakscope-classes-{os.getpid()}"
    subprocess.run(["cp", "-r", shop, classes], check=True)
    try:
        with running("-cp", classes, before=world) as pid:
            told = leakscope("top", pid, "--limit", 1)
            assert told.returncode == 4
            assert "MiB on its disk, and /var/tmp has 1 MiB free and /tmp has" in told.stderr
            with pytest.raises(DumpError, match="its disk is full"), jvm.dumped(identify(pid), 1):
                pass
            assert left(pid) == []
            subprocess.run(
                ["nsenter", "--target", str(pid), "--mount", "mount", "-o", "remount,size=90m", "/tmp"], check=True
            )
            assert leakscope("top", pid, "--limit", 1).returncode == 0
            assert left(pid) == []
    finally:
        subprocess.run(["rm", "-rf", classes], check=True)


def test_a_jvm_of_another_user(plain: Identity, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # who may all is let in as that user
        as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        readable = subprocess.run([*as_nobody, "test", "-r", str(shop / "Shop.class")], check=False).returncode == 0
        if readable:
            with running("-cp", shop, before=as_nobody) as pid, jvm.dumped(identify(pid), LEAST) as path:
                assert path.stat().st_uid == 65534
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert jvm.why_not(plain) == "it lets nobody but its own user in: try sudo"
    with pytest.raises(NoRightsError, match="JVM of another user"), jvm.dumped(plain, LEAST):
        pass


def test_without_jcmd(plain: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jvm, "_own", lambda _: iter(()))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert jvm.why_not(plain) == "there is no jcmd, which comes with a JDK"
    with pytest.raises(UnsupportedTargetError, match="there is no jcmd") as told, jvm.dumped(plain, LEAST):
        pass
    assert "jcmd PID GC.heap_dump" in told.value.help


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "echo 'java.lang.UnsupportedClassVersionError: jdk/jcmd' >&2; exit 1",
            "jcmd is of another version than the JVM",
        ),
        (
            "echo 'java.lang.IllegalArgumentException: Unknown diagnostic command'",
            "jcmd is of another version than the JVM",
        ),
        ("echo 'Dump failed: what the weather wants'", "jcmd says: Dump failed: what the weather wants"),
        ("true", "jcmd says: nothing"),
        (': > "$3"; echo Heap dump file created', "jcmd says: Heap dump file created"),
        ('mkfifo "$3"', "is no file"),
        ('ln -s /etc/passwd "$3"', "is no file"),
    ],
)
def test_a_jcmd_that_does_not_do_it(
    plain: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    fake_jdk(tmp_path, script, monkeypatch)
    with pytest.raises(DumpError, match=message), jvm.dumped(plain, LEAST):
        pass
    assert left(plain.pid) == []


def test_a_jcmd_that_never_ends_is_given_up(plain: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_jdk(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(jvm, "LIMIT_S", 0.2)
    with pytest.raises(DumpError, match=r"not done with its dump after 0\.2 s"), jvm.dumped(plain, LEAST):
        pass
    assert left(plain.pid) == []


def test_a_jvm_that_lets_nobody_in(shop: Path) -> None:
    with running("-cp", shop, "-XX:+DisableAttachMechanism") as pid:
        told = leakscope("sessions", pid)
    assert told.returncode == 4
    assert "was started with -XX:+DisableAttachMechanism" in told.stderr
    assert left(os.getpid()) == []


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("y\n", 0)])
def test_on_a_terminal_it_is_asked_first(plain: Identity, answer: str, code: int) -> None:
    terminal, end = pty.openpty()
    asked = command("top", str(plain.pid), "--limit", "1")
    process = subprocess.Popen(
        asked, stdin=end, stderr=end, stdout=subprocess.PIPE, text=True, env=clean_environment(), start_new_session=True
    )
    os.close(end)
    said = b""
    try:
        while b"[y/N]" not in said:
            said += os.read(terminal, 1024)
        os.write(terminal, answer.encode())
        assert process.wait(60) == code
    finally:
        process.kill()
        process.communicate()
        os.close(terminal)
    assert b"stands still meanwhile" in said


def test_yes_answers_beforehand_and_pause_is_no_business_of_a_jvm(plain: Identity) -> None:
    told = leakscope("top", plain.pid, "--limit", 1, "--yes")
    assert told.returncode == 0
    assert "stands still meanwhile" in told.stderr
    assert leakscope("top", plain.pid, "--pause", "none").returncode == 4
