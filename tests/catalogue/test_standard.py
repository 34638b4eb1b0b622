"""The standard library's threads, tasks, files, sockets and processes, on every supported version."""

from __future__ import annotations

import pytest

from tests.catalogue.harness import check
from tests.interpreters import Interpreter, one_per_version

every_version = pytest.mark.parametrize("interpreter", one_per_version(), ids=lambda found: found.name)


@every_version
def test_what_runs(interpreter: Interpreter) -> None:
    """Threads, tasks, futures, executors and what they have queued."""
    check(interpreter.path, "running")


@every_version
@pytest.mark.parametrize("target", ["tls", "children"])
def test_what_asyncio_and_multiprocessing_open(interpreter: Interpreter, target: str) -> None:
    """Streams over TLS; children of an event loop, pools and pipes."""
    check(interpreter.path, target)


@every_version
def test_what_is_open(interpreter: Interpreter) -> None:
    """Files, maps, sockets, streams, processes, and the clients of four protocols."""
    check(interpreter.path, "resources")
