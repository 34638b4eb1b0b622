"""What no test leaves behind for the next one of its process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leakscope.kernels import _columns


@pytest.fixture(autouse=True)
def nobody_watches_memory() -> Iterator[None]:
    """A heap that was read leaves a limit for this process, and a thread that sees to it."""
    yield
    _columns.STORE.stop()
