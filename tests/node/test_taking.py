"""Heap snapshots of a running Node: by the signal it was started with, by its inspector, and by nothing else."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.commands import leakscope
from leakscope.errors import DumpError, TargetGoneError, UnsupportedTargetError
from leakscope.target import node
from leakscope.target.runtimes import identify

PROGRAM = """
class Session { constructor(id) { this.id = id; this.closed = true } }
globalThis.tracker = new Map()
for (let i = 0; i < 300; i++) tracker.set(`customer-${i}`, new Session(`s-${i}`))
if (process.argv.includes('catches')) process.on('SIGUSR2', () => {})
setInterval(() => {}, 1000)
console.log('ready')
"""


@contextlib.contextmanager
def running(folder: Path, *options: str, arguments: tuple[str, ...] = (), **environment: str) -> Iterator[int]:
    """A Node with these options, in ``folder``; its PID."""
    script = folder / "app.js"
    script.write_text(PROGRAM)
    process = subprocess.Popen(
        ["node", *options, script, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def first_suspect(source: object) -> tuple[str, int]:
    done = leakscope("suspects", source, "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)["suspects"][0]
    return first["class"], first["count"]


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (("--heapsnapshot-signal=SIGUSR2",), {}),
        (("--heapsnapshot-signal", "SIGUSR2", "--diagnostic-dir=dumps"), {}),
        ((), {"NODE_OPTIONS": "--heapsnapshot-signal=SIGUSR2"}),
    ],
)
def test_by_its_signal(tmp_path: Path, options: tuple[str, ...], environment: dict[str, str]) -> None:
    (tmp_path / "dumps").mkdir()
    with running(tmp_path, *options, **environment) as pid:
        assert node.why_not(identify(pid)) is None
        assert first_suspect(pid) == ("Session", 300)
        assert files(tmp_path) == ["app.js", "dumps"]
        assert files(tmp_path / "dumps") == []


@pytest.mark.parametrize(
    ("options", "arguments"),
    [((), ()), ((), ("--heapsnapshot-signal=SIGUSR2", "catches"))],
)
def test_no_signal_is_sent_that_was_not_offered(
    tmp_path: Path, options: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    with running(tmp_path, *options, arguments=arguments) as pid:
        told = leakscope("sessions", pid)
        assert told.returncode == 4
        assert "--heapsnapshot-signal=SIGUSR2" in told.stderr
        assert "http://127.0.0.1:9229" in told.stderr
        with pytest.raises(UnsupportedTargetError):
            node.require(identify(pid))
        time.sleep(0.1)
        assert Path(f"/proc/{pid}").exists(), "it was killed by a signal that it does not know"


def test_no_room_and_an_end_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path, "--heapsnapshot-signal=SIGUSR2") as pid:
        identity = identify(pid)
        with pytest.raises(DumpError, match="MiB on its disk"), node.dumped(identity, 1 << 60):
            pass
        monkeypatch.setattr(node, "LIMIT_S", 0.0)
        with pytest.raises(DumpError, match="within 0 s of its signal"), node.dumped(identity, 1):
            pass
    with pytest.raises((TargetGoneError, UnsupportedTargetError)), node.dumped(identity, 1):
        pass


def test_by_its_inspector(tmp_path: Path) -> None:
    with running(tmp_path, "--inspect=127.0.0.1:0") as pid:
        port = _listening(pid)
        taken = tmp_path / "node.leakscope"
        done = leakscope("snapshot", f"http://127.0.0.1:{port}", "-o", taken, "--json")
        assert done.returncode == 0, done.stderr
        facts = json.loads(done.stdout)["snapshot"]
        assert (facts["runtime"], facts["strategy"]) == ("node", "inspector")
        assert first_suspect(taken) == ("Session", 300)
        assert first_suspect(f"http://127.0.0.1:{port}") == ("Session", 300)
        wrong = leakscope("snapshot", f"ws://127.0.0.1:{port}/nobody", "-o", taken)
        assert (wrong.returncode, wrong.stderr.count("\n")) == (4, 2)


def _listening(pid: int) -> int:
    """The one port at which it listens."""
    inodes = {re.sub(r"\D", "", str(path.readlink())) for path in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return next(int(row[1].partition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes)
