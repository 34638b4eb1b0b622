"""Fixtures of the target tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from .support import ANY, Target, running

settings.register_profile("target", deadline=None)  # other work on the machine is no failure
settings.load_profile("target")


@pytest.fixture
def known() -> Iterator[Target]:
    """A single-threaded target that has told where its objects lie."""
    with running(ANY, "known.py") as target:
        yield target
