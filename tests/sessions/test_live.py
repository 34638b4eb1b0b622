"""Rules of one's own against live processes of every supported Python, from the command line."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.commands import ROOT, leakscope
from tests.interpreters import Interpreter, one_per_version

TARGET = ROOT / "fixtures" / "targets" / "ruled.py"
RULES = ROOT / "fixtures" / "targets" / "ruled.toml"


@pytest.fixture(scope="module", params=one_per_version(), ids=lambda interpreter: interpreter.name)
def target(request: pytest.FixtureRequest) -> Iterator[tuple[int, dict[str, Any]]]:
    """The PID of a service that rules are made for, and what it says of itself."""
    interpreter: Interpreter = request.param
    process = subprocess.Popen([interpreter.path, TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    try:
        yield process.pid, json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(30)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the rules in its leakscope.toml."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "leakscope.toml").write_text(RULES.read_text())
    return tmp_path


def document(*arguments: object, cwd: Path) -> dict[str, Any]:
    done = leakscope(*arguments, "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_every_session_is_found_with_its_age_and_state(target: tuple[int, dict[str, Any]], project: Path) -> None:
    pid, truth = target
    looked_at = document("snapshot", pid, "-o", "a.leakscope", cwd=project)["snapshot"]["captured_at"]
    items = document("sessions", "a.leakscope", "--limit", 1000, cwd=project)["items"]
    for class_, expected in truth.items():
        mine = [item for item in items if item["class"] == class_]
        assert Counter(item["state"] for item in mine) == expected["states"], class_
        ages = sorted(item["age_s"] for item in mine)
        assert all(
            abs(age - true) < 1
            for age, true in zip(ages, sorted(looked_at - t for t in expected["created"]), strict=True)
        ), class_
        assert len({item["id"] for item in mine}) == len(mine)
    assert "secret" not in json.dumps(items)


def test_a_snapshot_keeps_what_rules_found(target: tuple[int, dict[str, Any]], project: Path) -> None:
    pid, truth = target
    document("snapshot", pid, "-o", "a.leakscope", cwd=project)
    (project / "leakscope.toml").unlink()
    rows = document("rules", "--check", "a.leakscope", cwd=project)["rules"]
    by_name = {row["name"]: row["use"] for row in rows}
    assert by_name["basket"]["count"] == sum(truth["__main__.Basket"]["states"].values())
    assert by_name["basket"]["unread"] is None


def test_check_says_which_rule_found_what(target: tuple[int, dict[str, Any]], project: Path) -> None:
    pid, truth = target
    report = document("rules", "--check", pid, cwd=project)
    rows = {row["name"]: row for row in report["rules"]}
    assert report["problems"] == []
    for name, class_ in (("basket", "__main__.Basket"), ("line", "__main__.Line"), ("login", "dict")):
        found = sum(truth[class_]["states"].values())
        assert rows[name]["use"]["classes"] == [{"name": class_, "count": found}]
    assert rows["nothing"]["use"]["count"] == 0
    assert rows["line"]["use"]["unread"] == ["used"]
    assert rows["basket"]["use"]["refused"] == 1
    assert rows["late"]["use"]["claimed_before"] == [{"name": "line", "count": rows["line"]["use"]["count"]}]
