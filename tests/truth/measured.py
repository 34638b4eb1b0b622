"""Each pair of interpreter and target is measured once per test run; the tables come at its end."""

from __future__ import annotations

from tests.interpreters import Interpreter, with_web_packages
from tests.truth.compare import Report, measure

REPORTS: dict[tuple[Interpreter, str], Report] = {}


def measured(interpreter: Interpreter, target: str) -> Report:
    """How the reader's graph of ``target`` under ``interpreter`` differs from the truth."""
    key = interpreter, target
    if key not in REPORTS:
        python = interpreter.path if target == "zoo" else with_web_packages(interpreter)
        REPORTS[key] = measure(python, target)[0]
    return REPORTS[key]
