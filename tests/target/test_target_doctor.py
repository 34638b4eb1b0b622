"""``check``: what is in the way, and what to do about it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from leakscope.findings.model import Check
from leakscope.target import doctor
from leakscope.target.doctor import check

from .support import TOO_OLD, Target, environment, running, wait_for


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {row.name: row for row in checks}


def test_host() -> None:
    checks = by_name(check(None))
    assert set(checks) == {"platform", "ptrace_scope", "CAP_SYS_PTRACE", "container", "seccomp", "memory"}
    assert checks["platform"].status == "ok"
    assert all(row.remedy for row in checks.values() if row.status == "failed")


def test_python_that_can_be_attached_to(known: Target) -> None:
    checks = by_name(check(known.pid))
    names = ("process", "attach", "tracer", "state", "pid namespace", "mnt namespace", "memory")
    assert {checks[name].status for name in names} == {"ok"}
    assert "supported" in checks["process"].detail


def test_process_that_is_gone() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    row = by_name(check(child.pid))["process"]
    assert row.status == "failed" and "no process" in row.detail and row.remedy


def test_unsupported_version() -> None:
    with running(TOO_OLD[0], "known.py") as target:
        row = by_name(check(target.pid))["process"]
    assert row.status == "failed" and "older" in row.detail and row.remedy


def test_traced_and_stopped(known: Target) -> None:
    os.kill(known.pid, signal.SIGSTOP)
    wait_for(lambda: by_name(check(known.pid))["state"].detail.startswith("T"))
    with running(sys.executable, "tracer.py", str(known.pid), env=environment()) as tracer:
        row = by_name(check(known.pid))["tracer"]
    assert row.status == "failed" and str(tracer.pid) in row.detail and row.remedy


def test_leakscope_itself() -> None:
    assert by_name(check(os.getpid()))["attach"].status == "failed"


@pytest.mark.parametrize(
    ("scope", "capable", "status"),
    [(0, False, "ok"), (1, False, "warning"), (1, True, "ok"), (2, False, "warning"), (3, True, "failed")],
)
def test_ptrace_scopes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: int, capable: bool, status: str) -> None:
    (tmp_path / "ptrace_scope").write_text(f"{scope}\n")
    monkeypatch.setattr(doctor, "_PTRACE_SCOPE", tmp_path / "ptrace_scope")
    monkeypatch.setattr(doctor, "_may_ptrace", lambda: capable)
    row = by_name(check(None))["ptrace_scope"]
    assert row.status == status and (row.remedy is None) == (status == "ok")


def test_little_memory(known: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "available_bytes", lambda: 1 << 20)
    row = by_name(check(known.pid))["memory"]
    assert row.status == "failed" and row.remedy
