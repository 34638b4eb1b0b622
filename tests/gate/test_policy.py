"""Limits as they stand in a project's TOML: read, laid over each other, and refused with the key that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from leakscope.errors import UsageError
from leakscope.gate.policy import Policy, policy_of


def test_nothing_said_judges_growth_and_closed_sessions() -> None:
    policy = policy_of({}, "pyproject.toml")
    assert (policy.growth, policy.closed_retained, policy.age, policy.sessions) == (0.0, 0, None, {})


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ({"growth": False}, "growth", None),
        ({"growth": True}, "growth", 0.0),
        ({"growth": 2}, "growth", 2.0),
        ({"closed-retained": 3}, "closed_retained", 3),
        ({"closed_retained": False}, "closed_retained", None),
        ({"age": "1h30m"}, "age", 5400.0),
        ({"idle": "90s"}, "idle", 90.0),
        ({"sessions": {"app.*": 10}}, "sessions", {"app.*": 10}),
        ({"retained": {"app.Cache": "1.5 MiB"}}, "retained", {"app.Cache": 1572864}),
        ({"retained": {"app.Cache": 4096}}, "retained", {"app.Cache": 4096}),
        ({"containers": {"app.S": 0}}, "containers", {"app.S": 0}),
        ({"descriptors": 0.5}, "descriptors", 0.5),
        ({"guessed": True}, "guessed", True),
    ],
)
def test_a_limit(table: dict[str, Any], field: str, value: object) -> None:
    assert getattr(policy_of(table, "pyproject.toml"), field) == value


@pytest.mark.parametrize(
    "table",
    [
        {"grwoth": 1},
        {"growth": -1},
        {"growth": "fast"},
        {"growth": float("nan")},
        {"growth": float("inf")},
        {"closed-retained": 1.5},
        {"closed-retained": True},
        {"age": 30},
        {"age": "30"},
        {"age": "30x"},
        {"sessions": 5},
        {"sessions": {"app.*": -1}},
        {"sessions": {"app.*": False}},
        {"retained": {"app.Cache": "much"}},
        {"guessed": "yes"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_named(table: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        policy_of(table, "pyproject.toml")
    (key,) = table
    assert "pyproject.toml" in caught.value.message
    assert key in caught.value.message
    assert caught.value.help


def test_the_command_line_lies_over_the_file() -> None:
    base = policy_of({"growth": 5, "age": "1h"}, "pyproject.toml")
    assert policy_of({"growth": 1}, "command line", base) == Policy(growth=1.0, age=3600.0)
