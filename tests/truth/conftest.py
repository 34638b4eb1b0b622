"""Prints what was missed and added, by type, at the end of a run."""

from __future__ import annotations

import pytest

from tests.truth.measured import REPORTS
from tests.truth.table import lines_of

_ROWS = 8


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table per interpreter and target; ``python -m tests.truth.compare`` prints more rows."""
    for (interpreter, target), report in REPORTS.items():
        terminalreporter.section(f"truth: {target} on {interpreter.name}")
        for line in lines_of(report, _ROWS):
            terminalreporter.line(line)
