"""docs/GATE.md tells what is: every key, option, format and file of it exists, and its examples are read."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from fixtures.commands import leakscope
from leakscope.cli.gate_reports import FORMATS
from leakscope.errors import UsageError
from leakscope.gate.baseline import load_baseline
from leakscope.gate.policy import Policy, policy_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "GATE.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The page's only example in a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.M | re.S)
    return str(found)


def test_the_limits_are_those_of_the_policy() -> None:
    rows = re.search(r"\| key \| option .*?\n\n", PAGE, flags=re.S)
    assert rows
    told = {name for line in rows[0].strip().splitlines()[2:] for name in re.findall(r"`([\w-]+)`", line.split("|")[1])}
    with pytest.raises(UsageError) as caught:
        policy_of({"unheard-of": 1}, "here")
    known = caught.value.help.removeprefix("It knows ").rstrip(".").split(", ")
    assert told == set(known)


def test_every_option_exists() -> None:
    shown = leakscope("gate", "--help", environment={"COLUMNS": "200"}).stdout
    for option in set(re.findall(r"(?<![\w-])--[a-z][\w-]*", PAGE)) - {"--requests"}:
        assert option in shown


def test_the_limits_example_is_a_policy() -> None:
    table = tomllib.loads(block("toml"))["tool"]["leakscope"]["gate"]
    policy = policy_of(table, "page")
    assert policy != Policy()
    assert policy.retained == {"app.Cache": 50 << 20}


def test_the_baseline_example_is_a_baseline(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    file.write_text(block("json"))
    (entry,) = load_baseline(file)
    assert (entry.reason, entry.allowed) == ("ticket 7", 40.0)


def test_the_five_lines_are_what_the_action_takes() -> None:
    (step,) = yaml.safe_load(block("yaml"))
    inputs = yaml.safe_load((ROOT / "action.yml").read_text())["inputs"]
    assert set(step["with"]) <= set(inputs)
    assert len(block("yaml").splitlines()) == 5


def test_formats_and_files_exist() -> None:
    reports = PAGE.partition("## Reports")[2].partition("## Recipes")[0]
    assert {
        name for line in re.findall(r"^\| (`.*?) \|", reports, flags=re.M) for name in re.findall(r"\w+", line)
    } == {*FORMATS}
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
