"""Measures each pair of target and interpreter once, and prints what was missed and added, by type, at the end."""

from __future__ import annotations

import pytest

from tests.interpreters import with_web_packages
from tests.truth.compare import Report, measure


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> Report:
    """How the reader's graph of a target under an interpreter differs from the truth; tests of a pair are in a row."""
    target, interpreter = request.param
    return measure(interpreter.path if target == "zoo" else with_web_packages(interpreter), target)[0]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The tables that tests recorded, whatever process ran them; ``python -m tests.truth.compare`` prints more."""
    for ended in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, table in ended.user_properties:
            if name.startswith("truth: "):
                terminalreporter.section(name)
                terminalreporter.line(table)
