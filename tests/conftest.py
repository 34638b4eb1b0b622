"""What each test begins with, and what none leaves behind for the next one of its process."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from leakscope.kernels import _columns


def pytest_configure() -> None:
    # A run in the background begins with it ignored, as would all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def nobody_watches_memory() -> Iterator[None]:
    """A heap that was read leaves a limit for this process, and a thread that sees to it."""
    yield
    _columns.STORE.stop()
