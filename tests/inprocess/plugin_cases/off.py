"""What a test sees while the plug-in is off."""

import sys

import pytest

RUNS = []


@pytest.mark.leakscope
def test_once():
    RUNS.append(1)
    assert len(RUNS) == 1
    assert "leakscope.inprocess.pytest_rounds" not in sys.modules
    assert "numpy" not in sys.modules


def test_fixture(leakscope):
    with leakscope.no_leaks("*.Whatever", growth=0):
        RUNS.append(object())
    assert "leakscope.inprocess.leaks" not in sys.modules
