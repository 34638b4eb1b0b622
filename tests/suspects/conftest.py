"""Verdicts on all programs that the selected tests ask for, made at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.suspects.verdicts import Verdicts


@pytest.fixture(scope="session")
def verdicts(request: pytest.FixtureRequest) -> Iterator[Verdicts]:
    """Begins with all of them when the first is asked for."""
    calls = [getattr(item, "callspec", None) for item in request.session.items if "verdicts" in item.fixturenames]
    pairs = dict.fromkeys((call.params["program"], call.params["interpreter"]) for call in calls if call)
    with Verdicts(list(pairs)) as made:
        yield made
