"""Fixtures of the target tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .support import ANY, Target, running


@pytest.fixture
def known() -> Iterator[Target]:
    """A single-threaded target that has told where its objects lie."""
    with running(ANY, "known.py") as target:
        yield target
