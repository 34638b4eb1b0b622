"""The offset of local time from UTC, where a process sets its own zone after it began."""

from __future__ import annotations

import pytest

from leakscope.cpython import read_heap
from leakscope.target.attach import capture
from tests.interpreters import Interpreter, one_per_version
from tests.truth.driver import running


@pytest.mark.parametrize("began", ["UTC", "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize("became", [None, "UTC", "Asia/Tokyo", "America/Chicago", "Australia/Sydney", "Asia/Kolkata"])
@pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)
def test_the_zone_that_counts_is_the_one_set_last(
    interpreter: Interpreter, began: str, became: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Known where it is the one that it began in or has no summer time; never another's."""
    monkeypatch.setenv("TZ", began)
    with running(interpreter.path, "local_time", *([became] if became else [])) as target:
        found = read_heap(capture(target.pid)).facts["utc_offset_s"]
    certain = became in (None, began, "UTC", "Asia/Tokyo", "Asia/Kolkata")
    assert found == (target.facts["utc_offset_s"] if certain else None)
