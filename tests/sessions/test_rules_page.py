"""docs/RULES.md tells the truth: its examples are rules, and it names every key."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from leakscope.sessions.load import GROUP
from leakscope.sessions.rule_files import ENABLED, KEYS, read_tables
from leakscope.sessions.rules import CATEGORIES, CLOCKS, UNITS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = (Path(__file__).parents[2] / "docs" / "RULES.md").read_text(encoding="utf-8")
EXAMPLES = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.S)]
RULES = [example for example in EXAMPLES if "session" in example]


@pytest.mark.parametrize("example", RULES, ids=lambda example: str(example["session"][0]["name"]))
def test_an_example_is_a_rule_without_mistakes(example: dict[str, object]) -> None:
    read = read_tables(example, "docs/RULES.md")
    assert read.problems == ()
    assert len(read.rules) == 1


def test_every_key_is_explained() -> None:
    assert len(RULES) == 5
    in_examples = {key for example in RULES for table in example["session"] for key in table}
    explained = in_examples | set(re.findall(r"`(\w+)`", PAGE))
    assert set(KEYS) - {"title"} <= explained
    assert ENABLED not in explained
    for words in (CATEGORIES, CLOCKS, UNITS):
        assert {word for word in words if word != "auto"} <= explained


def test_the_entry_point_is_in_our_group() -> None:
    (plug_in,) = (example for example in EXAMPLES if "project" in example)
    assert list(plug_in["project"]["entry-points"]) == [GROUP]
