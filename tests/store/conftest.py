"""A real Redis for the tests of ``leakscope store``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.catalogue.servers import redis
from tests.store.support import tell


@pytest.fixture(scope="session")
def _server() -> Iterator[str]:
    with redis() as url:
        yield url


@pytest.fixture
def server(_server: str) -> str:
    """The URL of an empty server."""
    tell(_server, ("FLUSHALL",), ("CONFIG", "RESETSTAT"))
    return _server
