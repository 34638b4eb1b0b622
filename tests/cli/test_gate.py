"""``gate`` in its three ways: the leak is named, the sound service passes, and nothing is left running."""

from __future__ import annotations

import ctypes
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.commands import clean_environment, command, leakscope
from leakscope.errors import EXIT_ATTACH, EXIT_CLEAN, EXIT_FLAGGED, EXIT_INPUT, EXIT_USAGE
from tests.cli.support import document

TARGETS = Path(__file__).parents[2] / "fixtures" / "targets"
SERVICE, CLIENT = TARGETS / "small_service.py", TARGETS / "small_client.sh"
QUICK = ("--rounds", 3, "--settle", "0s", "--retry-after", "100ms")
UNITS = 20
HOLDER = "__main__.Registry.sessions"


def driven(folder: Path, mode: str, *more: object) -> list[object]:
    """Arguments for a gate that starts the small service itself."""
    port = folder / "port"
    return [
        *("--run", f"exec {sys.executable} {SERVICE} {port} {mode}", "--ready", "listening"),
        *("--step", f"{CLIENT} {port} {UNITS}", *QUICK, *more),
    ]


@pytest.fixture
def leaking(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """PID and port file of a service that keeps every session."""
    port = tmp_path / "port"
    with subprocess.Popen([sys.executable, SERVICE, port, "leak"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid, port
        process.kill()


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Of a leaking service, one after each of four rounds."""
    folder = tmp_path_factory.mktemp("rounds")
    done = leakscope("gate", *driven(folder, "leak", "--keep", folder))
    assert done.returncode == EXIT_FLAGGED
    return sorted(folder.glob("*.leakscope"))


def processes_of(folder: Path) -> list[int]:
    """Those whose command line names the folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(process.info["cmdline"] or [])
    ]


def test_a_leak_fails_with_its_holder_and_the_service_is_stopped(tmp_path: Path) -> None:
    found = document_of(leakscope("gate", *driven(tmp_path, "leak"), "--json"), EXIT_FLAGGED)
    assert found["verdict"] == "fail"
    (leak,) = found["violations"]
    assert (leak["rule"], leak["class"], leak["found"], leak["limit"]) == ("growth", "__main__.Session", UNITS, 0)
    assert HOLDER in leak["message"]
    assert leak["chain"].startswith(HOLDER)
    assert found["new"] == found["violations"]
    assert [row["sessions"] for row in found["rounds"]] == [UNITS * (n + 1) for n in range(4)]
    assert processes_of(tmp_path) == []


def document_of(done: subprocess.CompletedProcess[str], code: int) -> dict[str, Any]:
    assert done.returncode == code, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_a_sound_service_passes(tmp_path: Path) -> None:
    done = leakscope("gate", *driven(tmp_path, "sound"))
    assert done.returncode == EXIT_CLEAN, done.stdout
    assert done.stdout.startswith("PASS")
    assert processes_of(tmp_path) == []


def test_work_in_flight_is_no_leak(tmp_path: Path) -> None:
    """Sessions live on until six seconds have passed without work."""
    done = leakscope("gate", *driven(tmp_path, "slow"), "--retry-after", "8s")
    assert done.returncode == EXIT_CLEAN, done.stdout
    assert "gone when looked at again" in done.stdout


def test_every_worker_is_measured(tmp_path: Path) -> None:
    port = tmp_path / "port"
    step = f"{CLIENT} {port} {UNITS} 40"
    found = document_of(leakscope("gate", *driven(tmp_path, "workers", "--step", step), "--json"), EXIT_FLAGGED)
    assert len({row["pid"] for row in found["rounds"]}) == 3
    assert HOLDER in found["violations"][0]["message"]
    assert processes_of(tmp_path) == []


def test_a_running_process_is_driven_and_lives_on(leaking: tuple[int, Path]) -> None:
    pid, port = leaking
    done = leakscope("gate", "--pid", pid, "--step", f"{CLIENT} {port} {UNITS}", *QUICK)
    assert done.returncode == EXIT_FLAGGED
    assert HOLDER in done.stdout
    assert psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_two_gates_at_once_both_answer(leaking: tuple[int, Path]) -> None:
    pid, port = leaking
    # Each sees the other's rounds as well, so that growth need not look even: a limit is broken in any case.
    limit = ("--max-sessions", f"*.Session={UNITS}")
    arguments = command("gate", "--pid", pid, "--step", f"{CLIENT} {port} {UNITS}", *limit, *QUICK)
    gates = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment())
        for _ in range(2)
    ]
    for gate in gates:
        told, complaints = gate.communicate(timeout=120)
        assert gate.returncode == EXIT_FLAGGED, complaints
        assert HOLDER in told


