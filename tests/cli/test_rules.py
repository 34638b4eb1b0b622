"""``leakscope rules`` and --rules: what is listed, what is told on standard error, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.commands import leakscope

MINE = """
[[session]]
name = "mine"
class = "__main__.Basket"
created = "nowhere"

[[session]]
name = "broken"
clas = "shop.Basket"
"""
TARGET = "import sys\nclass Basket: pass\nheld = [Basket(), Basket()]\nprint(flush=True)\nsys.stdin.read()"


@pytest.fixture(scope="module")
def target() -> Iterator[int]:
    """The PID of a process that holds two baskets."""
    process = subprocess.Popen([sys.executable, "-c", TARGET], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdout.readline()
    yield process.pid
    process.stdin.close()
    process.stdout.close()
    process.wait(30)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with ``mine.toml`` and no rules of its own."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "mine.toml").write_text(MINE)
    return tmp_path


def document(*arguments: object, cwd: Path) -> dict[str, Any]:
    done = leakscope("rules", *arguments, "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    loaded: dict[str, Any] = json.loads(done.stdout)
    schema = resources.files("leakscope.render").joinpath("schemas", "rules.json").read_text()
    jsonschema.validate(loaded, json.loads(schema))
    return loaded


def test_the_list_is_in_the_order_in_which_rules_are_asked(folder: Path) -> None:
    (folder / "leakscope.toml").write_text('disable = ["thread"]\n[[session]]\nname = "own"\nkeys = ["sid"]\n')
    report = document("--rules", "mine.toml", cwd=folder)
    rows = report["rules"]
    assert [row["name"] for row in rows[:2]] == ["mine", "own"]
    assert rows[0]["source"] == "mine.toml"
    assert rows[1]["classes"] == ["['sid']"]
    assert [row["name"] for row in rows if not row["disabled_by"]][-1] == "guess"
    assert [(row["name"], row["disabled_by"]) for row in rows if row["disabled_by"]] == [
        ("thread", str(folder / "leakscope.toml"))
    ]
    assert [(each["source"], each["rule"]) for each in report["problems"]] == [("mine.toml", "broken")] * 2
    assert {row["use"] for row in rows} == {None}
    told = leakscope("rules", "--rules", "mine.toml", cwd=folder, environment={"COLUMNS": "120"}).stdout
    assert told.index("__main__.Basket") < told.index("requests.sessions.Session") < told.index("named like sessions")
    assert "disabled by" in told
    assert "problem: rule broken (mine.toml) skipped: clas: unknown key (did you mean 'class'?)" in told


def test_check_names_what_leads_nowhere(target: int, folder: Path) -> None:
    report = document("--rules", "mine.toml", "--check", target, cwd=folder)
    assert report["source"] == str(target)
    assert report["rules"][0]["use"] == {
        "count": 2,
        "classes": [{"name": "__main__.Basket", "count": 2}],
        "refused": 0,
        "claimed_before": [],
        "unread": ["created"],
    }
    told = leakscope("rules", "--rules", "mine.toml", "--check", target, cwd=folder).stdout
    assert "__main__.Basket (2)" in told
    assert "mine: created: no path led anywhere, for any of 2" in told
    assert "found nothing: " in told


def test_a_snapshot_shows_what_rules_found_then(target: int, folder: Path) -> None:
    assert leakscope("snapshot", target, "-o", "a.leakscope", "--rules", "mine.toml", cwd=folder).returncode == 0
    report = document("--check", "a.leakscope", cwd=folder)
    (row,) = (row for row in report["rules"] if row["name"] == "mine")
    assert (row["use"]["count"], row["use"]["unread"], row["source"]) == (2, None, None)
    assert "stays as it was taken" in report["note"]
    for command in (("rules", "--check", "a.leakscope"), ("sessions", "a.leakscope"), ("chains", "a.leakscope")):
        done = leakscope(*command, "--rules", "mine.toml", cwd=folder)
        assert done.returncode == 2
        assert "--rules mine.toml goes with a PID" in done.stderr


@pytest.mark.parametrize("command", ["sessions", "chains", "snapshot"])
def test_problems_are_told_once_on_standard_error(command: str, target: int, folder: Path) -> None:
    done = leakscope(command, target, "--rules", "mine.toml", "--json", cwd=folder)
    assert done.returncode == 0
    json.loads(done.stdout)
    told = done.stderr.splitlines()
    assert len(told) == len(set(told)) == 2
    assert told[0] == "leakscope: rule broken (mine.toml) skipped: clas: unknown key (did you mean 'class'?)"


def test_rules_of_the_folder_are_used_without_being_asked_for(target: int, folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        MINE.partition("\n\n[[")[0].replace("[[session]]", "[[tool.leakscope.session]]")
    )
    document = json.loads(leakscope("sessions", target, "--json", cwd=folder).stdout)
    assert [row["count"] for row in document["classes"] if row["class"] == "__main__.Basket"] == [2]
    (folder / "pyproject.toml").write_text("[tool.leakscope\n")
    done = leakscope("sessions", target, cwd=folder)
    assert done.returncode == 0
    assert done.stderr.startswith(f"leakscope: {folder / 'pyproject.toml'}: cannot be read: ")


def test_a_file_of_rules_that_cannot_be_read_is_an_error(target: int, folder: Path) -> None:
    (folder / "bad.toml").write_text("a = [")
    for name in ("bad.toml", "nowhere.toml"):
        done = leakscope("sessions", target, "--rules", name, cwd=folder)
        assert done.returncode == 3
        assert name in done.stderr
        assert "\nhelp: " in done.stderr


def test_hostile_texts_in_rules_do_not_reach_the_terminal(folder: Path) -> None:
    (folder / "leakscope.toml").write_text('[[session]]\nname = "a\\u001b[2J"\n"\\u001b[31m" = 1\n')
    for arguments in (("rules",), ("sessions", os.getpid())):
        done = leakscope(*arguments, cwd=folder)
        assert "\x1b" not in done.stdout + done.stderr
        assert r"\x1b[31m: unknown key" in done.stdout + done.stderr
