"""The verdict on the program of a test."""

from __future__ import annotations

import pytest

from tests.suspects.verdicts import Verdict, verdict


@pytest.fixture(name="verdict", scope="module")
def _verdict(request: pytest.FixtureRequest) -> Verdict:
    """On a pair of program and interpreter; pytest puts the tests of a pair in a row."""
    return verdict(*request.param)