def test_snapshot_files_in_any_order(snapshots: list[Path]) -> None:
    found = document("gate", *snapshots[::-1], code=EXIT_FLAGGED)
    assert HOLDER in found["violations"][0]["message"]
    assert any("order of their capture" in note for note in found["notes"])
    assert len(found["rounds"]) == 4


def test_too_few_snapshots_say_what_they_cannot_tell(snapshots: list[Path]) -> None:
    one = document("gate", snapshots[0])
    assert (one["verdict"], one["violations"]) == ("pass", [])
    assert any("growth was not judged" in note for note in one["notes"])
    two = document("gate", *snapshots[:2])
    assert any("two snapshots cannot tell" in note for note in two["notes"])


def test_snapshots_of_different_processes(snapshots: list[Path], leaking: tuple[int, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.leakscope"
    assert leakscope("snapshot", leaking[0], "-o", other).returncode == 0
    found = document("gate", snapshots[0], other)
    assert any("another process" in note for note in found["notes"])
    found = document("gate", *snapshots, other, code=EXIT_FLAGGED)
    assert any("2 processes" in note for note in found["notes"])


def test_limits_of_the_project_and_of_the_command_line(snapshots: list[Path], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f"[tool.leakscope.gate]\ngrowth = {UNITS}\nsessions = {{ '*.Session' = 70 }}\n"
    )
    done = leakscope("gate", *snapshots, cwd=tmp_path)
    assert done.returncode == EXIT_FLAGGED
    assert "80 live __main__.Session, 70 allowed" in done.stdout
    assert "grows by" not in done.stdout
    assert leakscope("gate", *snapshots, "--max-sessions", "*.Session=80", cwd=tmp_path).returncode == EXIT_CLEAN
    for limit in (
        ("--max-container", f"{HOLDER}=79"),
        ("--max-retained", "*.Session=1 KiB"),
        ("--max-growth", UNITS - 1),
        ("--guessed", "--max-age", "1ms"),
    ):
        done = leakscope("gate", *snapshots, "--max-sessions", "*.Session=80", *limit, cwd=tmp_path)
        assert done.returncode == EXIT_FLAGGED, limit
    (tmp_path / "pyproject.toml").write_text("[tool.leakscope.gate]\ngrwoth = 1\n")
    done = leakscope("gate", *snapshots, cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert "grwoth" in done.stderr


def test_a_baseline_is_made_and_holds(snapshots: list[Path], tmp_path: Path) -> None:
    baseline = tmp_path / "leakscope-baseline.json"
    done = leakscope("gate", *snapshots, "--update-baseline", cwd=tmp_path)
    assert done.returncode == EXIT_CLEAN, done.stderr
    assert "reason" in done.stdout
    found = document_of(leakscope("gate", *snapshots, "--json", cwd=tmp_path), EXIT_CLEAN)
    assert [leak["class"] for leak in found["known"]] == ["__main__.Session"]
    told = json.loads(baseline.read_text())
    told["leaks"][0].update(reason="ticket 7", expires="2020-01-01")
    baseline.write_text(json.dumps(told))
    done = leakscope("gate", *snapshots, cwd=tmp_path)
    assert done.returncode == EXIT_FLAGGED
    assert "until 2020-01-01: ticket 7" in done.stdout
    told["leaks"][0].update(expires=None, allowed=UNITS - 1)
    baseline.write_text(json.dumps(told))
    assert leakscope("gate", *snapshots, cwd=tmp_path).returncode == EXIT_FLAGGED
    done = leakscope("gate", *snapshots, "--no-growth", cwd=tmp_path)
    assert done.returncode == EXIT_CLEAN
    assert "take these out of the baseline" in done.stdout


def test_several_reports_at_once(snapshots: list[Path], tmp_path: Path) -> None:
    reports = {name: tmp_path / f"out.{name}" for name in ("text", "json", "markdown", "junit", "sarif")}
    asked = [part for name, file in reports.items() for part in ("--report", f"{name}={file}")]
    done = leakscope("gate", *snapshots, *asked, "--report", "github")
    assert done.returncode == EXIT_FLAGGED
    assert done.stdout.startswith("::error ")
    assert all(
        HOLDER.replace("_", "") in file.read_text().replace("\\", "").replace("_", "") for file in reports.values()
    )


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], EXIT_USAGE, "what to judge"),
        (["--pid", 1], EXIT_USAGE, "--step"),
        (["--run", "true"], EXIT_USAGE, "--step"),
        (["--pid", 1, "--run", "true", "--step", "true"], EXIT_USAGE, "exclude"),
        (["a.leakscope", "--step", "true"], EXIT_USAGE, "files are as they were"),
        (["a.leakscope"], EXIT_INPUT, "a.leakscope"),
        (["a.leakscope", "--max-sessions", "many"], EXIT_USAGE, "--max-sessions"),
        (["a.leakscope", "--report", "pdf=x"], EXIT_USAGE, "pdf=x"),
        (["a.leakscope", "--report", "sarif=no/such/folder/x"], EXIT_INPUT, "cannot write"),
        (["a.leakscope", "--report", "text", "--report", "json"], EXIT_USAGE, "standard output"),
        (["a.leakscope", "--baseline", "absent.json"], EXIT_INPUT, ""),
        (["--pid", 2**22, "--step", "true", "--warmup", 0], EXIT_ATTACH, str(2**22)),
        (["--run", "exit 3", "--ready", "x", "--step", "true"], EXIT_ATTACH, "exit code 3"),
        (["--run", "sleep 60", "--ready", "x", "--ready-timeout", "300ms", "--step", "true"], EXIT_ATTACH, "not ready"),
    ],
    ids=str,
)
def test_what_cannot_be_judged(arguments: list[object], code: int, said: str, tmp_path: Path) -> None:
    done = leakscope("gate", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("leakscope: starting")]
    assert len(lines) == 2, done.stderr
    assert said in lines[0]
    assert lines[1].startswith("help: ")


@pytest.mark.parametrize(
    ("mode", "step", "code", "said"),
    [
        ("die", None, EXIT_USAGE, "the step command failed"),
        ("sound", "exit 5", EXIT_USAGE, "exit code 5"),
        ("sound", "sleep 60", EXIT_USAGE, "has not ended after 0.3 s"),
        ("sound", "kill $LEAKSCOPE_PID; sleep 0.3", EXIT_ATTACH, "ended with exit code"),
    ],
)
def test_a_step_that_goes_wrong_leaves_nothing_running(
    tmp_path: Path, mode: str, step: str | None, code: int, said: str
) -> None:
    arguments = driven(tmp_path, mode, "--step-timeout", "300ms" if step == "sleep 60" else "20s")
    if step is not None:
        arguments += ["--step", step]
    done = leakscope("gate", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert processes_of(tmp_path) == []


def test_control_c_stops_the_service(tmp_path: Path) -> None:
    arguments = command("gate", *driven(tmp_path, "sound", "--step", "sleep 60"))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as gate:
        deadline = time.monotonic() + 30
        while not (tmp_path / "port").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        gate.send_signal(2)
        _, complaints = gate.communicate(timeout=30)
    assert gate.returncode == 130, complaints
    assert processes_of(tmp_path) == []


def test_a_killed_gate_leaves_no_service(tmp_path: Path) -> None:
    arguments = command("gate", *driven(tmp_path, "sound", "--step", "sleep 60"))
    with subprocess.Popen(
        arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    ) as gate:
        deadline = time.monotonic() + 30
        while not (tmp_path / "port").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        service = [pid for pid in processes_of(tmp_path) if pid != gate.pid]
        assert service
        gate.kill()
    deadline = time.monotonic() + 20
    while any(map(psutil.pid_exists, service)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, service))


def test_a_report_that_finds_the_disk_full_leaves_no_part_of_it(snapshots: list[Path], tmp_path: Path) -> None:
    """The verdict is told all the same. On a file system of 4 KiB, or where that may not be mounted, on small files."""
    room = tmp_path / "room"
    room.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    mounted = libc.mount(b"tmpfs", str(room).encode(), b"tmpfs", 0, b"size=4k") == 0
    limit = None if mounted else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9))
    try:
        done = subprocess.run(
            command("gate", *snapshots, "--report", f"sarif={room / 'out.sarif'}"),
            capture_output=True,
            text=True,
            env=clean_environment(),
            preexec_fn=limit,
        )
        assert done.returncode == EXIT_INPUT, done.stderr
        assert "cannot write the report" in done.stderr
        assert done.stdout.startswith("FAIL")
        assert list(room.iterdir()) == []
    finally:
        if mounted:
            assert libc.umount(str(room).encode()) == 0
